"""Plots, summary and report of a run, made from its bundle."""

from streamweir.reporting.plots import plot
from streamweir.reporting.publishing import publish, refresh_summary

__all__ = ["plot", "publish", "refresh_summary"]

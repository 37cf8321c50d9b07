"""Plots, summary and report of a run, made from its bundle."""

from streamweir.reporting.plots import plot
from streamweir.reporting.publish import publish, refresh_summary

__all__ = ["plot", "publish", "refresh_summary"]

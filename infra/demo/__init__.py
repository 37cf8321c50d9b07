"""`make demo`: one run of a pipeline through Airflow, watched to its end."""

from infra.demo.command import demo

__all__ = ["demo"]

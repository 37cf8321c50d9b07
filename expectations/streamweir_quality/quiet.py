"""Great Expectations without telemetry, progress bars and files of its own."""

import great_expectations as gx
from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext
from great_expectations.data_context.types.base import ProgressBarsConfig


def context() -> EphemeralDataContext:
    """A context in memory that reads no project folder and sends nothing anywhere."""
    quiet = gx.get_context(mode="ephemeral")
    quiet.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    return quiet

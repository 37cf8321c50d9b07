"""The params of the DAGs that look after what lives on: `stop_scorer`, `retire_streams`, `clean_airflow`."""

from airflow.sdk import Param

from streamweir.contracts.pipelines import pipeline_names
from streamweir.contracts.streams import STREAM_ID_PATTERN
from streamweir_airflow.params import STREAM, Params

MOST_DAYS = 36_500
"""A century: no calendar holds what is much longer ago."""


def stop_params() -> Params:
    """Which scorer to stop."""
    return {
        "pipeline": Param(
            type="string",
            enum=pipeline_names(),
            title="Pipeline",
            description="The pipeline whose scorer is to stop.",
            section=STREAM,
        ),
        "stream": Param(
            type="string",
            pattern=f"^{STREAM_ID_PATTERN}$",
            title="Stream",
            description="Id of the stream whose scorer is to stop.",
            section=STREAM,
        ),
    }


def cleaning_params(*, days: int) -> Params:
    """How long Airflow remembers runs."""
    return {
        "days": Param(
            days,
            type="number",
            least=1,
            most=MOST_DAYS,
            title="Days",
            description="Runs, tasks and logs of Airflow that are older than this are deleted.",
            section="Retention",
        ),
    }


def retention_params(*, days: int) -> Params:
    """How long isolated streams stay, and the records of named ones."""
    return {
        "days": Param(
            days,
            type="number",
            least=0,
            most=MOST_DAYS,
            title="Days",
            description="Isolated streams whose run ended longer ago than this are deleted, and records of "
            "named streams whose run was reconciled longer ago.",
            section=STREAM,
        ),
    }

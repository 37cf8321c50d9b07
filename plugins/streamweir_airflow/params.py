"""The params of the DAGs: typed, described, in sections, so that the UI's trigger form needs no manual.

`least`, `most` and `above` are read by `limits.py`.
"""

from airflow.sdk import Param

from streamweir.contracts.models import SPARK
from streamweir.contracts.streams import STREAM_ID_PATTERN

Params = dict[str, Param]

_DATA = "Data and model"
_REPLAY = "Replay"
STREAM = "Stream"
OUTCOME = "Outcome"
TEXT = ["null", "string"]


def dataset_params() -> Params:
    """Which data."""
    return {
        "dataset": Param(
            None,
            type=TEXT,
            title="Dataset",
            description="A folder of CSV files that the workers can read, or the fingerprint (8 or more "
            "characters) of a dataset that is already in the object store. Empty: the bundled "
            "generator makes one from the seed.",
            section=_DATA,
        ),
        "seed": Param(
            42,
            type="integer",
            least=0,
            title="Seed",
            description="Seed of the generated dataset: the same seed gives the same bytes. Not used with "
            "your own dataset.",
            section=_DATA,
        ),
    }


def fraud_share_params(*, share: float) -> Params:
    """How many frauds a generated dataset holds."""
    return {
        "fraud_share": Param(
            share,
            type="number",
            least=0,
            most=1,
            title="Share of frauds",
            description="Frauds among the generated transactions: 0.0017 are 17 in ten thousand. Not used "
            "with your own dataset.",
            section=_DATA,
        ),
    }


def batch_params(*, rows_per_batch: int) -> Params:
    """How the data is cut into batches."""
    return {
        "batch_rows": Param(
            rows_per_batch,
            type="integer",
            least=1,
            title="Rows per batch",
            description="How many rows of the leading file make a batch.",
            section=_DATA,
        ),
        "unsorted_ok": Param(
            False,
            type="boolean",
            title="Accept an unsorted file",
            description="Go on in file order when the leading file is not sorted by time. Off: the dataset "
            "is refused and the first offending line is named.",
            section=_DATA,
        ),
    }


def model_params() -> Params:
    """Which model, and what of its output means fraud."""
    return {
        "model": Param(
            None,
            type=TEXT,
            title="Model",
            description="A folder or zip with a saved Spark PipelineModel that the workers can read, or the"
            " version of a registered model. Empty: the champion trained on this dataset's "
            "history, else one is trained now.",
            section=_DATA,
        ),
        "threshold": Param(
            None,
            type=["null", "number"],
            least=0,
            most=1,
            title="Threshold",
            description="A transaction is called fraud when its probability of fraud is at least this. "
            "Empty: the threshold of the model's card, else the model's own prediction.",
            section=_DATA,
        ),
        "fraud_label": Param(
            None,
            type=TEXT,
            minLength=1,
            title="Label of fraud",
            description="The label that means fraud, where the model's own labels do not say it.",
            section=_DATA,
        ),
        "scoring": Param(
            None,
            type=TEXT,
            enum=[None, SPARK],
            title="Scoring",
            description="spark: rows go through the model's own transform in Spark. Empty: numpy gives the "
            "scores of a model whose card says that they are proven to be the same.",
            section=_DATA,
        ),
    }


def replay_params(*, speed: float = 10) -> Params:
    """How fast, how much, from when."""
    return {
        "speed": Param(
            speed,
            type="number",
            least=0,
            title="Speed",
            description="Seconds of the virtual clock that pass in a real one. 1 is real time, 0 is as fast"
            " as possible.",
            section=_REPLAY,
        ),
        "batches": Param(
            None,
            type=["null", "integer"],
            least=1,
            title="Batches",
            description="Send only this many batches; what lies after the last one's span is not sent. "
            "Empty: all.",
            section=_REPLAY,
        ),
        "start_ts": Param(
            None,
            type=["null", "integer"],
            title="Start of the virtual clock",
            description="Unix seconds of the first batch. The same dataset and start give the same "
            "messages. Empty: now.",
            section=_REPLAY,
        ),
        "late": Param(
            None,
            type=TEXT,
            title="Late batches",
            description="Delays chosen batches to show lateness: 5:90,9:120 sends batch 5 when the clock "
            "is 90 s past its ts, and batch 9 when it is 120 s past. Empty: none is late.",
            section=_REPLAY,
        ),
    }


def rate_params() -> Params:
    """A fixed rate, for streams whose batches are small and many."""
    return {
        "rate": Param(
            None,
            type=["null", "number"],
            above=0,
            title="Rate",
            description="Batches a second, evenly, instead of the speed; the virtual clock in the messages "
            "stays as it is. Empty: by speed.",
            section=_REPLAY,
        ),
    }


def comparison_params() -> Params:
    """Which run the new one is set beside."""
    return {
        "compare_with": Param(
            None,
            type=TEXT,
            title="Compare with",
            description="A finished run of the same recording, by its id, or as stream/id where it was not "
            "on its own stream: the report then says row by row what differs. Needs the same start of the "
            "virtual clock. Empty: none.",
            section=OUTCOME,
        ),
    }


def stream_params() -> Params:
    """Which stream, and whether its scorer goes on."""
    return {
        "stream": Param(
            None,
            type=TEXT,
            pattern=f"^{STREAM_ID_PATTERN}$",
            title="Stream",
            description="Id of a long-lived stream (a-z, 0-9 and -): the run appends to its topics and "
            "attaches to its scorer. Empty: the run gets a stream of its own, whose topics are "
            "deleted after the retention.",
            section=STREAM,
        ),
        "keep_scorer": Param(
            False,
            type="boolean",
            title="Keep the scorer",
            description="Leave the scorer running after the run; the DAG stop_scorer ends it. Meant for a "
            "named stream. A scorer that another run started goes on in any case.",
            section=STREAM,
        ),
        "outage_s": Param(
            None,
            type=["null", "integer"],
            least=0,
            title="Outage, seconds",
            description="How long the scorer, and the tasks that wait for it, bear that Kafka or the object "
            "store is away. Empty: for ever on a named stream, 300 on a run's own.",
            section=STREAM,
        ),
    }

"""Where a browser finds what a run left: the addresses of the pages that the plugin serves."""

from urllib.parse import quote, urlsplit

from airflow.sdk.configuration import conf

from streamweir.contracts.pipelines import pipeline_names
from streamweir.contracts.streams import Stream

PREFIX = "/streamweir"
TRAINING = "_train"
"""What the id of the DAG that trains a pipeline's model ends with; the one that replays is its word."""
_AIRFLOW = "http://localhost:8080"


def pipeline_of(dag_id: str) -> str | None:
    """The pipeline that a DAG replays or trains for; None for a DAG of another kind."""
    name = dag_id.removesuffix(TRAINING)
    return name if name in pipeline_names() else None


def page(dag_id: str, run_id: str | None = None, name: str = "") -> str:
    """The address of a file of a run's bundle as a link inside Airflow takes it, without a host.

    name: below the bundle; empty for the list of all files. run_id: without one, of the DAG's newest runs.
    """
    run = "" if run_id is None else f"/runs/{quote(run_id)}/{quote(name)}"
    return f"{_base()}/dags/{quote(dag_id)}{run}"


def run_page(dag_id: str, run_id: str, *, now: bool = False) -> str:
    """The address of the page of a run; now: of its part that changes."""
    return f"{page(dag_id)}/{'now' if now else 'runs'}/{quote(run_id)}"


def runs_page(dag_id: str, number: int = 1) -> str:
    """The address of a page of a DAG's runs."""
    return _turned(page(dag_id), number)


def compare_page(dag_id: str) -> str:
    """The address where two runs of a DAG, `baseline` and `candidate`, are shown side by side."""
    return f"{page(dag_id)}/compare"


def table_page(dag_id: str, run_id: str, name: str) -> str:
    """The address of a result table of a run."""
    return f"{page(dag_id)}/tables/{quote(run_id)}/{quote(name)}"


def streams_page(number: int = 1, *, now: bool = False) -> str:
    """The address of the page of the streams; now: of its part that changes."""
    return _turned(f"{_base()}/streams{'/now' if now else ''}", number)


def stream_page(stream: Stream) -> str:
    """The address that leads to a stream's newest run."""
    return f"{page(stream.pipeline)}/streams/{stream.id}"


def stop_page(stream: Stream) -> str:
    """The address where a stream's scorers are stopped."""
    return f"{stream_page(stream)}/stop"


def url(dag_id: str, run_id: str, name: str = "") -> str:
    """The same with Airflow's host, for a log or an event."""
    return _airflow().removesuffix(urlsplit(_airflow()).path) + page(dag_id, run_id, name)


def _turned(address: str, number: int) -> str:
    return address if number == 1 else f"{address}?number={number}"


def _base() -> str:
    return f"{urlsplit(_airflow()).path}{PREFIX}"


def _airflow() -> str:
    return conf.get("api", "base_url", fallback=_AIRFLOW).rstrip("/")

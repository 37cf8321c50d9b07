"""The streams: how the scorers are now, of all pipelines that the user may see."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse

from streamweir.connections import KafkaConnection
from streamweir.contracts.streams import Stream
from streamweir.errors import StreamweirError
from streamweir.objectstore import ObjectStore
from streamweir.overview import pace
from streamweir.overview.pace import Lag, Latency
from streamweir.overview.streams import Seen, look, newest_streams
from streamweir_airflow.addresses import page as address
from streamweir_airflow.addresses import run_page, stream_page, streams_page
from streamweir_airflow.hooks import KafkaHook
from streamweir_airflow.pages.access import OF_A_DAG, Readable, Store, known_pipeline
from streamweir_airflow.pages.rendering import Link, page, part

SHOWN = 25
"""How many streams a page lists."""
WATCHED = 10
"""Of how many scorers at work, at most, lag and latency are asked: each costs some questions."""
router = APIRouter(prefix="/streams")
of_a_dag = APIRouter(prefix="/dags/{dag_id}", dependencies=OF_A_DAG)
Number = Annotated[int, Query(ge=1)]


@dataclass(frozen=True)
class Line:
    """A stage as the page shows it. more: what only a scorer at work is asked, and not when a page opens."""

    seen: Seen
    link: str
    lag: Lag | None = None
    latency: Latency | None = None


@router.get("")
def streams(pipelines: Readable, objects: Store, number: Number = 1) -> Response:
    """The page; what only its script asks is left out, so that it is there at once."""
    found, pages = _look(objects, pipelines, number)
    values = {
        "title": "Streams",
        "links": [Link(f"Runs of {name}", address(name)) for name in pipelines],
        "lines": [_line(seen) for seen in found],
        "problem": "",
        "live": streams_page(number, now=True),
        "pages": [Link(str(at), "" if at == number else streams_page(at)) for at in range(1, pages + 1)],
    }
    return page("streams.html.j2", values)


@router.get("/now")
def now(pipelines: Readable, objects: Store, number: Number = 1) -> Response:
    """The part of the page that changes."""
    found, _ = _look(objects, pipelines, number)
    problem, closer = "", {}
    try:
        for seen in [seen for seen in found if seen.works][:WATCHED]:
            closer[seen.stage] = _closely(objects, KafkaHook().connection, seen)
    except StreamweirError as error:
        problem = str(error)
    lines = [closer.get(seen.stage) or _line(seen) for seen in found]
    return part("streams.part.j2", {"lines": lines, "problem": problem})


def _look(objects: ObjectStore, pipelines: Sequence[str], number: int) -> tuple[list[Seen], int]:
    """The stages of the streams on this page, and how many pages there are."""
    names = newest_streams(objects, pipelines)
    return look(objects, names[(number - 1) * SHOWN : number * SHOWN]), max(-(-len(names) // SHOWN), 1)


def _line(seen: Seen) -> Line:
    return Line(seen, stream_page(seen.stage))


def _closely(objects: ObjectStore, kafka: KafkaConnection, seen: Seen) -> Line:
    if seen.status is None:
        return _line(seen)
    known = pace.latency(objects, seen.stage, seen.status)
    newest = pace.newest_message(kafka, seen.stage)
    return replace(_line(seen), lag=pace.lag(newest, seen.status, known), latency=known)


@of_a_dag.get("/streams/{stream_id}")
def newest_run(dag_id: str, stream_id: str, objects: Store) -> Response:
    """The page of the stream's newest run."""
    found = objects.get_json(Stream(known_pipeline(dag_id), stream_id).newest_run)
    return RedirectResponse(run_page(dag_id, found["run"]) if found else address(dag_id))

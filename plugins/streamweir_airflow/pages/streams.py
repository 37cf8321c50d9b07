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
from streamweir.overview.streams import SILENT, WORKING, Seen, look, newest_streams
from streamweir_airflow.addresses import page as address
from streamweir_airflow.addresses import run_page, stop_page, stream_page, streams_page
from streamweir_airflow.hooks import KafkaHook
from streamweir_airflow.pages.access import OF_A_DAG, Changeable, Readable, Store, known_pipeline
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
    """A stage as the page shows it. stop: where a user who may stops it; else empty.

    lag, latency: of a scorer at work, and not when a page opens: each is some questions.
    """

    seen: Seen
    link: str
    stop: str
    lag: Lag | None = None
    latency: Latency | None = None


@router.get("")
def streams(pipelines: Readable, mine: Changeable, objects: Store, number: Number = 1) -> Response:
    """The page; what only its script asks is left out, so that it is there at once."""
    found, pages = _look(objects, pipelines, number)
    values = {
        "title": "Streams",
        "links": [Link(f"Runs of {name}", address(name)) for name in pipelines],
        "lines": [_line(seen, mine) for seen in found],
        "problem": "",
        "live": streams_page(number, now=True),
        "pages": [Link(str(at), "" if at == number else streams_page(at)) for at in range(1, pages + 1)],
    }
    return page("streams.html.j2", values)


@router.get("/now")
def now(pipelines: Readable, mine: Changeable, objects: Store, number: Number = 1) -> Response:
    """The part of the page that changes."""
    found, _ = _look(objects, pipelines, number)
    lines, problem = [_line(seen, mine) for seen in found], ""
    at_work = [place for place, seen in enumerate(found) if seen.works][:WATCHED]
    try:
        for place in at_work:
            lines[place] = _closely(objects, KafkaHook().connection, lines[place])
    except StreamweirError as error:
        problem = str(error)
    return part("streams.part.j2", {"lines": lines, "problem": problem})


def _look(objects: ObjectStore, pipelines: Sequence[str], number: int) -> tuple[list[Seen], int]:
    """The stages of the streams on this page, and how many pages there are."""
    names = newest_streams(objects, pipelines)
    return look(objects, names[(number - 1) * SHOWN : number * SHOWN]), max(-(-len(names) // SHOWN), 1)


def _line(seen: Seen, mine: Sequence[str]) -> Line:
    may_stop = seen.stage.pipeline in mine and seen.word in (WORKING, SILENT)
    return Line(seen, stream_page(seen.stage), stop_page(seen.stage) if may_stop else "")


def _closely(objects: ObjectStore, kafka: KafkaConnection, line: Line) -> Line:
    stage, status = line.seen.stage, line.seen.status
    if status is None:
        return line
    known, newest = pace.latency(objects, stage, status), pace.newest_message(kafka, stage)
    return replace(line, lag=pace.lag(newest, status, known), latency=known)


@of_a_dag.get("/streams/{stream_id}")
def newest_run(dag_id: str, stream_id: str, objects: Store) -> Response:
    """The page of the stream's newest run."""
    found = objects.get_json(Stream(known_pipeline(dag_id), stream_id).newest_run)
    return RedirectResponse(run_page(dag_id, found["run"]) if found else address(dag_id))

"""Stopping the scorers of a stream: the question, and what is done when somebody says yes."""

import logging
from typing import Annotated

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Depends, HTTPException, Response, status
from fastapi.responses import RedirectResponse

from streamweir.contracts.pipelines import pipeline_names
from streamweir.contracts.streams import Stream
from streamweir.overview import pace
from streamweir.overview.streams import SILENT, WORKING, look
from streamweir.scorer import stop
from streamweir_airflow.addresses import stop_page, streams_page
from streamweir_airflow.hooks import KafkaHook
from streamweir_airflow.pages.access import OF_A_DAG, Store, may_change_runs, same_origin
from streamweir_airflow.pages.rendering import Link, page

_LOG = logging.getLogger(__name__)
router = APIRouter(
    prefix="/dags/{dag_id}/streams/{stream_id}", dependencies=[*OF_A_DAG, Depends(may_change_runs)]
)


def to_stop(dag_id: str, stream_id: str, objects: Store) -> list[Stream]:
    """The stages of the stream that can be asked; 404 for what is no stream, 409 where no scorer works."""
    # A training's DAG, whose right was asked for then, has no streams.
    if dag_id not in pipeline_names():
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"{dag_id} has no streams")
    # One without a word for long is asked, too: it may only be slow, and would hear it when it comes up.
    seen = look(objects, [Stream(dag_id, stream_id)])
    found = [one.stage for one in seen if one.word in (WORKING, SILENT)]
    if not found:
        raise HTTPException(status.HTTP_409_CONFLICT, f"no scorer works on stream {dag_id}.{stream_id}")
    return found


ToStop = Annotated[list[Stream], Depends(to_stop)]


@router.get("/stop")
def question(found: ToStop) -> Response:
    """Asks whether it is meant."""
    stream = found[0].of_stage("")
    values = {
        "title": f"Stop {stream}?",
        "links": [Link("Streams", streams_page())],
        "scorers": found,
        "there": stop_page(stream),
    }
    return page("stop.html.j2", values)


@router.post("/stop", dependencies=[Depends(same_origin)])
def ask(found: ToStop, objects: Store, user: GetUserDep, drained: bool = False) -> Response:
    """Asks each scorer to end after the micro-batch that it is at; drained: after all that is sent by now."""
    newest = pace.newest_message(KafkaHook().connection, found[0].of_stage("")) if drained else None
    drained_to = newest.sequence + 1 if newest else 0
    for stage in found:
        _LOG.info("%s asks the scorer of %s to stop at sequence %d", user.get_name(), stage, drained_to)
        why = f"{user.get_name()}, on the page of the streams"
        stop.request(objects, stage, why, drained_to=drained_to)
    return RedirectResponse(streams_page(), status.HTTP_303_SEE_OTHER)

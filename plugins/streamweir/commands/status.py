"""`streamweir status`: how the scorers are now."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any

import typer

from streamweir.broker.clients import keep_quiet
from streamweir.commands.common import DEFAULT_PIPELINE, AsJson, Pipeline, print_rows, store
from streamweir.commits import READERS
from streamweir.connections import KafkaConnection
from streamweir.contracts.pipelines import pipeline as pipeline_of
from streamweir.contracts.pipelines import stages_of
from streamweir.contracts.streams import Stream
from streamweir.objectstore import ObjectStore
from streamweir.overview.streams import FAILED, NEVER, SILENT, every_stage, word_of
from streamweir.replay.position import position
from streamweir.scorer.health import Found, find
from streamweir.scorer.status import State, read


def status(
    stream: Annotated[str, typer.Argument(help="A stream id; left out: all that are not stopped.")] = "",
    pipeline: Pipeline = DEFAULT_PIPELINE,
    as_json: AsJson = False,
) -> None:
    """How the scorers are, watched for some seconds; exit status 1 when one has failed or is silent.

    behind: batches that were sent and not worked on yet. A scorer that says nothing is waited for: 20 s, or
    120 s while it starts.
    """
    keep_quiet()
    objects = store()
    stages = stages_of(Stream(pipeline, stream)) if stream else _not_stopped(objects)
    with ThreadPoolExecutor(max(len(stages), 1)) as pool:
        found = list(pool.map(partial(find, objects), stages))
    rows = [_row(stage, seen) for stage, seen in zip(stages, found, strict=True)]
    print_rows(rows, as_json=as_json, nothing="no scorer is at work")
    if {row["scorer"] for row in rows} & {FAILED, SILENT}:
        raise typer.Exit(1)


def _not_stopped(objects: ObjectStore) -> list[Stream]:
    stages = every_stage(objects)
    with ThreadPoolExecutor(READERS) as pool:
        known = pool.map(partial(read, objects), stages)
        return [
            stage for stage, last in zip(stages, known, strict=True) if last and last.state != State.STOPPED
        ]


def _row(stage: Stream, found: Found) -> dict[str, Any]:
    last = found.status
    return {
        "stream": str(stage),
        "scorer": word_of(last, alive=found.alive) if last else NEVER,
        "state": last.state if last else None,
        "doing": last.doing if last else None,
        "behind": _behind(stage, last.next_sequence) if last and found.alive else None,
        "rows_per_second": last.input_rows_per_second if last else None,
        "progressed_at": last.progressed_at if last else None,
        "restarts": last.restarts if last else None,
        "error": last.error if last else None,
    }


def _behind(stage: Stream, next_sequence: int) -> int:
    sent = position(KafkaConnection.from_env(), stage.of_stage(""), pipeline_of(stage.pipeline))
    return max(sent.next_sequence - next_sequence, 0)

"""`streamweir rejected`: look at what was neither scored nor used, and put it back."""

import logging
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from streamweir.broker.clients import keep_quiet
from streamweir.cli import in_a_line
from streamweir.commands.common import (
    DEFAULT_PIPELINE,
    MOST,
    AsJson,
    Pipeline,
    group,
    print_facts,
    print_json,
    print_rows,
    store,
)
from streamweir.connections import KafkaConnection
from streamweir.contracts.pipelines import pipeline as pipeline_of
from streamweir.contracts.pipelines import stages_of
from streamweir.contracts.rejected import Reason
from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration
from streamweir.objectstore import ObjectStore
from streamweir.redrive import contents
from streamweir.redrive.contents import Content
from streamweir.redrive.putting_back import PutBack, places_put_back, put_back
from streamweir.redrive.records import (
    Place,
    Rejected,
    choose,
    messages_at,
    record_at,
    refuse_worked_on,
    rejected_records,
)
from streamweir.redrive.text import counts, facts, shown
from streamweir.replay.batches import source_of
from streamweir.scorer.health import find

app = group("Work with the rejected records.")
StreamId = Annotated[str, typer.Option("--stream", help="The stream id.")]
RunId = Annotated[str, typer.Option("--run", help="One run only; needed once its stream is retired.")]


@app.command("list")
def list_records(
    stream: StreamId, run: RunId = "", pipeline: Pipeline = DEFAULT_PIPELINE, as_json: AsJson = False
) -> None:
    """Counts by reason and topic, and how many records were put back already."""
    target, objects, kafka = _target(pipeline, stream)
    records = rejected_records(objects, target, run)
    rows = counts(records, places_put_back(kafka, target)) if records else []
    print_rows(rows, as_json=as_json, nothing="no record was rejected")


@app.command()
def show(
    place: Annotated[str, typer.Argument(help="topic/partition/offset/row, as `list` shows it.")],
    stream: StreamId,
    run: RunId = "",
    pipeline: Pipeline = DEFAULT_PIPELINE,
    save: Annotated[Path | None, typer.Option(help="Write the record's bytes to a file, to edit.")] = None,
    as_json: AsJson = False,
) -> None:
    """One record: place, reason, what is wrong, and its bytes with everything odd escaped."""
    target, objects, kafka = _target(pipeline, stream)
    record = record_at(rejected_records(objects, target, run), Place.parse(place))
    content = contents.as_it_is(record, messages_at(kafka, target, [record.place]))
    value = record.raw if content is None else content.value
    back = record.place in places_put_back(kafka, target)
    known = facts(record, None if content is None else content.ts, put_back=back)
    if as_json:
        print_json({**known, "value": shown(value)})
    else:
        print_facts(known)
        print()
        print(shown(value))
    if save is not None:
        save.write_bytes(value)


@app.command()
def redrive(
    stream: StreamId,
    places: Annotated[list[str] | None, typer.Argument(help="Records by place.")] = None,
    reason: Annotated[str, typer.Option(help="All records with this reason.")] = "",
    edited: Annotated[Path | None, typer.Option(help="What to put back for the one record named.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be put back.")] = False,
    run: RunId = "",
    pipeline: Pipeline = DEFAULT_PIPELINE,
    as_json: AsJson = False,
) -> None:
    """Put records back on their topic, each once: as they are, or one of them from a file."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    keep_quiet()
    target, objects, kafka = _target(pipeline, stream)
    records = rejected_records(objects, target, run)
    chosen = _chosen(records, reason, places or [], edited)
    refuse_worked_on(pipeline_of(pipeline), records, chosen)
    found = list(_contents(kafka, target, chosen, edited))
    outcome = _planned(kafka, target, found) if dry_run else put_back(kafka, objects, target, found)
    if as_json:
        print_json(_said(outcome, dry_run=dry_run))
    elif dry_run:
        _print_plan(outcome)
    else:
        _print_outcome(objects, target, outcome)


def _target(pipeline: str, stream: str) -> tuple[Stream, ObjectStore, KafkaConnection]:
    return Stream(pipeline, stream), store(), KafkaConnection.from_env()


def _chosen(records: list[Rejected], reason: str, places: list[str], edited: Path | None) -> list[Rejected]:
    if bool(reason) == bool(places):
        raise BadConfiguration("say which records to put back: by --reason, or by their places")
    if reason and reason not in list(Reason):
        raise BadConfiguration(f"{reason!r} is no reason; there are: {', '.join(Reason)}")
    if edited and len(places) != 1:
        raise BadConfiguration("--edited takes the place of one record: name it by its place")
    return choose(records, reason, [Place.parse(place) for place in places])


def _contents(
    kafka: KafkaConnection, stream: Stream, chosen: list[Rejected], edited: Path | None
) -> Iterable[Content]:
    messages = messages_at(kafka, stream, [record.place for record in chosen])
    for record in chosen:
        content = contents.as_it_is(record, messages)
        if content is None:
            raise BadConfiguration(
                f"topic {record.place.topic} has lost the message of {record.place}: some days after a run "
                "was reconciled its records are deleted, see the DAG retire_streams"
            )
        yield _edited(stream, content, edited) if edited else content


def _edited(stream: Stream, content: Content, path: Path) -> Content:
    # Lists of rows hold their ts; a message that is a single row does not.
    clocked = source_of(stream.pipeline).value((), 0).startswith(b"[")
    return contents.edited(content, _bytes(path), str(path), clocked=clocked)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadConfiguration(f"{path} cannot be read: {error.strerror}") from error


def _planned(kafka: KafkaConnection, stream: Stream, found: list[Content]) -> PutBack:
    """What would become of a redrive."""
    there = places_put_back(kafka, stream)
    planned = PutBack()
    for content in found:
        (planned.already if content.record.place in there else planned.sent).append(content)
    return planned


def _said(outcome: PutBack, *, dry_run: bool) -> dict[str, Any]:
    sent, already = ([str(one.record.place) for one in some] for some in (outcome.sent, outcome.already))
    return {"dry_run": dry_run, "put_back": sent, "already": already, "sequences": list(outcome.sequences)}


def _print_plan(outcome: PutBack) -> None:
    left = outcome.sent
    for content in left[:MOST]:
        record = content.record
        print(f"{record.place}  {record.reason.value}: {in_a_line(record.detail)[:120]}")
    if len(left) > MOST:
        print(f"and {len(left) - MOST:,} more")
    print(
        f"{sum(content.rows for content in left):,} records would be put back; "
        f"{len(outcome.already):,} were already"
    )


def _print_outcome(objects: ObjectStore, stream: Stream, outcome: PutBack) -> None:
    if outcome.already:
        print(f"{len(outcome.already):,} records had been put back before and were left alone")
    if not outcome.sent:
        print("nothing was put back")
        return
    rows, numbers = sum(content.rows for content in outcome.sent), outcome.sequences
    print(f"{rows:,} records were put back on stream {stream}, sequences {numbers[0]} to {numbers[-1]}")
    if waiting := [stage.stage for stage in stages_of(stream) if not find(objects, stage).alive]:
        whose = f"the next scorer of {', '.join(waiting)}" if any(waiting) else "the next scorer"
        print(f"{whose} takes them: in Airflow, clear `await_drained` of the run and all that follows")
    else:
        print("the running scorer takes them")
    for run in sorted({content.record.run or "" for content in outcome.sent}):
        names = f"--pipeline {stream.pipeline} --stream {stream.id} --run {shlex.quote(run)}"
        print(f"then account for them, by clearing `reconcile` or with: python -m streamweir.ledger {names}")

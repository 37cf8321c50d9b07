"""The runs of a stream, each with the one before it: the newest is an object, the others are in the plans."""

import json
from collections.abc import Iterator

from streamweir.contracts.formats import stored_format
from streamweir.contracts.messages import Kind
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration
from streamweir.objectstore import ObjectStore, to_json
from streamweir.replay.plan import Plan
from streamweir.replay.position import Position

FORMAT = 1
"""Of the object that names a stream's newest run."""


def run_before(store: ObjectStore, stream: Stream, at: Position) -> str | None:
    """The id of the stream's newest run, which comes before the one that is planned now.

    A stream whose last run was planned before there was an object for it is asked for its last message: a
    batch or a flush is that run's. A redrive's is not, it may be an older run's; then it is not known: None.
    """
    newest, _ = _newest(store, stream)
    if newest is None and at.last is not None and at.last.kind is not Kind.REDRIVE:
        return at.last.run
    return newest


def join(store: ObjectStore, run: Run, plan: Plan, at: Position) -> None:
    """Make the run its stream's newest, before its first message; again after a crash between the two.

    Raises BadConfiguration when another run was planned in its place and it has sent nothing: who follows
    the chain would not find it.
    """
    newest, etag = _newest(store, run.stream)
    if newest == run.id or at.next_sequence != plan.first_sequence:
        # A run whose messages are there joined before it sent them.
        return
    if newest is not None and newest != plan.before:
        raise BadConfiguration(
            f"run {newest} was planned on stream {run.stream} before run {run.id} sent anything: "
            "start a new run"
        )
    data = to_json({"format": FORMAT, "run": run.id})
    key = run.stream.newest_run
    put = store.put_if_absent(key, data) if etag is None else store.put_if_match(key, data, etag)
    if put is None:
        join(store, run, plan, at)


def plans(store: ObjectStore, stream: Stream) -> Iterator[Plan]:
    """The plans of the stream's runs, the newest first, as far back as each names the one before.

    The last one is the stream's first run when its `first_sequence` is 0; otherwise nothing is known of those
    before it. Runs with the same `first_sequence`: only one of them sent anything.
    """
    run, _ = _newest(store, stream)
    while run is not None and (found := store.get_json(Run(stream, run).plan)) is not None:
        plan = Plan.from_json(found)
        yield plan
        run = plan.before


def _newest(store: ObjectStore, stream: Stream) -> tuple[str | None, str | None]:
    """The id of the newest run and the object's ETag; None for both when there is no such object."""
    found = store.get_with_etag(stream.newest_run)
    if found is None:
        return None, None
    value = json.loads(found[0])
    stored_format(value, FORMAT, str(stream.newest_run), "take another stream id")
    return value["run"], found[1]

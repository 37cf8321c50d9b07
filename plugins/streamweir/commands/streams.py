"""`streamweir streams`: which streams there are, and what is known of one."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

import typer

from streamweir.commands.common import (
    DEFAULT_PIPELINE,
    AsJson,
    Pipeline,
    group,
    print_facts,
    print_json,
    print_rows,
    store,
)
from streamweir.commits import READERS
from streamweir.contracts.pipelines import stages_of
from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration
from streamweir.overview.streams import every_stage
from streamweir.scorer.status import Status, read

app = group("The streams that have anything in the object store.")
_FACTS = "state", "next_sequence", "input_rows_per_second", "model_version", "restarts", "updated_at", "error"


@app.command("list")
def list_streams(
    pipeline: Annotated[str, typer.Option(help="The streams of one pipeline only.")] = "",
    as_json: AsJson = False,
) -> None:
    """A line per stream, or per stage: what its scorer last said of itself."""
    objects = store()
    found = every_stage(objects, pipeline)
    with ThreadPoolExecutor(READERS) as pool:
        rows = list(map(_row, found, pool.map(partial(read, objects), found)))
    print_rows(rows, as_json=as_json, nothing="there is no stream")


@app.command()
def show(
    stream: Annotated[str, typer.Argument(help="The stream id.")],
    pipeline: Pipeline = DEFAULT_PIPELINE,
    as_json: AsJson = False,
) -> None:
    """Whose a stream is, which run was planned last, and each stage's status."""
    objects, of = store(), Stream(pipeline, stream)
    statuses = {stage.stage or "status": read(objects, stage) for stage in stages_of(of)}
    facts = {
        "stream": str(of),
        "origin": objects.get_json(of.origin),
        "newest_run": objects.get_json(of.newest_run),
        **{name: asdict(status) if status else None for name, status in statuses.items()},
    }
    if not any([*facts.values()][1:]):
        raise BadConfiguration(f"there is no stream {of}: see `streamweir streams list`")
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)


def _row(stage: Stream, status: Status | None) -> dict[str, Any]:
    known = asdict(status) if status else {}
    return {"stream": str(stage), **{name: known.get(name) for name in _FACTS}}

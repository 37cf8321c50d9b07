"""`streamweir report`: what came out of a run."""

from pathlib import Path
from typing import Annotated

import typer

from streamweir.commands.common import (
    DEFAULT_PIPELINE,
    AsJson,
    Pipeline,
    StreamOf,
    group,
    print_facts,
    print_json,
    store,
)
from streamweir.commands.runs import RunId, nothing_of, run_of
from streamweir.errors import BadConfiguration
from streamweir.work import work_folder

app = group("A run's report.")
_SHOWN = (
    "run", "stream", "outcome", "failures", "warnings", "rows", "unexplained", "foreign", "replay", "scorer",
    "latency_s", "stages", "quality", "seconds",
)  # fmt: skip


@app.command()
def show(
    run: RunId, stream: StreamOf = "", pipeline: Pipeline = DEFAULT_PIPELINE, as_json: AsJson = False
) -> None:
    """The run in numbers: outcome, rows, rates, latency, quality; as JSON the whole of summary.json."""
    of = run_of(pipeline, stream, run)
    summary = store().get_json(of.summary)
    if summary is None:
        raise nothing_of(of)
    if as_json:
        print_json(summary)
    else:
        print_facts({name: summary[name] for name in _SHOWN if name in summary})


@app.command("open")
def open_report(
    run: RunId,
    stream: StreamOf = "",
    pipeline: Pipeline = DEFAULT_PIPELINE,
    to: Annotated[Path | None, typer.Option(help="Only write it to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch report.html and open it in the browser; the file needs no network."""
    objects, of = store(), run_of(pipeline, stream, run)
    page = objects.get(of.report)
    if page is None:
        raise nothing_of(of)
    file = to or work_folder() / "reports" / f"{of.bundle.key.replace('/', '.')}.html"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(page)
    except OSError as error:
        raise BadConfiguration(f"{file} cannot be written: {error.strerror}") from error
    if as_json:
        print_json({"file": str(file), "object": str(of.report)})
    else:
        print(file)
    if to is None:
        typer.launch(str(file))

"""`python -m tests.bench`: measure what the pipelines promise, and write docs/benchmark.md."""

import os
import platform
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from jinja2 import Template

from streamweir.cli import run
from streamweir.contracts.ecommerce_fraud import LOOKBACK_S, PIPELINE, SESSION_TIME_ZONE
from streamweir.contracts.messages import RETENTION_S
from streamweir.datagen import DEFAULT_SEED, generator
from streamweir.progress import console_progress
from tests.bench import card_fraud, clickstream_anomaly, merchant_patterns
from tests.bench.ecommerce_fraud import CatchingUp, RealTime, catching_up, real_time
from tests.bench.servers import bench_stack

app = typer.Typer(add_completion=False)


@app.command()
def main(
    batches: Annotated[int, typer.Option(help="Backlog in batches of 200 browsing rows.")] = 5000,
    seconds: Annotated[int, typer.Option(help="How long the replay at SPEED=1 takes.")] = 600,
    table: Annotated[Path, typer.Option(help="Where the table goes.")] = Path("docs/benchmark.md"),
) -> None:
    """Measure, print and write the table."""
    with (
        tempfile.TemporaryDirectory(prefix="streamweir-bench-data-") as name,
        bench_stack(
            PIPELINE, {"lookback_s": LOOKBACK_S, "retention_s": RETENTION_S}, SESSION_TIME_ZONE
        ) as bench,
    ):
        generator("ecommerce_fraud")(
            Path(name),
            seed=DEFAULT_SEED,
            batches=batches,
            progress=console_progress,
        )
        dataset = bench.dataset(Path(name))
        model = bench.train(dataset)
        backlog = catching_up(bench, dataset, model)
        live = real_time(bench, dataset, model, seconds)
        cards = card_fraud.measured(replace(bench, **card_fraud.BENCH))
        clicks = clickstream_anomaly.measured(replace(bench, **clickstream_anomaly.BENCH))
        chunks = merchant_patterns.measured(replace(bench, **merchant_patterns.BENCH))
    tables = (
        _table(backlog, live, batches),
        card_fraud.table(cards),
        clickstream_anomaly.table(clicks),
        merchant_patterns.table(chunks),
    )
    text = "\n".join(tables)
    # What follows was measured by other means.
    _, heading, other = table.read_text().partition("\n## ") if table.exists() else ("", "", "")
    table.write_text(text + heading + other)
    print(text)


def _table(backlog: CatchingUp, live: RealTime, batches: int) -> str:
    template = Template(Path(__file__).with_name("benchmark.md.j2").read_text(), keep_trailing_newline=True)
    return template.render(
        backlog=backlog,
        live=live,
        batches=batches,
        day=f"{datetime.now(UTC):%Y-%m-%d}",
        cores=os.cpu_count(),
        memory_gib=_memory_gib(),
        system=platform.system(),
        python=platform.python_version(),
    )


def _memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


if __name__ == "__main__":
    run(app)

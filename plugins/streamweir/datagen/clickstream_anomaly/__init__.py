"""A believable site: `generate` writes its clicks, and the incidents that befell it, from a seed."""

from pathlib import Path

from streamweir.contracts.clickstream_anomaly import dataset
from streamweir.datagen.clickstream_anomaly import tables
from streamweir.datagen.clickstream_anomaly.incidents import draw_incidents, struck
from streamweir.datagen.clickstream_anomaly.rhythm import Period
from streamweir.datagen.clickstream_anomaly.visits import draw_visits
from streamweir.datagen.draws import source
from streamweir.datagen.text import write_csv
from streamweir.progress import Progress, no_progress

START = 1_709_251_200_000  # Friday, 2024-03-01 00:00:00 UTC, milliseconds
BATCHES, EVENTS_PER_SECOND = 3 * 24 * 60 * 60, 1.0
_VISITS, _INCIDENTS, _STRUCK, _TEXT = range(4)


def generate(
    folder: Path,
    *,
    seed: int,
    batches: int = BATCHES,
    events_per_second: float = EVENTS_PER_SECOND,
    progress: Progress = no_progress,
) -> None:
    """Write a dataset of `batches` seconds of the site's life; same arguments, same bytes.

    A second without an event makes no batch. events_per_second: the mean of an ordinary day.
    """
    folder.mkdir(parents=True, exist_ok=True)
    period = Period(START, batches, events_per_second)
    visits = draw_visits(source(seed, _VISITS), period)
    incidents = draw_incidents(source(seed, _INCIDENTS), period)
    visits = struck(source(seed, _STRUCK), visits, incidents)
    files = {
        dataset.CLICKSTREAM: tables.clickstream(source(seed, _TEXT), visits),
        dataset.INCIDENTS: tables.incident_rows(incidents),
    }
    total = sum(tables.rows(columns) for columns in files.values())
    with progress("writing the dataset", total, "rows") as advance:
        for name, columns in files.items():
            write_csv(folder / name, columns)
            advance(tables.rows(columns))

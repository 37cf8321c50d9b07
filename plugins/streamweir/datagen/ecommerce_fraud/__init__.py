"""A believable shop: `generate` writes the nine CSV files of an `ecommerce_fraud` dataset from a seed."""

from pathlib import Path

from streamweir.contracts.ecommerce_fraud import dataset
from streamweir.datagen.draws import source
from streamweir.datagen.ecommerce_fraud import tables
from streamweir.datagen.ecommerce_fraud.purchases import draw_period
from streamweir.datagen.ecommerce_fraud.shop import Customers, Products
from streamweir.datagen.ecommerce_fraud.visits import DAY_MS, Period
from streamweir.datagen.text import write_csv
from streamweir.progress import Progress, no_progress

BATCHES, HISTORY_BATCHES = 300, 750
LIVE_START = 1_704_067_200_000  # 2024-01-01 00:00:00 UTC, milliseconds
_LINGERING_LIVE, _LINGERING_HISTORY = 0.01, 0.04
_SHOP, _LIVE, _HISTORY = range(3)


def generate(
    folder: Path,
    *,
    seed: int,
    batches: int = BATCHES,
    history_batches: int = HISTORY_BATCHES,
    progress: Progress = no_progress,
) -> None:
    """Write a dataset with 200 browsing rows per batch, live and past; same arguments, same bytes.

    The live rows, the past and the shop depend on the seed and on their own size only.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shop = source(seed, _SHOP)
    customers, products = Customers.draw(shop), Products.draw(shop)
    live = Period(LIVE_START, batches * dataset.ROWS_PER_BATCH, _LINGERING_LIVE)
    past_rows = history_batches * dataset.ROWS_PER_BATCH
    days = Period(0, past_rows, _LINGERING_HISTORY).days
    past = Period(LIVE_START - (days + 1) * DAY_MS, past_rows, _LINGERING_HISTORY)
    files = {
        **tables.static(customers, products),
        **tables.live(draw_period(source(seed, _LIVE), live, customers, products), customers, products),
        **tables.history(
            source(seed, _HISTORY, 1),
            draw_period(source(seed, _HISTORY), past, customers, products),
            customers,
            products,
        ),
    }
    total = sum(_rows(columns) for columns in files.values())
    with progress("writing the dataset", total, "rows") as advance:
        for file, columns in files.items():
            write_csv(folder / file.name, columns)
            advance(_rows(columns))


def _rows(columns: tables.Columns) -> int:
    return len(next(iter(columns.values())))

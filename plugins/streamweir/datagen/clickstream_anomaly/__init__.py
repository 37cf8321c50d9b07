"""A believable site: `generate` writes its clicks, and the incidents that befell it, from a seed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from streamweir.contracts.clickstream_anomaly import dataset
from streamweir.contracts.clickstream_anomaly.dataset import CLICKSTREAM_COLUMNS, INCIDENT_COLUMNS
from streamweir.datagen.clickstream_anomaly import visits as types
from streamweir.datagen.clickstream_anomaly.incidents import Drawn, draw_incidents, struck
from streamweir.datagen.clickstream_anomaly.visits import TYPES, Period, Visits, draw_visits
from streamweir.datagen.draws import Ints, chance, pick, source, uuids
from streamweir.datagen.text import times, write_csv
from streamweir.progress import Progress, no_progress

START = 1_709_251_200_000  # Friday, 2024-03-01 00:00:00 UTC, milliseconds
BATCHES, EVENTS_PER_SECOND = 3 * 24 * 60 * 60, 1.0
_VISITS, _INCIDENTS, _STRUCK, _TEXT = range(4)
Columns = dict[str, Sequence[object]]
_DEVICES, _DEVICE_SHARES = ("mobile", "desktop", "tablet"), (61, 34, 5)
_SIGNED_IN = 0.55
_USERS = 20_000
_ENTRIES = ("/", "/", "/c/shoes", "/c/shirts", "/c/bags", "/c/watches", "/c/outdoor", "/c/sale")
_PRODUCTS = 2_000
_SENT_TWICE = 0.002
_AGAIN_MS = (200, 9_000)
_FIXED_PAGES = {
    types.SEARCH: "/search",
    types.ADD_TO_CART: "/cart",
    types.CHECKOUT_START: "/checkout",
    types.CHECKOUT_COMPLETE: "/checkout/done",
    types.PURCHASE: "/order",
}


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
        dataset.CLICKSTREAM: clickstream(source(seed, _TEXT), visits),
        dataset.INCIDENTS: incident_rows(incidents),
    }
    total = sum(rows(columns) for columns in files.values())
    with progress("writing the dataset", total, "rows") as advance:
        for name, columns in files.items():
            write_csv(folder / name, columns)
            advance(rows(columns))


def clickstream(rng: np.random.Generator, visits: Visits) -> Columns:
    """clickstream.csv by time; some events were sent twice, a little later."""
    twice = np.flatnonzero(chance(rng, _SENT_TWICE, len(visits.time)))
    time = np.append(visits.time, visits.time[twice] + rng.integers(*_AGAIN_MS, size=len(twice)))
    event = np.append(np.arange(len(visits.time)), twice)
    order = np.argsort(time, kind="stable")
    event, time = event[order], time[order]
    columns = _events(rng, visits)
    texts = (*([column[at] for at in event.tolist()] for column in columns), times(time, iso=True))
    names = ("event_id", "session_id", "user_id", "event_type", "page", "device", "timestamp")
    named = dict(zip(names, texts, strict=True))
    return {name: named[name] for name in CLICKSTREAM_COLUMNS}


def incident_rows(incidents: Sequence[Drawn]) -> Columns:
    """incidents.csv."""
    kinds = [incident.kind.value for incident in incidents]
    bounds = (
        times(np.array([bound(incident) for incident in incidents], dtype=np.int64), iso=True)
        for bound in (lambda each: each.start, lambda each: each.end)
    )
    return dict(zip(INCIDENT_COLUMNS, (kinds, *bounds), strict=True))


def rows(columns: Columns) -> int:
    """How many rows the columns have."""
    return len(next(iter(columns.values())))


def _events(rng: np.random.Generator, visits: Visits) -> tuple[list[str], ...]:
    visitors = int(visits.visit.max(initial=0)) + 1
    signed_in, users = chance(rng, _SIGNED_IN, visitors), rng.integers(_USERS, size=visitors)
    user = [f"user{number}" if known else "" for known, number in zip(signed_in, users, strict=True)]
    device = [_DEVICES[place] for place in pick(rng, _DEVICE_SHARES, visitors).tolist()]
    of_visit = visits.visit.tolist()
    return (
        uuids(rng, len(of_visit)),
        _sessions(rng, visits.session),
        [user[visit] for visit in of_visit],
        [TYPES[place] for place in visits.type.tolist()],
        _pages(rng, visits.type),
        [device[visit] for visit in of_visit],
    )


def _sessions(rng: np.random.Generator, session: Ints) -> list[str]:
    known, place = np.unique(session, return_inverse=True)
    names = uuids(rng, len(known))
    return [names[at] for at in place.tolist()]


def _pages(rng: np.random.Generator, kind: Ints) -> list[str]:
    product = rng.integers(_PRODUCTS, size=len(kind)).tolist()
    entry = rng.integers(len(_ENTRIES), size=len(kind)).tolist()
    return [
        _FIXED_PAGES.get(each) or (f"/p/{number}" if each == types.PRODUCT_VIEW else _ENTRIES[at])
        for each, number, at in zip(kind.tolist(), product, entry, strict=True)
    ]

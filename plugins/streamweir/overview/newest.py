"""Which streams and bundles are the newest, told by their names alone."""

import re
from collections.abc import Iterable

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dt\d\d-\d\d-\d\d")
"""In the names of bundles, and of streams that are called like their run: Airflow's run ids hold it."""


def moment_in(name: str) -> tuple[str, str]:
    """What a name is sorted by: its moment, then itself; one without a moment comes before all others."""
    found = _MOMENT.search(name)
    return found[0] if found else "", name


def named_and_of_runs(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """The streams that have a name of their own, and those that are called like their run, oldest first."""
    by_moment = sorted(names, key=moment_in)
    named = [name for name in by_moment if not _MOMENT.search(name)]
    return named, by_moment[len(named) :]

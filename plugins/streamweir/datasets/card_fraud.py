"""What makes a `card_fraud` dataset usable: one file with the columns that every transaction must have.

Bad values are no reason to refuse it: they are the bad input that the stream must stand, and nothing is
trained on them.
"""

import math
from pathlib import Path

from streamweir.contracts.card_fraud.dataset import CLASS, FILE, NUMBER_NAMES, TIME
from streamweir.datasets.checks import CheckedFile, Test, Wishes, locate
from streamweir.datasets.dataset import Findings
from streamweir.datasets.sampling import UNITS, check_live
from streamweir.replay.card_fraud import FARTHEST_S, Clock, times_of, unit_of
from streamweir.replay.csvfile import CsvFile
from streamweir.values import parse_class, parse_number


def check(folder: Path, *, needs_history: bool) -> list[CheckedFile]:
    """The usable file of the folder; raises DatasetUnusable naming file, line and column.

    It is history too when it has the column Class. Without that it can be scored and teaches nothing, so
    `needs_history` cannot be asked of it here: whoever looks for a model says what is missing.
    """
    path = locate(folder, (FILE, *_only_csv(folder)))
    file = CsvFile(path, NUMBER_NAMES)
    clock = Clock(times_of(file))
    with_class = CLASS.name in file.names
    rows, warnings = check_live(file, _parsed(clock, with_class=with_class), {})
    unused = [
        name or "(one without a name)" for name in file.names if name not in (*NUMBER_NAMES, CLASS.name)
    ]
    if unused:
        warnings += (f"line 1: columns that are not used: {', '.join(unused)}",)
    findings = Findings(warnings)
    return [CheckedFile(FILE, path, rows, history=with_class, live_too=True, findings=findings)]


def judge(found: Findings, wishes: Wishes) -> tuple[str, ...]:
    """Nothing depends on a run's wishes: a file that is not sorted by Time is put in order."""
    return ()


def _parsed(clock: Clock, *, with_class: bool) -> dict[str, list[Test]]:
    """What the stream reads of a transaction."""

    def near(text: str) -> None:
        time = parse_number(text)
        if math.isnan(clock.second(time)):
            raise ValueError(f"{text[:80]!r} is {_misplaced(clock, time)}")

    numbers: dict[str, list[Test]] = {name: [parse_number] for name in NUMBER_NAMES}
    return numbers | {TIME.name: [near]} | ({CLASS.name: [parse_class]} if with_class else {})


def _misplaced(clock: Clock, time: float) -> str:
    far, unit = f"more than {FARTHEST_S:,.0f} seconds away from the start", unit_of(time)
    if clock.unit is not None and unit != clock.unit:
        return f"not in {UNITS[clock.unit]} since the epoch, as most are"
    return (
        far
        if unit is None or unit == clock.unit
        else f"{far}, and most are not in {UNITS[unit]} since the epoch"
    )


def _only_csv(folder: Path) -> list[str]:
    """The folder's CSV file, whatever it is called, when there is but one."""
    found = [path.name for path in folder.iterdir() if path.suffix.lower() == ".csv"]
    return found if len(found) == 1 else []

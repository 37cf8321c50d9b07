"""What makes a `card_fraud` dataset usable: one file with the columns that every transaction must have.

Bad values are no reason to refuse it: they are the bad input that the stream must stand, and nothing is
trained on them.
"""

import math
from contextlib import suppress
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

    It is history too when a Class says fraud. Without one it can be scored and teaches nothing, which is a
    finding and no fault even with `needs_history`: the champion may be taken.
    """
    path = locate(folder, (FILE, *_only_csv(folder)))
    file = CsvFile(path, NUMBER_NAMES)
    clock = Clock(times_of(file))
    with_class, frauds = CLASS.name in file.names, Frauds()
    watched = {CLASS.name: [frauds]} if with_class else {}
    rows, warnings = check_live(file, _parsed(clock, with_class=with_class), watched)
    unused = [
        name or "(one without a name)" for name in file.names if name not in (*NUMBER_NAMES, CLASS.name)
    ]
    if unused:
        warnings += (f"line 1: columns that are not used: {', '.join(unused)}",)
    findings = Findings(warnings, untaught=None if frauds.met else _untaught(with_class=with_class))
    return [CheckedFile(FILE, path, rows, history=frauds.met, live_too=True, findings=findings)]


class Frauds:
    """Whether any row is fraud; refuses none."""

    def __init__(self) -> None:
        self.met = False

    def __call__(self, text: str) -> None:
        """Look at the class of a row, until one is fraud."""
        with suppress(ValueError):
            self.met = self.met or parse_class(text) == 1


def judge(found: Findings, wishes: Wishes) -> tuple[str, ...]:
    """Nothing depends on a run's wishes: a file that is not sorted by Time is put in order."""
    return ()


def _untaught(*, with_class: bool) -> str:
    problem = "no transaction is fraud" if with_class else "there is none"
    return (
        f"column {CLASS.name}: {problem}, so that no model can be trained on it: "
        "give a model, or the champion is taken"
    )


def _parsed(clock: Clock, *, with_class: bool) -> dict[str, list[Test]]:
    """What the stream reads of a transaction."""

    def near(text: str) -> None:
        time = parse_number(text)
        if math.isnan(clock.second(time)):
            raise ValueError(f"{text[:80]!r} is {_misplaced(clock, time)}")

    numbers: dict[str, list[Test]] = {name: [parse_number] for name in NUMBER_NAMES}
    return numbers | {TIME.name: [near]} | ({CLASS.name: [parse_class]} if with_class else {})


def _misplaced(clock: Clock, time: float) -> str:
    """Why the clock has no second for a Time."""
    unit = unit_of(time)
    if clock.unit is not None and unit != clock.unit:
        return f"not in {UNITS[clock.unit]} since the epoch, as most are"
    far = f"more than {FARTHEST_S:,.0f} seconds away from the start"
    if unit is None or unit == clock.unit:
        return far
    return f"{far}, and most are not in {UNITS[unit]} since the epoch"


def _only_csv(folder: Path) -> list[str]:
    """The folder's CSV file, whatever it is called, when there is but one."""
    found = [path.name for path in folder.iterdir() if path.suffix.lower() == ".csv"]
    return found if len(found) == 1 else []

"""What makes an `ecommerce_fraud` dataset usable.

Bad values in the live files are no reason to refuse a dataset: they are the bad input that the stream must
stand. The static files and the history must be sound, because every score depends on them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from streamweir.contracts.ecommerce_fraud import dataset
from streamweir.contracts.ecommerce_fraud.dataset import File
from streamweir.contracts.tables import Type
from streamweir.datasets.checks import (
    CheckedFile,
    References,
    Test,
    Unique,
    Wishes,
    check_rows,
    given,
    locate,
    present,
)
from streamweir.datasets.dataset import Findings
from streamweir.datasets.sampling import OneUnit, check_live
from streamweir.errors import DatasetUnusable
from streamweir.replay.csvfile import CsvFile
from streamweir.replay.ecommerce_fraud import SORT_IT
from streamweir.times import TimeReader
from streamweir.values import parse_class, parse_date, parse_number, parse_products

_PRODUCTS = "product_metadata"
_LABEL = "is_fraud"
_EVENT_TIME = "event_time"


def check(folder: Path, *, needs_history: bool) -> list[CheckedFile]:
    """The usable files of the folder; raises DatasetUnusable naming file, line and column.

    The history counts as missing when one of its files is, and then none of them is used.
    """
    customers = Unique()
    static = [*_static(folder, customers)]
    live = [_browsing(folder), _transactions(folder, customers)]
    return [*static, *live, *(_history(folder) if _wanted(folder, needs_history) else ())]


def judge(found: Findings, wishes: Wishes) -> list[str]:
    """A warning of a browsing file that is not sorted; raises DatasetUnusable where that is not allowed."""
    if found.unsorted is None:
        return []
    if not wishes.unsorted_ok:
        raise DatasetUnusable(f"{found.unsorted}; {SORT_IT}")
    return [f"{found.unsorted}; it is replayed in file order"]


class Dates:
    """Counts the dates of a column and remembers the first text that is none; refuses no row.

    Such a date counts as missing, and only a model that asks for it lacks it.
    """

    def __init__(self) -> None:
        self.rows = self.unread = 0
        self.first: tuple[int, str] | None = None

    def __call__(self, text: str) -> None:
        """Try the date of the next row."""
        self.rows += 1
        try:
            if text:
                parse_date(text)
        except ValueError as error:
            self.unread += 1
            self.first = self.first or (self.rows, str(error))


def _static(folder: Path, customers: Unique) -> Iterable[CheckedFile]:
    products, categories = Unique(), Unique()
    yield _customers(folder, customers)
    yield _checked(folder, dataset.CATEGORIES, {"category_id": [present, categories]})
    resolves = References(categories.seen, dataset.CATEGORIES.name)
    yield _checked(folder, dataset.PRODUCTS, {"id": [present, products], "category_id": [resolves]})


def _customers(folder: Path, customers: Unique) -> CheckedFile:
    dates = {column.name: Dates() for column in dataset.CUSTOMERS.columns if column.type is Type.DATE}
    tests: dict[str, list[Test]] = {name: [date] for name, date in dates.items()}
    found = _checked(folder, dataset.CUSTOMERS, tests | {"customer_id": [present, customers]})
    warnings = tuple(_unread(CsvFile(found.path, _names(dataset.CUSTOMERS)), dates))
    return replace(found, findings=Findings(warnings))


def _unread(file: CsvFile, dates: Mapping[str, Dates]) -> Iterable[str]:
    for name, date in dates.items():
        if date.first is not None:
            row, problem = date.first
            share = f"{date.unread:,} of {date.rows:,} dates cannot be read and count as missing"
            yield f"line {file.line_of(row - 1)}, column {name}: {problem}; {share}"


def _browsing(folder: Path) -> CheckedFile:
    found = _live(folder, dataset.BROWSING, {})
    file = CsvFile(found.path, _names(dataset.BROWSING))
    unsorted = file.disorder(_EVENT_TIME, file.times(_EVENT_TIME))
    return replace(found, findings=replace(found.findings, unsorted=unsorted))


def _transactions(folder: Path, customers: Unique) -> CheckedFile:
    known = References(customers.seen, dataset.CUSTOMERS.name)
    return _live(folder, dataset.TRANSACTIONS, {_PRODUCTS: [parse_products], "customer_id": [known]})


def _live(folder: Path, declared: File, extra: Mapping[str, Iterable[Test]]) -> CheckedFile:
    """Try what the stream reads: the declared types, the keys, and the extra tests."""
    path = locate(folder, declared.names)
    file = CsvFile(path, _names(declared))
    rows, warnings = check_live(file, _tests(declared, given, extra), _units(file, declared))
    return CheckedFile(declared.name, path, rows, declared.history, findings=Findings(warnings))


def _history(folder: Path) -> Iterable[CheckedFile]:
    yield _checked(folder, dataset.BROWSING_HISTORY, {})
    yield _checked(folder, dataset.TRANSACTION_HISTORY, {_PRODUCTS: [parse_products]})
    yield _checked(folder, dataset.CUSTOMER_SESSIONS, {})
    found: set[int] = set()
    tests: dict[str, list[Test]] = {
        "transaction_id": [Unique()],
        _LABEL: [lambda text: found.add(parse_class(text))],
    }
    yield _checked(folder, dataset.FRAUD_LABELS, tests)
    if 1 not in found:
        raise DatasetUnusable(
            f"{folder / dataset.FRAUD_LABELS.name}, column {_LABEL}: no transaction is fraud, "
            "so that no model can be trained"
        )


def _checked(folder: Path, declared: File, extra: Mapping[str, Iterable[Test]]) -> CheckedFile:
    """Check a file whose every value must be sound: the declared types, the keys, and the extra tests."""
    path = locate(folder, declared.names)
    file = CsvFile(path, _names(declared))
    tests = _tests(declared, present, extra)
    for name, units in _units(file, declared).items():
        tests[name] += units
    return CheckedFile(declared.name, path, check_rows(file, tests), declared.history)


def _units(file: CsvFile, declared: File) -> dict[str, list[Test]]:
    """Of each column of times since the epoch, that all are in one unit."""
    return {column.name: [OneUnit(file)] for column in declared.columns if column.type is Type.TIMESTAMP}


def _tests(file: File, key: Test, extra: Mapping[str, Iterable[Test]]) -> dict[str, list[Test]]:
    tests: dict[str, list[Test]] = {name: [key] for name in file.key}
    for column in file.columns:
        if column.type in _TYPE_TESTS:
            tests.setdefault(column.name, []).append(_TYPE_TESTS[column.type]())
    for name, more in extra.items():
        tests.setdefault(name, []).extend(more)
    return tests


_TYPE_TESTS: Mapping[Type, Callable[[], Test]] = {
    Type.TIMESTAMP: TimeReader,
    Type.DOUBLE: lambda: parse_number,
}


def _wanted(folder: Path, needs_history: bool) -> bool:
    return needs_history or all((folder / file.name).is_file() for file in dataset.HISTORY_FILES)


def _names(file: File) -> list[str]:
    return [column.name for column in file.columns]

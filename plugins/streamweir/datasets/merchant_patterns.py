"""What makes a `merchant_patterns` dataset usable.

Bad rows among the transactions are no reason to refuse it: they are the bad input that the stream must
stand. The importance must be sound, for nobody would notice a weight that is left out.
"""

from collections.abc import Sequence
from pathlib import Path

from streamweir.contracts.merchant_patterns.dataset import (
    IMPORTANCE,
    TRANSACTIONS,
    importance_columns,
    parse_weight,
    plain,
)
from streamweir.datasets.checks import CheckedFile, Wishes, check_rows, locate, present
from streamweir.datasets.dataset import Findings
from streamweir.errors import DatasetUnusable
from streamweir.replay.csvfile import CsvFile
from streamweir.replay.merchant_patterns import check_header, count_rows


def check(folder: Path, *, needs_history: bool) -> list[CheckedFile]:
    """The usable files of the folder; raises DatasetUnusable naming file, line and column.

    There is no history: nothing is trained.
    """
    return [_transactions(folder), _importance(folder)]


def judge(found: Findings, wishes: Wishes) -> Sequence[str]:
    """Nothing: the file's own order decides."""
    return ()


def _transactions(folder: Path) -> CheckedFile:
    path = locate(folder, [TRANSACTIONS])
    check_header(path)
    rows = count_rows(path)
    if not rows:
        raise DatasetUnusable(f"{path} line 2: there are no rows")
    return CheckedFile(TRANSACTIONS, path, rows, history=False)


def _importance(folder: Path) -> CheckedFile:
    path = locate(folder, [IMPORTANCE])
    columns = customer, merchant, weight = importance_columns(CsvFile(path, ()).names)
    file = CsvFile(path, columns)
    rows = check_rows(file, {customer: [_named], merchant: [_named], weight: [parse_weight]})
    return CheckedFile(IMPORTANCE, path, rows, history=False)


def _named(text: str) -> None:
    present(plain(text))

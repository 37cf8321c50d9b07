"""CSV files of n rows each; the rows that fill no file wait in the stage's commit record."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from streamweir.commits import Remainder
from streamweir.contracts.streams import ObjectKey
from streamweir.contracts.tables import Table
from streamweir.objectstore import ObjectStore
from streamweir.writers.once import create


@dataclass(frozen=True)
class CsvFiles:
    """The rows of a table in files `<folder>/<table>_<number of the first row, eight digits>.csv`.

    A file has a header line and `size` rows, fewer when it is a rest; UTF-8, lines end with LF. The rows are
    numbered from 1 through the stream, and no two files hold the same one.
    """

    store: ObjectStore
    folder: ObjectKey
    table: Table
    size: int

    def write(
        self,
        before: Remainder,
        rows: Iterable[Sequence[object]],
        check: Callable[[], None],
        *,
        rest: bool = False,
    ) -> Remainder:
        """Write the files that a step's rows fill; returns what waits then, for the step's commit record.

        before: what waited, as the commit record before says. rows: with the table's columns, in order; None
        is an empty field. check: as in `Work.step`. rest: the last file is written though it is not full.
        A step that is worked on again must give the same rows and the same `rest`; what does not follow from
        the messages, such as a time or a request to stop, is in the step's intent.
        Raises BadConfiguration when a file is there with other content.
        """
        lines = (*before.lines, *map(_line, rows))
        written = len(lines) if rest else len(lines) - len(lines) % self.size
        for at in range(0, written, self.size):
            check()
            content = "".join([_line(self.table.names), *lines[at : at + self.size]])
            create(self.store, self.file(before.first + at), content.encode())
        return Remainder(before.first + written, lines[written:])

    def without_rest(self, waiting: Remainder) -> Remainder:
        """What waits once a rest was written between two steps, of which no commit record tells.

        It was written when the stream stopped, or when its rows had waited for long. A file that holds more
        than what waits is a later step's, which will come again.
        """
        written = "".join([_line(self.table.names), *waiting.lines]).encode()
        if self.read(waiting.first) == written:
            return Remainder(waiting.first + len(waiting.lines))
        return waiting

    def read(self, first: int) -> bytes | None:
        """The file that begins with this row; None when there is none."""
        return self.store.get(self.file(first))

    def file(self, first: int) -> ObjectKey:
        """The file that begins with this row."""
        return self.folder / f"{self.table.name}_{first:08d}.csv"


def _line(values: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()

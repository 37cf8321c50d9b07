"""A table as parquet files by partition, for readers that know nothing but the files' names."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import pyarrow as pa

from streamweir.arrow import cast, parquet, schema_of
from streamweir.contracts.streams import ObjectKey
from streamweir.contracts.tables import Table
from streamweir.objectstore import ObjectStore
from streamweir.writers.once import Decisions, Intent, create


@dataclass(frozen=True)
class Partitions:
    """The rows of a table in files `<folder>/<column>=<value>/…/<step, ten digits>.parquet`.

    by: the columns that make the folders; text, never null, and not among the table's.

    Whoever lists the folder at any moment sees whole files only, and each row at most once. S3 shows an
    object when it is complete and not before, so no file is half. Several files do not appear at the same
    moment, so their step is decided first: its intent, outside the folder, says what the step takes and which
    files come of it. From then on the step counts. A process that is killed between two files leaves some of
    them; the next one reads the intent, takes the same rows, and creates those that lack before it does
    anything else. None is ever replaced, moved or taken back. Were it to make other partitions, because its
    code is another, it would stop before the first file: so no file is left that belongs to no step.
    """

    store: ObjectStore
    folder: ObjectKey
    table: Table
    by: tuple[str, ...]

    def write(
        self, step: int, decisions: Decisions, rows: pa.Table, intent: Intent, check: Callable[[], None]
    ) -> None:
        """Write the rows of a step, which have the table's columns and those of `by`.

        decisions: how the same rows are found again; as the intent says when it knows the step. check: as in
        `Work.step`. Raises StreamHeld when another process began the step, BadConfiguration when the step was
        begun with other decisions or other files, or when a file is there with other content.
        """
        files = self._files(step, rows)
        check()
        intent.fix(step, {**decisions, "files": sorted(files)})
        for name, data in sorted(files.items()):
            check()
            create(self.store, self.folder / name, data)

    def _files(self, step: int, rows: pa.Table) -> dict[str, bytes]:
        places: dict[str, list[int]] = {}
        values = [rows[name].to_pylist() for name in self.by]
        for at, of_row in enumerate(zip(*values, strict=True)):
            places.setdefault(self._path(of_row), []).append(at)
        whole = cast(rows.select(self.table.names), schema_of(self.table), self.table.name)
        return {f"{path}/{step:010d}.parquet": parquet(whole.take(at)) for path, at in places.items()}

    def _path(self, values: Sequence[str]) -> str:
        pairs = zip(self.by, values, strict=True)
        return "/".join(f"{name}={quote(value, safe='')}" for name, value in pairs)

"""DuckDB for tables that are larger than the memory that they may take."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from streamweir.arrow import cast
from streamweir.contracts.streams import ObjectKey
from streamweir.objectstore import ObjectStore

MEMORY = "384MB"
"""What sorting a table may take."""
ROWS_AT_ONCE = 100_000
BY_STATISTICS = "filter_pushdown,join_filter_pushdown,statistics_propagation"
"""What DuckDB 2.0 does by a file's statistics, from which pyarrow leaves out NaN: rows would be lost."""


def quoted(columns: Iterable[str]) -> str:
    """Columns as SQL names them. Their names are a contract's, never the data's."""
    return ", ".join(f'"{name}"' for name in columns)


@contextmanager
def sorting(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that sorts what is larger than its memory, with the help of a folder."""
    with duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": str(folder / "sorting")}) as sql:
        sql.execute("set TimeZone = 'UTC'")
        yield sql


def put_rows(
    store: ObjectStore, key: ObjectKey, rows: duckdb.DuckDBPyRelation, schema: pa.Schema, folder: Path
) -> None:
    """Write rows as one parquet object, some of them at a time; raises RunFailed where one fits no type."""
    file = folder / "rows.parquet"
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in rows.to_arrow_reader(ROWS_AT_ONCE):
            writer.write_table(cast(pa.table(batch), schema, key))
    store.upload(key, file)

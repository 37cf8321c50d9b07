"""Columns and types of the result tables against their contracts."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from streamweir.arrow import schema_of
from streamweir_quality.checks import Subject, equal
from streamweir_quality.inputs import Inputs

SUITE = "columns"
_NOTHING = "nothing"


def schema_subject(inputs: Inputs) -> Subject:
    """All result tables: a row per place in a table, with the column there as declared and as found."""
    places: dict[str, pd.Series] = {}
    expectations = []
    tables = ((stage.named(table.name), table) for stage in inputs.pipeline.stages for table in stage.tables)
    for name, table in tables:
        declared, found = _described(schema_of(table)), _described(pq.read_schema(inputs.tables[name]))
        count = max(len(declared), len(found))
        left, right = f"{name} declared", f"{name} found"
        places[left] = pd.Series(declared).reindex(range(count), fill_value=_NOTHING)
        places[right] = pd.Series(found).reindex(range(count), fill_value=_NOTHING)
        expectations.append(equal(left, right, f"{name} has the declared columns and types, in order"))
    return Subject(SUITE, SUITE, pd.DataFrame(places), tuple(expectations))


def _described(schema: pa.Schema) -> list[str]:
    return [f"{field.name}: {_plain(field.type)}" for field in schema]


def _plain(kind: pa.DataType) -> str:
    """Parquet gives the elements of a list another name than Arrow does; it is no part of the contract."""
    return f"list<{kind.value_type}>" if pa.types.is_list(kind) else str(kind)

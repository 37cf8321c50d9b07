"""What differs between two tables that are side by side in `joined`: counts of all rows, and examples."""

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import duckdb

from streamweir.comparison.pairs import BASELINE, CANDIDATE, DIFFERS, SIDES, Layout, name, of

EXAMPLES = 10
_QUANTILES = (0.5, 0.9, 0.99, 0.999)
_LONGEST = 200

Found = dict[str, Any]


def counted(sql: duckdb.DuckDBPyConnection, layout: Layout) -> Found:
    """Rows by where they are, and for each compared column in how many rows both sides differ."""
    differs = [of(DIFFERS, column) for column in layout.columns]
    counts = {
        BASELINE: "count(*) filter (in_baseline)",
        CANDIDATE: "count(*) filter (in_candidate)",
        "both": "count(*) filter (in_baseline and in_candidate)",
        "differing": f"count(*) filter ({' or '.join(differs) or 'false'})",
    }
    columns = (f"count(*) filter ({flag})" for flag in differs)
    (row,) = sql.sql(f"select {', '.join((*counts.values(), *columns))} from joined").fetchall()
    return {
        **dict(zip(counts, row, strict=False)),
        "columns": dict(zip(layout.columns, row[len(counts) :], strict=True)),
    }


def keep_differing(
    sql: duckdb.DuckDBPyConnection, layout: Layout, changed: Sequence[str], shown: Sequence[str]
) -> None:
    """Make the table `differing` of the rows of `joined` that are in one only, or differ.

    changed: the columns that differ anywhere. shown: columns whose values are kept all the same.
    """
    kept = [column for column in layout.columns if column in changed or column in shown]
    columns = ", ".join(
        [
            *("in_baseline", "in_candidate", *map(name, layout.key)),
            *(of(part, column) for column in kept for part in (*SIDES, DIFFERS)),
        ]
    )
    differs = (of(DIFFERS, column) for column in changed)
    which = " or ".join(("in_baseline and not in_candidate", "in_candidate and not in_baseline", *differs))
    sql.execute(f"create or replace table differing as select {columns} from joined where {which}")


def only_in(sql: duckdb.DuckDBPyConnection, layout: Layout, side: str) -> list[Found]:
    """The keys of the first rows that only one side has."""
    there = "in_baseline and not in_candidate" if side == BASELINE else "in_candidate and not in_baseline"
    return examples(sql, layout, (), there)


def examples(
    sql: duckdb.DuckDBPyConnection, layout: Layout, columns: Sequence[str], where: str, order: str = ""
) -> list[Found]:
    """The first rows of `differing` for which `where` holds: their key, and both sides' values of columns.

    order: before the order of the key.
    """
    parts = (of(part, column) for column in columns for part in (*SIDES, DIFFERS))
    wanted = (*map(name, layout.key), *parts)
    keys = (f"{name(part)} nulls first" for part in layout.key)
    rows = sql.sql(
        f"select {', '.join(wanted)} from differing where {where} "
        f"order by {', '.join((*filter(None, (order,)), *keys))} limit {EXAMPLES}"
    ).fetchall()
    return [_example(layout, columns, row) for row in rows]


def column_differences(
    sql: duckdb.DuckDBPyConnection, layout: Layout, counts: Mapping[str, int]
) -> list[Found]:
    """For each column that differs: in how many rows; of numbers also the row with the largest difference."""
    return [
        {"column": column, "rows": rows, "largest": _largest(sql, layout, column)}
        for column, rows in counts.items()
        if rows
    ]


def probability_differences(sql: duckdb.DuckDBPyConnection, layout: Layout, column: str) -> Found:
    """How far apart the probabilities are that differ: quantiles, and the rows that are furthest apart."""
    apart = _apart(column)
    far = f"{of('differs', column)} and isfinite({apart})"
    listed = ", ".join(map(str, _QUANTILES))
    rows = f"from differing where {far}"
    ((found,),) = sql.sql(f"select quantile_disc({apart}, [{listed}]) {rows}").fetchall()
    return {
        "column": column,
        "quantiles": dict(zip(map(str, _QUANTILES), found, strict=True)) if found else {},
        "largest": examples(sql, layout, [column], far, f"{apart} desc"),
    }


def called(side: str, column: str) -> str:
    """Whether a side calls a row fraud, or raises an alert for it, as SQL says it."""
    return f"coalesce({of(side, column)}::int = 1, false)"


def alerts(sql: duckdb.DuckDBPyConnection, layout: Layout, column: str, shown: Sequence[str]) -> Found:
    """How many alerts both runs raised, and how many only one; the first of these with the shown columns."""
    first, second = (called(side, column) for side in SIDES)
    counts = {"both": f"{first} and {second}", "baseline_only": f"{first} and not {second}"}
    counts["candidate_only"] = f"{second} and not {first}"
    filters = ", ".join(f"count(*) filter ({which})" for which in counts.values())
    (row,) = sql.sql(f"select {filters} from joined").fetchall()
    return {
        **dict(zip(counts, row, strict=True)),
        "examples": examples(sql, layout, shown, f"{first} <> {second}"),
    }


def flips(sql: duckdb.DuckDBPyConnection, layout: Layout, column: str, probability: str) -> Found:
    """Rows of both runs that only one calls fraud: how many, and those with the largest differences."""
    first, second = (called(side, column) for side in SIDES)
    both = "in_baseline and in_candidate"
    counts = ", ".join(
        f"count(*) filter ({both} and {one} and not {other})"
        for one, other in ((second, first), (first, second))
    )
    ((raised, dropped),) = sql.sql(f"select {counts} from differing").fetchall()
    furthest = f"{_apart(probability)} desc nulls last"
    found = examples(sql, layout, [column, probability], f"{both} and {first} <> {second}", furthest)
    return {"raised": raised, "dropped": dropped, "largest": found}


def plain(value: Any) -> Any:
    """A value as JSON holds it."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, bytes):
        return value[:_LONGEST].decode(errors="backslashreplace")
    return value


def _largest(sql: duckdb.DuckDBPyConnection, layout: Layout, column: str) -> Found | None:
    if not layout.is_number(column):
        return None
    apart = _apart(column)
    found = examples(sql, layout, [column], f"{of('differs', column)} and isfinite({apart})", f"{apart} desc")
    return found[0] if found else None


def _apart(column: str) -> str:
    return f"abs({of(CANDIDATE, column)}::double - {of(BASELINE, column)}::double)"


def _example(layout: Layout, columns: Sequence[str], row: Sequence[Any]) -> Found:
    key = {part: plain(value) for part, value in zip(layout.key, row, strict=False)}
    values = iter(map(plain, row[len(key) :]))
    found = {column: dict(zip((*SIDES, DIFFERS), values, strict=False)) for column in columns}
    return {"key": key, "columns": found} if columns else {"key": key}

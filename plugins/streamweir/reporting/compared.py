"""What comparison.json says, as small tables for people: in the report, and of `streamweir compare`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamweir.reporting import text
from streamweir.reporting.pieces import Row

_SIDES = "baseline", "candidate"
_FIRST = "name", "measure", "topic", "reason", *_SIDES, "difference", "low", "high"
"""The columns that come first, in this order; what is stored has them in that of the alphabet."""


@dataclass(frozen=True)
class Grid:
    """A table with a title; its rows have the same names, which are its headings."""

    title: str
    caption: str
    rows: Sequence[Row]


def in_words(found: Mapping[str, Any]) -> str:
    """The outcome in a sentence or two."""
    baseline = found["baseline"]["run"]
    if "problem" in found:
        return f"It was to be compared with {baseline}, which could not be done: {found['problem']}"
    within = "to the bit" if found["tolerance"] is None else f"within {found['tolerance']:g}"
    if found["outcome"] == "equal":
        return f"All tables are equal, {within}, to those of the baseline, {baseline}."
    other = (_other(table) for table in found["tables"])
    return f"Rows that are not as in the baseline, {baseline}, {within}: {', '.join(filter(None, other))}."


def grids(found: Mapping[str, Any]) -> list[Grid]:
    """The tables that have rows."""
    quality = found["quality"] or {"measures": ()}
    made = (
        Grid("Settings", "Params in which the runs differ.", [*map(_setting, _ordered(found["settings"]))]),
        Grid("Tables", "Rows of each result table.", [*map(_table, found["tables"])]),
        Grid("Columns", "In how many rows each differs, and where most.", [*_columns(found)]),
        Grid("Decisions", "Rows that only one run calls fraud: both probabilities.", [*_flips(found)]),
        Grid("Probabilities", "The rows whose probabilities are furthest apart.", [*_probabilities(found)]),
        Grid("Alerts", "Raised by both runs, or by one only.", [*_alerts(found)]),
        Grid("Worth of the scores", _of_quality(quality), _ordered(quality["measures"])),
        Grid("Rejected", "Rows by topic and reason.", _ordered(found["rejected"])),
        Grid("Timings", "Only shown: they make no difference.", _ordered(found["timings"])),
    )
    return [grid for grid in made if grid.rows]


def section(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The report's section; None where there is no comparison, or it could not be done."""
    if not found or "problem" in found:
        return None
    return {"sentence": in_words(found), "tables": [*map(_drawn, grids(found))]}


def _drawn(grid: Grid) -> dict[str, Any]:
    columns = {name: name.replace("_", " ") for name in grid.rows[0]}
    return {"grid": grid, "columns": columns, **text.shown(columns, grid.rows)}


def _other(table: Mapping[str, Any]) -> str:
    rows = sum(table[part]["rows"] for part in ("baseline_only", "candidate_only", "differing"))
    columns = sum(map(len, table["unshared_columns"].values()))
    said = [f"{rows:,} of {table['table']}"] if rows else []
    said += [f"{columns} columns of {table['table']} in one only"] if columns else []
    return ", ".join(said)


def _ordered(rows: Sequence[Row]) -> list[Row]:
    return [{name: row[name] for name in _FIRST if name in row} | dict(row) for row in rows]


def _setting(row: Row) -> Row:
    return {name: str(value) for name, value in row.items()}


def _table(table: Mapping[str, Any]) -> Row:
    parts = ("baseline_only", "candidate_only", "differing")
    return {"table": table["table"], **table["rows"], **{part: table[part]["rows"] for part in parts}}


def _columns(found: Mapping[str, Any]) -> Iterator[Row]:
    for table in found["tables"]:
        for column in table["differing"]["columns"]:
            largest = column["largest"]
            values = largest["columns"][column["column"]] if largest else {}
            yield {
                "table": table["table"],
                "column": column["column"],
                "rows": column["rows"],
                "most_in": _key(largest) if largest else "",
                **{side: str(values.get(side, "")) for side in _SIDES},
            }


def _flips(found: Mapping[str, Any]) -> Iterator[Row]:
    return (row for table in found["tables"] if "flips" in table for row in _sides(table, table["flips"]))


def _probabilities(found: Mapping[str, Any]) -> Iterator[Row]:
    return (
        row
        for table in found["tables"]
        if "probability" in table
        for row in _sides(table, table["probability"])
    )


def _sides(table: Mapping[str, Any], part: Mapping[str, Any]) -> Iterator[Row]:
    """Both probabilities of each example."""
    column = table["probability"]["column"]
    for example in part["largest"]:
        values = example["columns"][column]
        yield {"row": _key(example), **{side: values[side] for side in _SIDES}}


def _alerts(found: Mapping[str, Any]) -> Iterator[Row]:
    for table in found["tables"]:
        if alerts := table.get("alerts"):
            names = ("both", "baseline_only", "candidate_only")
            yield {"table": table["table"], **{name: alerts[name] for name in names}}


def _of_quality(quality: Mapping[str, Any]) -> str:
    if not quality["measures"]:
        return ""
    bins = f", scores in {quality['bins']:,} bins" if quality["bins"] else ""
    seen = quality["seen_by_a_model"]
    left = f"; {seen:,} more have taught a model and are left out" if seen else ""
    return (
        f"On {quality['rows']:,} labelled rows{left}. low to high: the 95 % interval of the difference, by a "
        f"paired bootstrap of {quality['resamples']} resamples{bins}."
    )


def _key(example: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in example["key"].items())

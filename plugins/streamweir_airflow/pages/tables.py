"""A run's result tables: page by page, sorted, filtered, with a link to each row, and as CSV."""

import csv
import io
import os
import tempfile
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Request, Response, status

from streamweir.contracts.streams import ObjectKey
from streamweir.contracts.tables import Column, Table, Type
from streamweir.errors import BadConfiguration
from streamweir.objectstore import ObjectStore
from streamweir.overview.tables import ROWS, Filter, Op, View, all_rows, rows_of, tables_of
from streamweir_airflow.addresses import run_page, table_page
from streamweir_airflow.pages.access import OF_A_DAG, Changeable, FoundRun, Store, known_pipeline
from streamweir_airflow.pages.rendering import ALWAYS, Link, cell, page

MOST_BYTES = 256 * 2**20
"""A larger file is not fetched to look into it."""
KEPT = 8
"""How many files are kept on disk, those that were looked into last."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
router = APIRouter(prefix="/dags/{dag_id}", dependencies=OF_A_DAG)


class Asked(NamedTuple):
    """A table as it was asked for. columns: those that the user may see."""

    name: str
    table: Table
    columns: Sequence[Column]
    file: Path
    view: View


def asked(
    name: str, dag_id: str, request: Request, found: FoundRun, mine: Changeable, objects: Store
) -> Asked:
    """What the address asks for: `_sort=-Amount`, `_page`, `_column`, `_op`, `_value`; `<column>=<value>`."""
    pipeline = known_pipeline(dag_id)
    table = tables_of(pipeline).get(name)
    if table is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"{pipeline} has no table {name}")
    # The bytes of rejected records take more than the right to read.
    columns = [column for column in table.columns if column.type is not Type.BINARY or pipeline in mine]
    file = _fetched(objects, found.run.bundle / name / "data.parquet")
    return Asked(name, table, columns, file, _view(dict(request.query_params)))


Wanted = Annotated[Asked, Depends(asked)]


@router.get("/tables/{run_id}/{name}")
def table(found: FoundRun, of: Wanted) -> Response:
    """A page of the table."""
    there = table_page(found.dag_id, found.run.id, of.name)
    try:
        rows = rows_of(of.file, of.columns, of.table, of.view)
    except BadConfiguration as error:
        raise _refused(str(error)) from error
    view = of.view
    turns = [("Before", view.page - 1)] if view.page > 1 else []
    turns += [("Next", view.page + 1)] if view.page * ROWS < rows.count else []
    values = {
        "title": f"{of.name} of {found.run.id}",
        "links": [
            Link("The run", run_page(found.dag_id, found.run.id)),
            Link("As CSV", f"{there}/csv?{_query(view, page=1)}"),
            *(Link(text, f"{there}?{_query(view, page=number)}") for text, number in turns),
        ],
        "there": there,
        "heads": [(column, f"{there}?{_query(view, sort=column.name)}") for column in of.columns],
        "view": view,
        "ops": list(Op),
        "count": rows.count,
        "rows": [
            (f"{there}?{urlencode(key)}", [cell(value) for value in row])
            for key, row in zip(rows.keys, rows.rows, strict=True)
        ],
    }
    return page("table.html.j2", values)


@router.get("/tables/{run_id}/{name}/csv")
def as_csv(of: Wanted) -> Response:
    """The rows of all pages, as a file that no spreadsheet takes for formulas."""
    try:
        rows = all_rows(of.file, of.columns, of.table, of.view)
    except BadConfiguration as error:
        raise _refused(str(error)) from error
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(column.name for column in of.columns)
    writer.writerows([_harmless(value) for value in row] for row in rows)
    named = {"Content-Disposition": f'attachment; filename="{of.name}.csv"'}
    return Response(text.getvalue(), headers={**ALWAYS, **named}, media_type="text/csv")


def _refused(why: str) -> HTTPException:
    return HTTPException(status.HTTP_422_UNPROCESSABLE_CONTENT, why)


def _view(said: dict[str, str]) -> View:
    sort, column, number = said.pop("_sort", ""), said.pop("_column", ""), said.pop("_page", "1")
    op, value = said.pop("_op", Op.IS), said.pop("_value", "")
    if not number.isdecimal() or int(number) < 1 or op not in [*Op]:
        raise _refused(f"_page={number} or _op={op} is none")
    filters = [Filter(name, Op.IS, text) for name, text in said.items()]
    if column:
        filters.append(Filter(column, Op(op), value))
    return View(tuple(filters), sort.removeprefix("-"), sort.startswith("-"), int(number))


def _query(view: View, *, page: int = 1, sort: str = "") -> str:
    """The same view on another page, or sorted by a column, the other way round when it was before."""
    by = sort or view.sort
    descending = not view.descending if sort and sort == view.sort else view.descending and not sort
    said = {one.column: one.value for one in view.filters if one.op is Op.IS}
    for one in view.filters:
        if one.op is not Op.IS:
            said |= {"_column": one.column, "_op": one.op, "_value": one.value}
    said |= {"_sort": f"{'-' if descending else ''}{by}"} if by else {}
    return urlencode(said | ({"_page": str(page)} if page > 1 else {}))


def _harmless(value: Any) -> Any:
    """The value; a text that a spreadsheet would take for a formula begins with an apostrophe."""
    if value is None or isinstance(value, bool | int | float):
        return value
    text = cell(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _fetched(objects: ObjectStore, key: ObjectKey) -> Path:
    """The object as a file; it is fetched once as long as it stays the same."""
    found = objects.stat(key)
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "the run has no such table: reconcile writes it")
    if found.size > MOST_BYTES:
        raise _refused(f"it is larger than {MOST_BYTES >> 20} MiB: take s3://{objects.bucket(key)}/{key.key}")
    file = _folder() / f"{found.etag}.parquet"
    if not file.exists():
        with tempfile.NamedTemporaryFile(dir=_folder(), suffix=".part", delete=False) as part:
            objects.download(key, Path(part.name))
        os.replace(part.name, file)
    os.utime(file)
    _forget(_folder().glob("*.parquet"))
    return file


def _forget(files: Iterable[Path]) -> None:
    for file in sorted(files, key=lambda file: file.stat().st_mtime)[:-KEPT]:
        file.unlink(missing_ok=True)


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="streamweir-tables-"))

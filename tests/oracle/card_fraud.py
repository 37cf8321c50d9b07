"""The results of `card_fraud` computed from the CSV file alone, as a batch in DuckDB; judged by scikit-learn.

Nothing of the product is imported: this is the specification, told a second time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd
from sklearn.metrics import average_precision_score, confusion_matrix

_NUMBERS = ("Time", *(f"V{number}" for number in range(1, 29)), "Amount")
_NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"

_SQL = """
create table file as
select row_number() over () - 1 as transaction_id, * from read_csv(?, all_varchar = true, header = true,
  null_padding = true, parallel = false);
create table timed as
select *, last_value(t ignore nulls) over (order by transaction_id rows unbounded preceding) as before
from (select *, case when regexp_full_match("Time", '{number}') then "Time"::double end as t from file);
create table placed as
select *, coalesce(before, (select t from timed where t is not null order by transaction_id limit 1), 0) as second
from timed;
create table sent as
select *, row_number() over (order by second, transaction_id) - 1 as batch_index,
  {sound} as scorable
from placed;
"""


@dataclass(frozen=True)
class Batch:
    """scored: the rows of the table `scored` without what the model says. rejected: the ids of the others."""

    scored: pd.DataFrame
    rejected: tuple[int, ...]


def compute(path: Path, start_ts: int) -> Batch:
    """What must be scored of a file that is replayed from `start_ts`, and what must not."""
    sound = " and ".join(f"coalesce(regexp_full_match(\"{name}\", '{_NUMBER}'), false)" for name in _NUMBERS)
    sound += " and coalesce(\"Class\" in ('0', '1'), false)"
    with duckdb.connect() as sql:
        sql.execute("set TimeZone = 'UTC'")
        create, *others = _SQL.format(number=_NUMBER, sound=sound).split(";\n")[:-1]
        sql.execute(create, [str(path)])
        for statement in others:
            sql.execute(statement)
        scored = sql.execute(
            "select transaction_id, epoch_us(make_timestamp(0)) + (? + t)::double * 1000000 as micros, "
            '"Amount"::double as "Amount", "Class"::bigint as "Class", batch_index '
            "from sent where scorable order by transaction_id",
            [start_ts],
        ).df()
        rejected = sql.execute("select transaction_id from sent where not scorable order by 1").fetchall()
    return Batch(scored, tuple(row[0] for row in rejected))


def judge(scored: pd.DataFrame) -> Mapping[str, float]:
    """What alerts are worth, by scikit-learn."""
    (_, false), (missed, true) = confusion_matrix(scored["Class"], scored["is_alert"], labels=[0, 1])
    top = scored.sort_values("fraud_prob", ascending=False, kind="stable").head(100)
    frauds = scored[scored["Class"] == 1]
    return {
        "alerts": int(true + false),
        "true positives": int(true),
        "false positives": int(false),
        "missed frauds": int(missed),
        "precision": true / (true + false),
        "recall": true / (true + missed),
        "PR-AUC": float(average_precision_score(scored["Class"], scored["fraud_prob"])),
        "precision among the top 100": float(top["Class"].mean()),
        "amount at risk caught": float(frauds.loc[frauds["is_alert"], "Amount"].sum()),
        "amount at risk missed": float(frauds.loc[~frauds["is_alert"], "Amount"].sum()),
    }

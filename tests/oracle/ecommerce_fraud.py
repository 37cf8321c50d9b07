"""`ecommerce_fraud` as one batch in DuckDB: what a replay must have scored, and the figures that follow.

Written from the specification alone: it shares no code with the replay, the scorer or the figures. Late records and
messages from elsewhere are outside of it.
"""

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd

_NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
_NUMBERS = (
    "promo_amount",
    "shipment_fee",
    "shipment_location_lat",
    "shipment_location_long",
    "total_amount",
)

_BATCHES = """
create table browsing as
select *, epoch_us(try_cast(event_time as timestamptz)) as t, rn // {batch_rows} as k
from (select row_number() over () - 1 as rn, * from read_csv('{browsing}', all_varchar = true, header = true, parallel = false));

create table spans as
select k, max(max(t)) over (order by k) as span_end from browsing group by k;

create table dated as
select rn, x.*, epoch_us(try_cast(created_at as timestamptz)) as t
from (select row_number() over () - 1 as rn, * from read_csv('{transactions}', all_varchar = true, header = true, parallel = false)) x;

create table transactions as
select *, case when t is null then coalesce(last_value(own_k ignore nulls) over (order by rn), 0) else own_k end as k
from (
  select d.*, case when d.t is not null then coalesce((select min(k) from spans where span_end >= d.t), (select max(k) from spans)) end as own_k
  from dated d
);
delete from browsing where k >= {limit};
delete from transactions where k >= {limit};
"""

_SCORABLE = """
create table customers as select * from read_csv('{customers}', all_varchar = true, header = true);
create table used as
select session_id, event_type, k, {start_ts} + k as ts, t from browsing
where session_id <> '' and event_type <> '' and event_time <> '' and t is not null;

create table scorable as
select x.*, {start_ts} + k as ts, c.gender as customer_gender, c.birthdate::date as birthdate, c.first_join_date::date as first_join_date,
  (select coalesce(sum(p.quantity), 0)::bigint from (select unnest(products) as p)) as num_purchase
from (
  select *, try_cast(json_transform(try_cast(replace(product_metadata, '''', '"') as json),
      '[{{"product_id":"BIGINT","quantity":"BIGINT","item_price":"DOUBLE"}}]')
      as struct(product_id bigint, quantity bigint, item_price double)[]) as products
  from transactions
  where transaction_id <> '' and session_id <> '' and customer_id <> '' and t is not null and {numbers}
) x join customers c using (customer_id)
where products is not null and len(list_filter(products, lambda p: p.product_id is null or p.quantity is null or p.quantity < 1)) = 0;

create table scored as
select * from scorable qualify row_number() over (partition by session_id, transaction_id order by k, rn) = 1;
"""

_FEATURES = """
create table features as
with seen as (
  select s.session_id, s.transaction_id, count(b.t) as session_events, min(b.t) as first_t, max(b.t) as last_t,
    count(*) filter (b.event_type in ('AP', 'ATC', 'CO')) as l1,
    count(*) filter (b.event_type in ('VC', 'VP', 'VI', 'SER')) as l2,
    count(*) filter (b.event_type in ('AP', 'ATC', 'CO', 'VC', 'VP', 'VI', 'SER', 'SCR', 'HP', 'CL')) as known
  from scored s left join used b
    on b.session_id = s.session_id and b.k <= s.k and b.ts >= s.ts - {lookback} and b.t <= s.t
  group by all
), placed as (
  select s.*, seen.* exclude (session_id, transaction_id),
    hour(timezone('{zone}', make_timestamptz(case when session_events = 0 then s.t else (first_t + last_t) // 2 end))) as hour,
    timezone('{zone}', make_timestamptz(s.t))::date as local_day
  from scored s join seen using (session_id, transaction_id)
)
select session_id, transaction_id, k as batch_index, ts,
  case when known = 0 then 0.0 else 100.0 * l1 / known end as "L1_ratio",
  case when known = 0 then 0.0 else 100.0 * l2 / known end as "L2_ratio",
  case when hour < 6 then 'night' when hour < 12 then 'morning' when hour < 18 then 'afternoon' else 'evening' end as time_of_day,
  num_purchase,
  year(local_day) - year(birthdate)
    - case when (month(local_day), day(local_day)) < (month(birthdate), day(birthdate)) then 1 else 0 end as age,
  year(first_join_date) as first_join_year, customer_gender as gender, session_events,
  {typed_numbers}
from placed;
"""


@dataclass(frozen=True)
class Batch:
    """The computation's tables, for a given dataset and clock."""

    tables: duckdb.DuckDBPyConnection

    def features(self) -> pd.DataFrame:
        """A row per transaction that must be scored, with all features, sorted by batch and id."""
        return self._frame("select * from features order by session_id, transaction_id")

    def counts(self) -> dict[str, int]:
        """Rows sent and scored, by name."""
        names = {"browsing": "browsing", "transactions": "transactions", "used": "used", "scored": "scored"}
        return {
            name: int(self._frame(f"select count(*) as n from {table}").n[0]) for name, table in names.items()
        }

    def sent(self, batch: int) -> dict[str, list[str]]:
        """The rows of a batch by topic: a transaction's id, and the session of a browsing row."""
        keys = {"browsing": "session_id", "transactions": "transaction_id"}
        return {
            table: list(self._frame(f"select {key} as id from {table} where k = {batch} order by rn").id)
            for table, key in keys.items()
        }

    def success_payments(self) -> dict[int, int]:
        """Successful payments per batch, zeros included."""
        frame = self._frame(
            "select s.k, count(t.rn) filter (t.payment_status = 'Success') as n from (select distinct k from browsing) s"
            " left join transactions t on t.k = s.k group by s.k order by s.k"
        )
        return {int(k): int(n) for k, n in zip(frame.k, frame.n, strict=True)}

    def figures(self, predictions: pd.DataFrame, products: Path) -> dict[str, pd.DataFrame]:
        """The three figure tables, given what the model said: session_id, transaction_id, prediction."""
        self.tables.register("said", predictions[["session_id", "transaction_id", "prediction"]])
        self.tables.execute(
            "create or replace table sold as select s.session_id, s.transaction_id, s.ts, s.products, said.prediction,"
            " f.num_purchase from scored s join said using (session_id, transaction_id)"
            " join features f using (session_id, transaction_id)"
        )
        return {
            "fraud_windows": self._fraud_windows(),
            "sold_quantity": self._sold_quantity(),
            "top_products": self._top_products(products),
        }

    def _fraud_windows(self) -> pd.DataFrame:
        return self._frame("""
            with starts as (select unnest(range(
                (select min(ts) // 10 * 10 - 110 from sold), (select max(ts) // 10 * 10 + 1 from sold), 10)) as w)
            select w as window_start, w + 120 as window_end,
              count(*) filter (prediction = 1) as frauds, count(sold.ts) as scored
            from starts left join sold on sold.ts >= w and sold.ts < w + 120 group by w order by w""")

    def _sold_quantity(self) -> pd.DataFrame:
        return self._frame("""
            with starts as (select unnest(range(
                (select min(ts) // 30 * 30 from sold), (select max(ts) // 30 * 30 + 1 from sold), 30)) as w)
            select w as window_start, w + 30 as window_end,
              coalesce(sum(num_purchase) filter (prediction = 0 and sold.ts >= w), 0)::bigint as quantity,
              coalesce(sum(num_purchase) filter (prediction = 0), 0)::bigint as quantity_so_far
            from starts left join sold on sold.ts < w + 30 group by w order by w""")

    def _top_products(self, products: Path) -> pd.DataFrame:
        return self._frame(f"""
            with starts as (select unnest(range(
                (select min(ts) // 60 * 60 from sold), (select max(ts) // 60 * 60 + 1 from sold), 60)) as w),
            lines as (select ts, unnest(products) as p from sold where prediction = 0),
            so_far as (select w, p.product_id, sum(p.quantity)::bigint as quantity
                from starts join lines on ts < w + 60 group by all),
            ranked as (select *, row_number() over (partition by w order by quantity desc, product_id) as rank from so_far)
            select w as window_start, w + 60 as window_end, rank, ranked.product_id::varchar as product_id,
              case when n.id is not null then coalesce(n."productDisplayName", '') end as name, quantity
            from ranked left join read_csv('{products}', all_varchar = true, header = true) n on n.id = ranked.product_id::varchar
            where rank <= 20 order by w, rank""")

    def _frame(self, query: str) -> pd.DataFrame:
        return self.tables.execute(query).df()


def compute(
    folder: Path,
    start_ts: int,
    *,
    batches: int | None = None,
    batch_rows: int = 200,
    lookback_s: int = 600,
    time_zone: str = "Australia/Melbourne",
) -> Batch:
    """Compute the tables of a replay of `folder` whose first batch has the clock `start_ts`."""
    names = ("new_transactions.csv", "new_transaction.csv")
    transactions = next(folder / name for name in names if (folder / name).exists())
    tables = duckdb.connect()
    tables.execute("set TimeZone = 'UTC'")
    tables.execute(
        _BATCHES.format(
            batch_rows=batch_rows,
            browsing=folder / "new_browsing_behaviour.csv",
            transactions=transactions,
            limit=2**40 if batches is None else batches,
        )
    )
    tables.execute(
        _SCORABLE.format(
            customers=folder / "customer.csv",
            start_ts=start_ts,
            numbers=" and ".join(f"regexp_full_match({name}, '{_NUMBER}')" for name in _NUMBERS),
        )
    )
    typed = ", ".join(f"{name}::double as {name}" for name in _NUMBERS)
    tables.execute(_FEATURES.format(lookback=lookback_s, zone=time_zone, typed_numbers=typed))
    return Batch(tables)

-- The batch computation of `card_fraud`. recompute.py registers what it begins with: the run's messages, in time;
-- refused: what only the model refuses; the variables: the retention, and the paths of the numbers; micros_of: the
-- microseconds of a text that is a time.

create table rows as
select * exclude (value), try_cast(decode(value) as json) as row
from messages
where try(decode(value)) is not null and json_valid(try(decode(value)));

-- A class is 0 or 1 as a number, or a text that says so, also in quotes.
create macro unquoted(text) as regexp_replace(text, '^(?:''(.*)''|"(.*)")$', '\1\2');
create macro zero_or_one(text) as case when try_cast(text as double) in (0, 1) then text::double::bigint end;
create macro word_or_number(text) as case
  when lower(text) in ('true', 'yes') then 1
  when lower(text) in ('false', 'no') then 0
  when regexp_full_match(text, '[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?') then zero_or_one(text)
end;
create macro class_of(kind, text) as case
  when kind in ('UBIGINT', 'BIGINT', 'DOUBLE') then zero_or_one(text)
  when kind in ('VARCHAR', 'BOOLEAN') then word_or_number(unquoted(text))
end;

create table transactions as
select *, (row ->> '$.transaction_id')::bigint as transaction_id,
  coalesce(json_type(row, '$.Class'), 'NULL') as class_kind,
  class_of(class_kind, row ->> '$.Class') as class,
  case when json_type(row, '$.event_time') = 'VARCHAR' then micros_of(row ->> '$.event_time') end as micros
from rows
where json_type(row) = 'OBJECT' and json_type(row, '$.transaction_id') = 'UBIGINT'
  and try_cast(row ->> '$.transaction_id' as bigint) is not null;

-- A class may be missing, like all classes of a dataset without the column.
create table scorable as
select t.*, r.offset is null as has_score,
  row_number() over (partition by transaction_id order by sequence) as nth,
  count(*) over (partition by transaction_id) as of_id
from transactions t left join refused r using (partition, "offset")
where list_bool_and([coalesce(kind in ('UBIGINT', 'BIGINT', 'HUGEINT', 'DOUBLE'), false)
    for kind in json_type(t.row, getvariable('numbers'))])
  and (class_kind = 'NULL' or class is not null)
  and micros is not null;

-- A row is a duplicate when its id was scored within the retention before it; of each id the others are tried.
create table tried as
with recursive walk as (
  select transaction_id, nth, ts, has_score from scorable where nth = 1 and of_id > 1
  union all
  select n.transaction_id, n.nth, r.ts, r.has_score
  from (
    select transaction_id, min(r.nth) as nth
    from walk w join scorable r using (transaction_id)
    where r.nth > w.nth and (not w.has_score or r.ts - w.ts > getvariable('retention_s'))
    group by all
  ) n join scorable r using (transaction_id, nth)
)
from walk;

create table counted as
from scorable where has_score and (of_id = 1 or (transaction_id, nth) in (select (transaction_id, nth) from tried));

create table batch_scored as
select transaction_id, make_timestamptz(micros) as event_time, (row ->> '$.Amount')::double as "Amount",
  class as "Class", batch_index
from counted;

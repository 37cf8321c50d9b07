-- The batch computation of `card_fraud`. recompute.py registers what it begins with: messages, in time;
-- refused: what only the model refuses; the variables: the run, its retention, the paths of a row's parts, which part
-- is the amount; micros_of: the microseconds of a text that is a time.
-- The rows may be larger than memory: they stay where they are, and no table holds more than a few columns of them.

-- A row's id, class and time, and then its numbers: as JSON, and what kind of JSON they are.
create view rows as
select sequence, batch, ts, partition, "offset",
  json_extract(row, getvariable('paths')) as parts, json_type(row, getvariable('paths')) as kinds
from (
  select *, try_cast(try(decode(value)) as json) as row from messages where run = getvariable('run') and rows = 1);

-- Each row is taken apart once: conditions on it would do it again for each of them.
create table read as
select sequence, batch, ts, partition, "offset", kinds[1:3] as kinds,
  [part ->> '$' for part in parts[1:3]] as texts, try_cast(parts[getvariable('amount')] as double) as amount,
  list_bool_and([coalesce(kind in ('UBIGINT', 'BIGINT', 'HUGEINT', 'DOUBLE'), false) for kind in kinds[4:]]) as has_numbers
from rows;

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

create view transactions as
select *, try_cast(texts[1] as bigint) as transaction_id,
  case when coalesce(kinds[2], 'NULL') <> 'NULL' then class_of(kinds[2], texts[2]) end as class,
  case when kinds[3] = 'VARCHAR' then micros_of(texts[3]) end as micros
from read
where kinds[1] = 'UBIGINT' and has_numbers;

-- A class may be missing, like all classes of a dataset without the column.
create table scorable as
select transaction_id, sequence, batch as batch_index, ts, micros, class, amount, r.offset is null as has_score,
  row_number() over (partition by transaction_id order by sequence) as nth,
  count(*) over (partition by transaction_id) as of_id
from transactions t left join refused r using (partition, "offset")
where transaction_id is not null
  and (coalesce(kinds[2], 'NULL') = 'NULL' or class is not null)
  and micros is not null;
drop table read cascade;

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

create view counted as
from scorable where has_score and (of_id = 1 or (transaction_id, nth) in (select (transaction_id, nth) from tried));

create view batch_scored as
select transaction_id, make_timestamptz(micros) as event_time, amount as "Amount", class as "Class", batch_index
from counted;

create view model_numbers as
select transaction_id, batch_index, micros, [number::double for number in parts[4:]] as numbers
from counted join rows using (sequence);

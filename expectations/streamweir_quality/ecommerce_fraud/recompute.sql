-- The batch computation of `ecommerce_fraud`. recompute.py registers what it begins with:
-- browsing_rows, bought_rows: of the messages, in time and readable, to be read once;
-- carried_scored, carried_browsing, carried_sold: what is known of the messages before these;
-- levels: of event types; ends: the ts behind which windows begin anew;
-- said: the run's predictions; published: those of the stream's other runs, as JSON; refused: what only the model
-- refuses; customer, product, category: the static files; the variables: the run, its settings, the windows.

-- A text that is no date counts as none.
create macro day_of(text) as
  case when regexp_full_match(text, '\d{4}-\d\d-\d\d') and text >= '0001' then try_cast(text as date) end;

create table browsing as from browsing_rows union all from carried_browsing;
create table bought as from bought_rows;

create table said_before as
select row ->> 'session_id' as session_id, row ->> 'transaction_id' as transaction_id, (row ->> 'ts')::bigint as ts,
  (row ->> 'prediction')::bigint as prediction
from (select decode(value)::json as row from published);

-- The rows of each (session_id, transaction_id) in order. What other runs scored, the stream itself says.
create table scorable as
select b.*, b.run = getvariable('run') as own, c.gender as customer_gender,
  day_of(c.birthdate) as birthdate, day_of(c.first_join_date) as first_join_date,
  case when own
    then not exists (from refused r where (r.partition, r.offset, r.row) = (b.partition, b.offset, b.row))
    else exists (from said_before s
      where (s.session_id, s.transaction_id, s.ts) = (b.session_id, b.transaction_id, b.ts)) end as has_score,
  k.ts as scored_before,
  row_number() over (partition by session_id, transaction_id order by sequence, row) as nth,
  count(*) over (partition by session_id, transaction_id) as of_id
from bought b join customer c using (customer_id) left join carried_scored k using (session_id, transaction_id);

-- Of each id that comes several times, the one that the others are measured by.
create table begun as
select session_id, transaction_id, nth, ts, has_score from scorable where nth = 1 and of_id > 1 and scored_before is null
union all
select distinct session_id, transaction_id, 0, scored_before, true from scorable where scored_before is not null;

-- A row is a duplicate when its id was scored within the retention before it; of each id the others are tried.
create table tried as
with recursive walk as (
  from begun
  union all
  select n.session_id, n.transaction_id, n.nth, r.ts, r.has_score
  from (
    select session_id, transaction_id, min(r.nth) as nth
    from walk w join scorable r using (session_id, transaction_id)
    where r.nth > w.nth and (not w.has_score or r.ts - w.ts > getvariable('retention_s'))
    group by all
  ) n join scorable r using (session_id, transaction_id, nth)
)
from walk;

create table scored as
from scorable where has_score and ((of_id = 1 and scored_before is null) or (session_id, transaction_id, nth) in (
  select (session_id, transaction_id, nth) from tried));

-- A record that was put back looks back from its own ts, but no further than any record that came in time.
create table visits as
select s.session_id, s.transaction_id, s.ts, count(b.t) as session_events, min(b.t) as first_t, max(b.t) as last_t,
  count(*) filter (l.level = 1) as level_1, count(*) filter (l.level = 2) as level_2, count(l.level) as known
from scored s
  left join browsing b on b.session_id = s.session_id and b.sequence <= s.sequence
    and b.ts between greatest(s.own_ts, s.ts - getvariable('lateness_s')) - getvariable('lookback_s') and s.own_ts
    and b.t <= s.t
  left join levels l using (event_type)
where s.own
group by all;

create view features as
select s.*, v.* exclude (session_id, transaction_id, ts),
  hour(timezone(getvariable('time_zone'),
    make_timestamptz(case when session_events = 0 then s.t else (first_t + last_t) // 2 end))) as hour,
  timezone(getvariable('time_zone'), make_timestamptz(s.t))::date as day
from scored s join visits v using (session_id, transaction_id, ts);

create table batch_predictions as
select created_at, customer_id, transaction_id, session_id, product_metadata, payment_method, payment_status,
  promo_amount, promo_code, shipment_fee, shipment_location_lat, shipment_location_long, total_amount, clear_payment,
  ts, make_timestamptz(ts * 1000000) as event_ts,
  case when known = 0 then 0 else 100::double * level_1 / known end as "L1_ratio",
  case when known = 0 then 0 else 100::double * level_2 / known end as "L2_ratio",
  ['night', 'morning', 'afternoon', 'evening'][hour // 6 + 1] as time_of_day,
  num_purchase,
  year(day) - year(birthdate)
    - ((month(day), day(day)) < (month(birthdate), day(birthdate)))::bigint as age,
  year(first_join_date) as first_join_year,
  customer_gender as gender,
  session_events,
  batch_index
from features;

-- The figures: of all that was scored, with what the model said of it. `sold` are the lines of honest transactions.
create table judged as
select session_id, transaction_id, scored.ts, scored.sequence, own, products, scored.num_purchase, coalesce(said.prediction, said_before.prediction) <> 0 as fraud
from scored
  left join said using (session_id, transaction_id, ts)
  left join said_before using (session_id, transaction_id, ts);

create table sold as
select ts, sequence, unnest(products, recursive := true) from judged where not fraud;

-- What later runs can ask of these messages and all before them.
create table left_scored as
select session_id, transaction_id, max(ts) as ts
from (
  select session_id, transaction_id, ts from judged where fraud is not null and sequence < getvariable('left_before')
  union all by name from carried_scored)
where ts >= getvariable('left_ts') - getvariable('retention_s')
group by all;

create table left_browsing as
from browsing
where sequence < getvariable('left_before')
  and ts >= getvariable('left_ts') - getvariable('lookback_s') - getvariable('lateness_s');

create table left_sold as
select product_id, least(sum(quantity), getvariable('largest'))::bigint as quantity
from (
  select product_id, quantity from sold where sequence < getvariable('left_before') union all from carried_sold)
group by product_id;

-- The windows that hold one of the run's rows, and those between two of them without an end in between.
create macro windows(length, slide) as table
select unnest(range(first // slide * slide - length + slide, last + 1, slide)) as start, start + length as stop
from (select min(j.ts) as first, max(j.ts) as last
  from judged j asof left join ends e on j.ts > e.ts where own group by e.ts);

create macro moment(seconds) as make_timestamptz(seconds * 1000000);
create macro quantity_of(total) as least(coalesce(total, 0), getvariable('largest'))::bigint;

create table batch_fraud_windows as
select moment(start) as window_start, moment(stop) as window_end,
  count(*) filter (fraud) as frauds, count(ts) as scored
from windows(getvariable('fraud_window_s'), getvariable('fraud_slide_s'))
  left join judged on ts >= start and ts < stop
group by start, stop;

-- The sums so far go on from window to window: a row counts from the first window on that ends behind it.
create table sold_windows as
select *, row_number() over (order by start) as n from windows(getvariable('sold_window_s'), getvariable('sold_window_s'));

create table batch_sold_quantity as
select moment(start) as window_start, moment(stop) as window_end, quantity_of(own_quantity) as quantity,
  quantity_of(coalesce(sum(all_quantity) over (order by n), 0) + (select coalesce(sum(quantity), 0) from carried_sold))
    as quantity_so_far
from sold_windows left join (
    select n, sum(num_purchase) filter (ts >= start) as own_quantity, sum(num_purchase) as all_quantity
    from judged asof join sold_windows on ts < stop
    where not fraud
    group by n
  ) using (n);

create table top_windows as
select *, row_number() over (order by start) as n from windows(getvariable('top_window_s'), getvariable('top_window_s'));

create table sold_in as
select n, product_id, sum(quantity) as quantity
from (
  select n, product_id, quantity from sold asof join top_windows on ts < stop
  union all select 1, product_id, quantity from carried_sold)
group by all;

-- A sum holds from the window in which it changes up to the one before the next change.
create macro sums_so_far(changes) as table
select unnest(range(n, coalesce(until, (select max(n) + 1 from top_windows)))) as n, * exclude (n, until)
from (
  select n, key, sum(quantity) over (partition by key order by n) as quantity, lead(n) over (partition by key order by n) as until
  from query_table(changes));

create table product_sums as select n, product_id as key, quantity from sold_in;
create table category_sums as
select n, nullif(c.cat_level1, '') as key, sum(quantity) as quantity
from sold_in left join product p on p.id = product_id::varchar left join category c using (category_id)
group by all;

create table batch_top_products as
select moment(start) as window_start, moment(stop) as window_end, rank, key::varchar as product_id,
  p."productDisplayName" as name, quantity
from (
    select n, key, quantity_of(quantity) as quantity,
      row_number() over (partition by n order by quantity_of(quantity) desc, key) as rank
    from sums_so_far('product_sums') qualify rank <= getvariable('products_shown')
  ) join top_windows using (n) left join product p on p.id = key::varchar;

create table batch_top_categories as
select moment(start) as window_start, moment(stop) as window_end, key as category, quantity_of(quantity) as quantity
from sums_so_far('category_sums') join top_windows using (n);

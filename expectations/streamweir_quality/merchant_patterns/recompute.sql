-- The batch computation of `merchant_patterns`. recompute.py registers what it begins with: payments, those
-- that can be read; chunks, after each of which the patterns are looked at; weights, by their place among all;
-- carried_…, what earlier runs left; the variables: run and rules.

-- What was put back takes part from the next chunk on, and what is carried from the first one.
create table counted as
select chunk, merchant, customer, gender, units from payments where not again
union all
select c.chunk, merchant, customer, gender, units
from (from payments where again) p asof join chunks c on p.chunk < c.chunk;

create table first_chunk as select min(chunk) as chunk from chunks;

create table sums as
select merchant, customer, chunk, count(*)::hugeint as number, sum(units)::hugeint as units
from counted group by all
union all
select merchant, customer, chunk, number::hugeint, units::hugeint from carried_pairs, first_chunk;

create table pairs as
select merchant, customer, chunk, sum(number) over so_far as number, sum(units) over so_far as units,
  lead(chunk) over (partition by merchant, customer order by chunk) as until
from (select merchant, customer, chunk, sum(number)::hugeint as number, sum(units)::hugeint as units
      from sums group by all)
window so_far as (partition by merchant, customer order by chunk rows unbounded preceding);

-- Each pattern with the chunks from which on it holds, and until which: until null, to the end.
create table child as
select 'PatId2' as pattern, merchant, customer, chunk, until from pairs
where number >= getvariable('child_from')
  and units * getvariable('child_in') < getvariable('child_units') * number;

create table first_seen as
select merchant, customer, gender, min(chunk) as chunk
from (select merchant, customer, gender, chunk from counted
      union all select merchant, customer, gender, chunk from carried_genders, first_chunk)
where gender in ('F', 'M') group by all;

create table dei_needed as
select 'PatId3' as pattern, merchant, '' as customer, chunk, until
from (select merchant, chunk, sum(female) over so_far as female, sum(male) over so_far as male,
        lead(chunk) over (partition by merchant order by chunk) as until
      from (select merchant, chunk, count(*) filter (gender = 'F') as female, count(*) filter (gender = 'M') as male
            from first_seen group by all)
      window so_far as (partition by merchant order by chunk rows unbounded preceding))
where female > getvariable('female_above') and female < male;

create table large as
select merchant, chunk, until
from (select merchant, chunk, sum(number) over so_far as number,
        lead(chunk) over (partition by merchant order by chunk) as until
      from (select merchant, chunk, sum(number)::hugeint as number from sums group by all)
      window so_far as (partition by merchant order by chunk rows unbounded preceding))
where number > getvariable('upgrade_above');

create table customers as
select merchant, l.chunk, l.until, customer, number, place
from large l join pairs p using (merchant) left join weights using (merchant, customer)
where p.chunk <= l.chunk and (p.until is null or p.until > l.chunk);

-- percentile_disc as in SQL, exactly: the value at the smallest place whose share is at least part / whole.
create macro place_of(part, whole, count) as greatest(1, (part * count + whole - 1) // whole);

create table bounds as
select merchant, chunk,
  list_sort(list(number))[place_of(getvariable('share_in') - getvariable('share_of'), getvariable('share_in'), count(*))] as least,
  list_sort(list(place) filter (place is not null))[place_of(getvariable('share_of'), getvariable('share_in'), count(place))] as most
from customers group by merchant, chunk;

create table upgrade as
select 'PatId1' as pattern, merchant, customer, chunk, until
from customers join bounds using (merchant, chunk)
where number >= least and place <= most;

create table holds as from upgrade union all from child union all from dei_needed;

create table found as
select pattern, merchant, customer, chunk,
  (select count(*) from carried_reported) + row_number() over (order by chunk, pattern, merchant, customer) as number
from (select pattern, merchant, customer, min(chunk) as chunk from holds group by all) f
anti join carried_reported r
  on f.pattern = r."patternId" and f.merchant = r.merchant and f.customer = r.customer;

create table batch_detections as
select number, pattern as "patternId",
  case pattern when 'PatId1' then 'UPGRADE' when 'PatId2' then 'CHILD' else 'DEI-NEEDED' end as "ActionType",
  customer as "customerName", merchant as "MerchantId", chunk
from found join chunks using (chunk) where run = getvariable('run');

create table turns as select chunk, row_number() over (order by chunk) as turn from chunks;

create table batch_held as
select number, sum(coalesce(ends.turn, (select count(*) + 1 from turns)) - begins.turn)::bigint as chunks,
  bool_or(until is null) as holds
from found join chunks using (chunk) join holds using (pattern, merchant, customer)
  join turns begins on begins.chunk = holds.chunk left join turns ends on ends.chunk = until
where run = getvariable('run')
group by number order by number;

create table left_pairs as
select merchant, customer, sum(number)::bigint as number, sum(units)::decimal(38, 0) as units
from (select merchant, customer, 1::hugeint as number, units::hugeint as units from payments
      where chunk < getvariable('left_before')
      union all select merchant, customer, number::hugeint, units::hugeint from carried_pairs)
group by all;

create table left_genders as
select merchant, customer, gender from payments
where chunk < getvariable('left_before') and gender in ('F', 'M')
union select merchant, customer, gender from carried_genders;

create table left_reported as
select pattern as "patternId", merchant, customer from found where chunk < getvariable('left_before')
union all select "patternId", merchant, customer from carried_reported;

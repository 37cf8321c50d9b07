-- The batch computation of `clickstream_anomaly`. recompute.py registers what it begins with:
-- event_rows: those of the messages, in time and readable; counted_types: what their types count
-- as; the variables: run, settings, windows.

create table events as from event_rows;

create table counted as
select ts, session_id, counts_as
from (select *, lag(ts) over (partition by event_id order by sequence, row) as seen from events)
left join counted_types using (event_type)
where run = getvariable('run') and (seen is null or abs(ts - seen) > getvariable('lateness_s'));

create table starts as
select unnest(range(
  (select min(ts) // getvariable('slide_s') * getvariable('slide_s') from counted)
    - getvariable('window_s') + getvariable('slide_s'),
  (select max(ts) + 1 from counted), getvariable('slide_s'))) as start;

create table sums as
select start,
  count(*) filter (counts_as = 'page_view') as page_views,
  count(distinct session_id) as active_sessions,
  count(*) filter (counts_as = 'checkout_start') as started,
  count(*) filter (counts_as = 'checkout_complete') as completed,
  count(*) filter (counts_as = 'purchase') as purchased
from starts left join counted on ts >= start and ts < start + getvariable('window_s')
group by start;

create table figures as
select start, page_views, active_sessions,
  case when started > 0 then purchased / started end as conversion,
  case when completed > 0 then (started - completed) / completed end as abandonment
from sums;

-- The three windows before, the oldest first; plain sums, so that every digit is the same.
create macro three(a, b, c) as
  (((0::double + coalesce(a, 0)) + coalesce(b, 0)) + coalesce(c, 0))
  / nullif((a is not null)::int + (b is not null)::int + (c is not null)::int, 0);

create table means as
select *,
  case when n > 3 then three(lag(page_views, 3) over w, lag(page_views, 2) over w, lag(page_views) over w) end as views_before,
  case when n > 3 then three(lag(active_sessions, 3) over w, lag(active_sessions, 2) over w, lag(active_sessions) over w) end as sessions_before,
  case when n > 3 then three(lag(conversion, 3) over w, lag(conversion, 2) over w, lag(conversion) over w) end as conversion_before,
  case when n > 3 then three(lag(abandonment, 3) over w, lag(abandonment, 2) over w, lag(abandonment) over w) end as abandonment_before
from (select *, row_number() over (order by start) as n from figures)
window w as (order by start);

create table flags as
select *,
  coalesce(page_views < getvariable('page_view_drop') * views_before, false) as page_view_drop,
  coalesce(active_sessions < getvariable('session_drop') * sessions_before, false) as session_drop,
  coalesce(conversion_before < getvariable('low_conversion'), false) as low_conversion,
  coalesce(abandonment_before > getvariable('high_abandonment'), false) as high_abandonment
from means;

create table batch_windows as
select make_timestamptz(start * 1000000) as window_start,
  make_timestamptz((start + getvariable('window_s')) * 1000000) as window_end,
  page_views, active_sessions, conversion as purchase_conversion_rate, abandonment as checkout_abandonment_rate,
  views_before as avg_page_views, sessions_before as avg_active_sessions,
  conversion_before as avg_purchase_conversion_rate, abandonment_before as avg_checkout_abandonment_rate,
  page_view_drop, session_drop, low_conversion, high_abandonment,
  page_view_drop or session_drop or low_conversion or high_abandonment as flagged,
  start >= (select min(ts) from counted)
    and start + getvariable('window_s') <= (select max(ts) + 1 from counted) as complete
from flags;

"""`clickstream_anomaly` as one batch in DuckDB: the windows that a replay of a file must have put out.

Written from the specification alone: it shares no code with the replay, the scorer or the quality checks. Late events and
messages from elsewhere are outside of it; every time in the file can be read, and the file is in the order of its seconds.
"""

from pathlib import Path

import duckdb
import pandas as pd

_QUERY = """
with sent as (
  select *, row_number() over () as n, epoch_us(timestamp::timestamptz) // 1000000 as second
  from read_csv('{events}', all_varchar = true, header = true, parallel = false)
), clocked as (
  select *, second - (select min(second) from sent) + {start_ts} as ts from sent
), counted as (
  select * from (
    select *, lag(ts) over (partition by event_id order by ts, n) as seen
    from clocked where event_id <> '' and session_id <> '' and event_type <> ''
  ) where seen is null or ts - seen > {lateness}
), starts as (
  select unnest(range((select min(ts) // 300 * 300 - 300 from counted), (select max(ts) + 1 from counted), 300)) as w
), sums as (
  select w,
    count(*) filter (event_type = 'page_view') as page_views,
    count(distinct session_id) as active_sessions,
    count(*) filter (event_type = 'checkout_start') as s,
    count(*) filter (event_type = 'checkout_complete') as c,
    count(*) filter (event_type = 'purchase') as p
  from starts left join counted on ts between w and w + 599 group by w
), kpis as (
  select w, page_views, active_sessions, p / nullif(s, 0) as conversion, (s - c) / nullif(c, 0) as abandonment from sums
), means as (
  select *,
    case when count(*) over three = 3 then avg(page_views) over three end as usual_views,
    case when count(*) over three = 3 then avg(active_sessions) over three end as usual_sessions,
    case when count(*) over three = 3 then avg(conversion) over three end as usual_conversion,
    case when count(*) over three = 3 then avg(abandonment) over three end as usual_abandonment
  from kpis window three as (order by w rows between 3 preceding and 1 preceding)
)
select w as window_start, w + 600 as window_end, page_views, active_sessions,
  conversion as purchase_conversion_rate, abandonment as checkout_abandonment_rate,
  usual_views as avg_page_views, usual_sessions as avg_active_sessions,
  usual_conversion as avg_purchase_conversion_rate, usual_abandonment as avg_checkout_abandonment_rate,
  coalesce(page_views < 0.5 * usual_views, false) as page_view_drop,
  coalesce(active_sessions < 0.4 * usual_sessions, false) as session_drop,
  coalesce(usual_conversion < 0.1, false) as low_conversion,
  coalesce(usual_abandonment > 0.8, false) as high_abandonment,
  page_view_drop or session_drop or low_conversion or high_abandonment as flagged,
  w >= (select min(ts) from counted) and w + 600 <= (select max(ts) + 1 from counted) as complete
from means order by w
"""


def windows(folder: Path, start_ts: int, lateness_s: int = 600) -> pd.DataFrame:
    """The table `windows` of a replay of `folder` whose clock starts at `start_ts`; bounds in Unix seconds."""
    with duckdb.connect() as tables:
        tables.execute("set TimeZone = 'UTC'")
        query = _QUERY.format(events=folder / "clickstream.csv", start_ts=start_ts, lateness=lateness_s)
        return tables.execute(query).df()

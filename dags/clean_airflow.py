"""Deletes Airflow's own records and logs of runs of long ago; the bundles stay.

### What it does
Airflow keeps each run, task and event in its database and a log for each task, for ever. Once a day those
that are older than `days` are deleted: rows with `airflow db clean`, log files by the time they were last
written. The last scheduled run of each DAG is kept. What a run brought about is not Airflow's: bundles,
models and streams stay. The default of `days` is the setting `STREAMWEIR_RETENTION_AIRFLOW_DAYS`, or 30.

### What a failure means, and what to do
- **any task**: `days` cannot be meant; the message says what it may be. Trigger the DAG with another value.
- **clean_database**: the database did not answer, or the Connection `airflow_db` does not say where it is;
  the log's last lines say which. Clear the task when that is mended: it deletes what is left.
- **clean_logs**: a file below Airflow's log folder could not be deleted; the message names it. Give it back
  to the user that Airflow runs as, and clear the task.
"""

from streamweir.variables import RETENTION_AIRFLOW_DAYS
from streamweir_airflow.factory import house_dag
from streamweir_airflow.operators.cleaning import CleanDatabase, CleanLogs
from streamweir_airflow.upkeep_params import cleaning_params

DAYS = int(RETENTION_AIRFLOW_DAYS.of())

with house_dag("clean_airflow", page=__doc__, params=cleaning_params(days=DAYS), schedule="@daily"):
    CleanDatabase(task_id="clean_database")
    CleanLogs(task_id="clean_logs")

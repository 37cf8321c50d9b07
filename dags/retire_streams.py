"""Deletes topics, checkpoints and tables of isolated streams some days after their run; the bundles stay.

### What it does
A run that did not name a stream got one of its own. When its last task ended more than `days` ago and no
scorer works on it, the stream's topics in Kafka and its objects under `streams/` are deleted. Named streams
are never touched. The default of `days` is the setting `STREAMWEIR_RETENTION_DAYS`, or 7.

### What a failure means, and what to do
- **retire_streams**: Kafka or the object store did not answer, or refused the account; the message
  says which. Clear the task when that is mended: it goes on with what is still there.
"""

import os

from streamweir_airflow.factory import house_dag
from streamweir_airflow.operators.house import RetireStreams
from streamweir_airflow.upkeep_params import retention_params

DAYS = int(os.environ.get("STREAMWEIR_RETENTION_DAYS", "7"))

with house_dag("retire_streams", page=__doc__, params=retention_params(days=DAYS), schedule="@daily"):
    RetireStreams(task_id="retire_streams")

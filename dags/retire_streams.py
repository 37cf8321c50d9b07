"""Deletes isolated streams, and records of named streams, some days after their run; the bundles stay.

### What it does
A run that did not name a stream got one of its own. When its last task ended more than `days` ago and no
scorer works on it, the stream's topics in Kafka and its objects under `streams/` are deleted.

Of a named stream, the records of runs that were reconciled more than `days` ago are deleted from its topics,
the oldest first, also where the ledger did not add up; its checkpoint and tables stay. Not deleted are: what
a run that is not reconciled sent, and whatever came after it; what later runs' validation needs; what the
scorer has not read; the newest run; an output topic that all streams share. A record that is deleted cannot
be put back any more, and its run cannot be reconciled or validated a second time.

The default of `days` is the setting `STREAMWEIR_RETENTION_DAYS`, or 7.

The log names what was deleted. A line that says `stay` names a run that keeps the records of all later ones,
and the task to clear.

### What a failure means, and what to do
- **any task**: `days` cannot be meant; the message says what it may be. Trigger the DAG with another value.
- **retire_streams**: Kafka or the object store did not answer, or refused the account; the message
  says which. Clear the task when that is mended: it goes on with what is still there.
"""

from streamweir.variables import RETENTION_DAYS
from streamweir_airflow.factory import house_dag
from streamweir_airflow.operators.house import RetireStreams
from streamweir_airflow.upkeep_params import retention_params

DAYS = int(RETENTION_DAYS.of())

with house_dag("retire_streams", page=__doc__, params=retention_params(days=DAYS), schedule="@daily"):
    RetireStreams(task_id="retire_streams")

"""Stops the long-lived scorer of a stream, of any pipeline; of one with several stages all of them.

### What it does
It leaves a stop marker for the stream's scorer, which ends after the micro-batch it is at: nothing is lost
and nothing half written stays. The next run on the stream starts a scorer that goes on from the checkpoint.
A stream without a scorer is no error. A run that still waits for the scorer fails with "stopped on request".

### What a failure means, and what to do
- **stop_scorer**: the scorer did not stop within three minutes, or the object store was lost. See it with
  `make status` and read its log with `make logs SERVICE=<pipeline>.<stream>`, with `.<stage>` behind it where
  there are several; then clear the task.
"""

from streamweir_airflow.factory import house_dag
from streamweir_airflow.operators.stopping import StopStream
from streamweir_airflow.upkeep_params import stop_params

with house_dag("stop_scorer", page=__doc__, params=stop_params()):
    StopStream(task_id="stop_scorer")

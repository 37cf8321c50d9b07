"""Announces chunks of payments, looks after each for three patterns, and proves what was detected.

### What it does
Topics and dataset are made ready, a Spark detector is started outside Airflow, and the replay puts a chunk of
the file into the object store each second of the virtual clock and announces it by a message. The detector
works on the chunks in their order and reports each pattern at the first chunk after which it holds: in CSV
files of 50, in a table, and on the topic `detections`. When every message is processed the detector is
stopped, the ledger is drawn up, results are validated and plotted, and one report is published, also when the
run has failed. Each task links to it, and to all files of the run. There is no model.

### What a failure means, and what to do
Every task can be cleared and run again; a replay that was complete sends nothing again. A task that was
merely unlucky (a server did not answer) has been tried three times before it fails. A run that was marked as
failed has a report, too; to carry it on, clear the tasks that did not succeed, with all tasks after them.

- **provision_topics**: params are wrong; all of them are named and nothing was started: start a new run. Or
  a topic exists with other settings, or Kafka refused or did not answer; the message says which. Choose
  another `stream`, or mend the topic or the connection `kafka_default`; clear the task.
- **ensure_dataset**: a CSV cannot be used; file, line and column are named. Mend the file, clear the task.
- **start_scorer**: the driver gave up or made no progress; its last error is in the message. Clear the task
  when the cause is gone: a scorer that runs is attached to, never doubled.
- **replay**: Kafka was lost for long, or a chunk's key holds other bytes: the message names it. Clear the
  task: it goes on after the last message that Kafka holds.
- **plot_live**: Kafka or the object store was lost. Clear the task; only the report waits for it.
- **await_drained**: the detector failed again and again, or was stopped by hand; its last error is in the
  message. A chunk that was announced and is gone or has other bytes is named: put it back. Clear the task: it
  starts the detector again.
- **stop_scorer**: the driver does not answer. `make status` shows the scorer; clear the task.
- **reconcile**: rows are unexplained: do not use this run's results. Open the report, then the scorer's log.
  Or all rows were rejected: the message says why, and what to do before a new run.
- **validate**: a critical expectation failed. Open `quality/` in the bundle.
- **plot**: the object store was lost. Clear the task.
- **publish_report**: the run failed, and the report says why; or the object store was lost. Clear the task
  that failed first together with those after it.
"""

from streamweir.contracts.merchant_patterns import (
    CHUNK_ROWS,
    DEFAULTS,
    IDLE_STOP_S,
    PIPELINE,
    PRESETS,
    TIME_ZONE,
)
from streamweir.contracts.merchant_patterns.dataset import watched_folder
from streamweir_airflow.assets import dataset_asset, run_asset
from streamweir_airflow.factory import UNLIMITED, pipeline_dag
from streamweir_airflow.operators.prepare import EnsureDataset, ProvisionTopics
from streamweir_airflow.operators.replay import PlotLive, Replay
from streamweir_airflow.operators.results import Plot, PublishReport, Reconcile, Validate
from streamweir_airflow.operators.scorer import AwaitDrained, StartScorer
from streamweir_airflow.operators.stopping import StopScorer
from streamweir_airflow.params import batch_params, dataset_params, replay_params, stream_params
from streamweir_airflow.scoring_params import detection_file_params, feeder_params, pattern_params

PARAMS = {
    **dataset_params(),
    # A batch is a chunk.
    "batch_rows": batch_params(rows_per_batch=CHUNK_ROWS)["batch_rows"],
    # The order of chunks decides what is found: none can be late.
    **{name: param for name, param in replay_params(speed=1).items() if name != "late"},
    **feeder_params(idle_stop_s=IDLE_STOP_S),
    **stream_params(),
    **pattern_params(DEFAULTS, PRESETS),
    **detection_file_params(time_zone=TIME_ZONE),
}

with pipeline_dag(PIPELINE, page=__doc__, params=PARAMS):
    provision_topics = ProvisionTopics(task_id="provision_topics", read_first={"watch": watched_folder})
    ensure_dataset = EnsureDataset(task_id="ensure_dataset", trains=False, makes=dataset_asset(PIPELINE))
    dataset = ensure_dataset.result("fingerprint")
    start_scorer = StartScorer(task_id="start_scorer", dataset=dataset)
    replay = Replay(
        task_id="replay", dataset=dataset, scorer=start_scorer.output, execution_timeout=UNLIMITED
    )
    plot_live = PlotLive(task_id="plot_live", execution_timeout=UNLIMITED)
    await_drained = AwaitDrained(task_id="await_drained", scorer=start_scorer.output)
    stop_scorer = StopScorer(task_id="stop_scorer").as_teardown()
    reconcile = Reconcile(task_id="reconcile")
    validate = Validate(task_id="validate")
    plot = Plot(task_id="plot")
    publish_report = PublishReport(task_id="publish_report", makes=run_asset(PIPELINE)).as_teardown(
        on_failure_fail_dagrun=True
    )

    provision_topics >> ensure_dataset >> start_scorer >> [replay, plot_live]
    replay >> await_drained >> stop_scorer
    # Not behind the teardown alone: that one also succeeds when the replay failed.
    [await_drained, stop_scorer] >> reconcile >> [validate, plot]
    [plot_live, stop_scorer, validate, plot] >> publish_report

"""Replays card transactions, scores each with the model selected on PR-AUC, and sends out alerts at once.

### What it does
Topics and dataset are made ready, a model is chosen (or trained), a Spark scorer is started outside Airflow,
and the replay sends a message per transaction: two days of them in under a minute at the default speed. Every
transaction is kept in the table `scored`; those that are called fraud (by the run's threshold, the card's, or
the model's own prediction) go out on the topic `alerts` and as lines of the scorer's log. When every message
is processed the scorer is stopped, the ledger is drawn up, results are validated and plotted, and one report
is published, also for a failed run. Each task links to it, and to all files of the run.

### What a failure means, and what to do
Every task can be cleared and run again; a replay that was complete sends nothing again. A task that was
merely unlucky (a server did not answer) has been tried three times before it fails. A run that was marked as
failed has a report, too; to carry it on, clear the tasks that did not succeed, with all tasks after them.

- **provision_topics**: params are wrong; all of them are named and nothing was started: start a new run. Or
  a topic exists with other settings, or Kafka refused or did not answer; the message says which. Choose
  another `stream`, or mend the topic or the connection `kafka_default`; clear the task.
- **ensure_dataset**: creditcard.csv cannot be used; file, line and column are named. Mend the file, clear the
  task.
- **ensure_model**: the model cannot be read, its checksum is wrong, or training or its proof failed; the
  message names it and the remedy. A file without the column Class teaches nothing: give a `model`, or train
  one first.
- **start_scorer**: the driver gave up or made no progress; its last error is in the message. Clear the task
  when the cause is gone: a scorer that runs is attached to, never doubled.
- **replay**: Kafka was lost for long. Clear the task: it goes on after the last message that Kafka holds.
- **plot_live**: Kafka or the object store was lost. Clear the task; only the report waits for it.
- **await_drained**: the scorer failed again and again, or was stopped by hand; its last error is in the
  message. Clear the task: it starts the scorer again.
- **stop_scorer**: the driver does not answer. `make status` shows the scorer; clear the task.
- **reconcile**: rows are unexplained: do not use this run's results. Open the report, then the scorer's log.
  Or all rows of a topic were rejected: the message says why, and what to do before a new run.
- **validate**: a critical expectation failed. Open `quality/` in the bundle.
- **plot**: the object store was lost. Clear the task.
- **publish_report**: the run failed, and the report says why; or the object store was lost. Clear the task
  that failed first together with those after it.
"""

from streamweir.contracts.card_fraud import LATENESS_S, PIPELINE
from streamweir.contracts.card_fraud.dataset import FRAUD_SHARE
from streamweir.contracts.messages import RETENTION_S
from streamweir_airflow.assets import champion_asset, dataset_asset, run_asset
from streamweir_airflow.factory import UNLIMITED, pipeline_dag
from streamweir_airflow.operators.prepare import EnsureDataset, EnsureModel, ProvisionTopics
from streamweir_airflow.operators.replay import PlotLive, Replay
from streamweir_airflow.operators.results import Plot, PublishReport, Reconcile, Validate
from streamweir_airflow.operators.scorer import AwaitDrained, StartScorer
from streamweir_airflow.operators.stopping import StopScorer
from streamweir_airflow.params import (
    dataset_params,
    fraud_share_params,
    model_params,
    rate_params,
    replay_params,
    stream_params,
)
from streamweir_airflow.scoring_params import alert_params, duplicate_params, lateness_params

HOUR_PER_SECOND = 3600
PARAMS = {
    **dataset_params(),
    **fraud_share_params(share=FRAUD_SHARE),
    **model_params(),
    **replay_params(speed=HOUR_PER_SECOND),
    **rate_params(),
    **stream_params(),
    **alert_params(),
    **lateness_params(lateness_s=LATENESS_S),
    **duplicate_params(retention_s=RETENTION_S),
}

with pipeline_dag(PIPELINE, page=__doc__, params=PARAMS):
    provision_topics = ProvisionTopics(task_id="provision_topics")
    ensure_dataset = EnsureDataset(
        task_id="ensure_dataset", settings=["fraud_share"], makes=dataset_asset(PIPELINE)
    )
    dataset = ensure_dataset.result("fingerprint")
    ensure_model = EnsureModel(
        task_id="ensure_model",
        dataset=dataset,
        inlets=[dataset_asset(PIPELINE)],
        makes=champion_asset(PIPELINE),
        execution_timeout=UNLIMITED,
    )
    start_scorer = StartScorer(task_id="start_scorer", dataset=dataset, model=ensure_model.result("version"))
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

    provision_topics >> ensure_dataset
    ensure_model >> start_scorer >> [replay, plot_live]
    replay >> await_drained >> stop_scorer
    # Not behind the teardown alone: that one also succeeds when the replay failed.
    [await_drained, stop_scorer] >> reconcile >> [validate, plot]
    [plot_live, stop_scorer, validate, plot] >> publish_report

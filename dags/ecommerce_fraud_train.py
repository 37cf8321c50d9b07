"""Trains a fraud model on a dataset's history; it becomes champion only if it is not worse than the champion.

### What it does
Features are computed from the history exactly as the scorer computes them. Logistic regression, random forest
and gradient-boosted trees are trained on the first 60 % of the time and compared on the next 20 %; the best
one is measured on the last 20 % and published as a new version, with its card, in
`models/ecommerce_fraud/<version>/`. The gate compares it with the champion on the same held-out rows; the
decision and both figures are recorded beside the version. A version that the gate refuses is no failure: the
task's result says so, and runs go on with the champion.

### What a failure means, and what to do
- **ensure_dataset**: a CSV cannot be used; file, line and column are named. Mend the file, clear the task.
- **train_model**: the dataset has no history or too little to learn from, or memory or the object store gave
  out. The task's last lines say which; clear the task when that is mended.
"""

from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir_airflow.assets import champion_asset, dataset_asset
from streamweir_airflow.factory import UNLIMITED, training_dag
from streamweir_airflow.operators.prepare import EnsureDataset
from streamweir_airflow.operators.train import TrainModel
from streamweir_airflow.params import dataset_params

with training_dag(PIPELINE, page=__doc__, params=dataset_params()):
    ensure_dataset = EnsureDataset(task_id="ensure_dataset", makes=dataset_asset(PIPELINE))
    train_model = TrainModel(
        task_id="train_model",
        dataset=ensure_dataset.result("fingerprint"),
        inlets=[dataset_asset(PIPELINE)],
        makes=champion_asset(PIPELINE),
        execution_timeout=UNLIMITED,
    )

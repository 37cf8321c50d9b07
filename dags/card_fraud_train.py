"""Trains a fraud model on card transactions; it becomes champion only if it is not worse than the champion.

### What it does
Logistic regression, random forest and gradient-boosted trees are trained on the first 60 % of the
transactions by Time and compared on the next 20 %; the one with the largest PR-AUC is measured on the last
20 % and published as a new version, with its card and its `model_selection_summary.json`, in
`models/card_fraud/<version>/`. When the second part holds no fraud, the candidates are compared by
cross-validation on the first, and the threshold is 0.5; the summary says so. The gate compares the new
version with the champion on the same held-out rows; the decision and both figures are recorded beside the
version. A version that the gate refuses is no failure: the task's result says so, and runs go on with the
champion.

### What a failure means, and what to do
- **ensure_dataset**: creditcard.csv cannot be used; file, line and column are named. Mend the file, clear the
  task.
- **train_model**: the file has no column Class, its first 60 % hold no fraud, or memory or the object store
  gave out. The task's last lines say which; clear the task when that is mended.
"""

from streamweir.contracts.card_fraud import PIPELINE
from streamweir.contracts.card_fraud.dataset import FRAUD_SHARE
from streamweir_airflow.assets import champion_asset, dataset_asset
from streamweir_airflow.factory import UNLIMITED, training_dag
from streamweir_airflow.operators.prepare import EnsureDataset
from streamweir_airflow.operators.train import TrainModel
from streamweir_airflow.params import dataset_params, fraud_share_params

PARAMS = {**dataset_params(), **fraud_share_params(share=FRAUD_SHARE)}

with training_dag(PIPELINE, page=__doc__, params=PARAMS):
    ensure_dataset = EnsureDataset(
        task_id="ensure_dataset", settings=["fraud_share"], makes=dataset_asset(PIPELINE)
    )
    train_model = TrainModel(
        task_id="train_model",
        dataset=ensure_dataset.result("fingerprint"),
        inlets=[dataset_asset(PIPELINE)],
        makes=champion_asset(PIPELINE),
        execution_timeout=UNLIMITED,
    )

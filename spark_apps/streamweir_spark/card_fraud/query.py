"""What the scorer of `card_fraud` does with a micro-batch's scored rows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from streamweir.contracts.card_fraud import ALERT_COLUMNS, IS_ALERT, MODEL_COLUMNS
from streamweir.contracts.card_fraud.dataset import CLASS
from streamweir_spark.card_fraud.domain import Domain
from streamweir_spark.columns import from_core
from streamweir_spark.micro_batch import Predict, Rows
from streamweir_spark.outputs import PLACE_COLUMNS, SCORED_AT
from streamweir_spark.scorer import Scorer

_COLUMNS = (*MODEL_COLUMNS, CLASS, *PLACE_COLUMNS, SCORED_AT)


def model_frame(scored: pa.Table) -> pa.Table:
    """The columns that a model may use, typed, in their order; then Class, the row's place, scored_at."""
    return from_core(scored, _COLUMNS)


def with_alert(predictions: pa.Table) -> pa.Table:
    """The model's output with the columns of `scored`; probability and prediction come as the model made
    them, and the run's rule decides about the alert."""
    return (
        predictions.drop_columns(["prediction", "own_prediction"])
        .append_column("fraud_prob", predictions["fraud_probability"])
        .append_column("prediction", predictions["own_prediction"])
        .append_column(IS_ALERT.name, pc.equal(predictions["prediction"], 1))
    )


class CardResults:
    """Scored transactions, and a line for each alert; see `streamweir_spark.micro_batch.Results`."""

    def __init__(
        self,
        predict: Predict,
        *,
        console_alerts: bool,
        probes: Sequence[Mapping[str, object]] = (),
    ) -> None:
        self._predict = predict
        self._console_alerts = console_alerts
        self.probes = probes

    def score(self, scored: pa.Table) -> pa.Table:
        """The rows of `scored`."""
        return with_alert(self._predict(model_frame(scored)))

    def figures(
        self, totals: Any, scored: pa.Table, max_ts: int | None, closed: Sequence[tuple[object, ...]]
    ) -> tuple[Any, Mapping[str, Rows]]:
        """No figures; the alerts are printed.

        This micro-batch is written next. When that fails, Spark brings the same rows again: an alert is then
        printed twice, and never not at all.
        """
        if self._console_alerts and scored.num_rows:
            alerts = scored.filter(scored[IS_ALERT.name]).select(list(ALERT_COLUMNS))
            if alerts.num_rows:
                print("\n".join(alert_lines(alerts)), flush=True)
        return None, {}


def alert_lines(alerts: pa.Table) -> Iterator[str]:
    """A line for each alert."""
    for row in alerts.to_pylist():
        known = "" if row["Class"] is None else f" class={row['Class']}"
        yield (
            f"ALERT transaction={row['transaction_id']} time={row['event_time']:%Y-%m-%dT%H:%M:%SZ} "
            f"amount={row['Amount']:.2f} fraud_prob={row['fraud_prob']:.4f}{known} "
            f"model={row['model_version']}"
        )


def prepare(scorer: Scorer) -> tuple[Domain, CardResults]:
    """The model, ready for the stream; prints the schema of the model's frame."""
    spec = scorer.spec
    model = scorer.model(MODEL_COLUMNS)
    domain = Domain(model.needs, lateness_s=spec.lateness_s, retention_s=spec.options["retention_s"])
    scorer.show_frame(_COLUMNS)
    probes = model.needs.probes(MODEL_COLUMNS)
    return domain, CardResults(
        model.predict, console_alerts=bool(spec.options["console_alerts"]), probes=probes
    )

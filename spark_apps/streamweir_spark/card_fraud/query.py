"""What the scorer of `card_fraud` does with a micro-batch's scored rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame

from streamweir.contracts.card_fraud import ALERT_COLUMNS, IS_ALERT, MODEL_COLUMNS
from streamweir.contracts.card_fraud.dataset import CLASS
from streamweir_spark.card_fraud.domain import Domain
from streamweir_spark.columns import from_core
from streamweir_spark.log import say
from streamweir_spark.micro_batch import Rows
from streamweir_spark.scorer import Scorer
from streamweir_spark.transform import PLACE, SCORED_AT

_COLUMNS = (*map(from_core, MODEL_COLUMNS), CLASS.name, *PLACE, from_core(SCORED_AT))


def model_frame(scored: DataFrame) -> DataFrame:
    """The columns that a model may use, typed, in their order; then Class, the row's place, scored_at."""
    return scored.selectExpr(*_COLUMNS)


def with_alert(predictions: DataFrame) -> DataFrame:
    """The model's output with the columns of `scored`; probability and prediction come as Spark's model made
    them, and the run's rule decides about the alert."""
    return predictions.selectExpr(
        "* EXCEPT (prediction, own_prediction)",
        "fraud_probability AS fraud_prob",
        "own_prediction AS prediction",
        f"prediction = 1 AS {IS_ALERT.name}",
    )


class CardResults:
    """Scored transactions, and a line for each alert; see `streamweir_spark.micro_batch.Results`."""

    def __init__(
        self,
        predict: Callable[[DataFrame], DataFrame],
        *,
        console_alerts: bool,
        probes: Sequence[Mapping[str, object]] = (),
    ) -> None:
        self._predict = predict
        self._console_alerts = console_alerts
        self.probes = probes

    def score(self, scored: DataFrame) -> DataFrame:
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
    say("the frame that goes to the model:")
    model_frame(scorer.no_scored_rows(domain)).printSchema()
    probes = model.needs.probes(MODEL_COLUMNS)
    return domain, CardResults(
        model.transform, console_alerts=bool(spec.options["console_alerts"]), probes=probes
    )

"""What the scorer of `ecommerce_fraud` does with a micro-batch's scored rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from streamweir.contracts.ecommerce_fraud import MODEL_COLUMNS
from streamweir.contracts.ecommerce_fraud.dataset import CATEGORIES, CUSTOMERS, PRODUCTS
from streamweir_spark.columns import from_core
from streamweir_spark.ecommerce_fraud.domain import Domain
from streamweir_spark.ecommerce_fraud.features import customers_of
from streamweir_spark.ecommerce_fraud.figures import Figures, ScoredRow, products_of
from streamweir_spark.micro_batch import Predict, Rows
from streamweir_spark.outputs import PLACE_COLUMNS, SCORED_AT
from streamweir_spark.scorer import Scorer

_MODEL_NAMES = frozenset(column.name for column in MODEL_COLUMNS)
_PLACE = tuple(column for column in PLACE_COLUMNS if column.name not in _MODEL_NAMES)
_COLUMNS = (*MODEL_COLUMNS, *_PLACE, SCORED_AT)


def model_frame(scored: pa.Table) -> pa.Table:
    """The columns that a model may use, typed, in their order; then the place of each row and scored_at."""
    return from_core(scored, _COLUMNS)


class ShopResults:
    """Predictions by a model, and the shop's figures from them; see `micro_batch.Results`."""

    def __init__(
        self,
        predict: Predict,
        figures: Figures,
        probes: Sequence[Mapping[str, object]] = (),
    ) -> None:
        self._predict = predict
        self._figures = figures
        self.probes = probes

    def score(self, scored: pa.Table) -> pa.Table:
        """The rows of `predictions`."""
        return self._predict(model_frame(scored))

    def figures(
        self, totals: Any, scored: pa.Table, max_ts: int | None, closed: Sequence[tuple[Any, ...]]
    ) -> tuple[Any, Mapping[str, Rows]]:
        """The windows that are final."""
        columns = (scored[name].to_pylist() for name in ScoredRow._fields)
        return self._figures.advance(totals, list(map(ScoredRow, *columns)), max_ts, [ts for (ts,) in closed])


def prepare(scorer: Scorer) -> tuple[Domain, ShopResults]:
    """The static files and the model, ready for the stream; prints the schema of the model's frame."""
    spec = scorer.spec
    model = scorer.model(MODEL_COLUMNS)
    domain = Domain(
        customers_of(scorer.static_rows(CUSTOMERS.name)),
        model.needs,
        time_zone=spec.time_zone,
        lookback_s=spec.options["lookback_s"],
        lateness_s=spec.lateness_s,
        retention_s=spec.options["retention_s"],
    )
    products = products_of(scorer.static_rows(PRODUCTS.name), scorer.static_rows(CATEGORIES.name))
    scorer.show_frame(_COLUMNS)
    return domain, ShopResults(
        model.predict, Figures(products, spec.lateness_s), model.needs.probes(MODEL_COLUMNS)
    )

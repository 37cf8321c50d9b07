"""What the scorer of `clickstream_anomaly` makes of the windows that are final."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from streamweir.contracts.clickstream_anomaly import THRESHOLDS, WINDOWS
from streamweir_spark.clickstream_anomaly.domain import Domain
from streamweir_spark.clickstream_anomaly.figures import Figures
from streamweir_spark.micro_batch import Rows
from streamweir_spark.scorer import Scorer


class SiteResults:
    """The table of windows; see `streamweir_spark.micro_batch.Results`."""

    probes: Sequence[Mapping[str, object]] = ()

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def score(self, scored: pa.Table) -> pa.Table:
        """Nothing is scored row by row."""
        raise NotImplementedError

    def figures(
        self, totals: Any, scored: pa.Table, max_ts: int | None, closed: Sequence[tuple[object, ...]]
    ) -> tuple[Any, Mapping[str, Rows]]:
        """The windows that are final, each against the three before it."""
        totals, rows = self._figures.advance(totals, closed)
        return totals, {WINDOWS.name: rows}


def prepare(scorer: Scorer) -> tuple[Domain, SiteResults]:
    """The lateness, event types and thresholds that the run asks for, ready for the stream."""
    spec = scorer.spec
    thresholds = {flag: spec.options[flag] for flag in THRESHOLDS}
    return Domain(spec.lateness_s, spec.options["event_types"]), SiteResults(Figures(thresholds))

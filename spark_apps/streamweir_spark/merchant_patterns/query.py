"""What the scorer of `merchant_patterns` works with: the run's rules, the weights, the detections."""

from streamweir.contracts.merchant_patterns import Rules
from streamweir.contracts.merchant_patterns.dataset import IMPORTANCE
from streamweir.replay.csvfile import text_rows
from streamweir_spark.merchant_patterns.detections import Detections
from streamweir_spark.merchant_patterns.domain import Domain
from streamweir_spark.merchant_patterns.patterns import places_of
from streamweir_spark.scorer import Scorer


def prepare(scorer: Scorer) -> tuple[Domain, Detections]:
    """The domain with the run's rules and the dataset's weights, and its results, ready for the stream."""
    spec = scorer.spec
    rules = Rules.of(spec.options)
    places = places_of(text_rows(scorer.static_file(IMPORTANCE)), rules)
    results = Detections(
        scorer.store, spec.stream, spec.time_zone, scorer.before_writing, spec.options["flush_after_s"]
    )
    return Domain(rules, places, spec.lateness_s), results

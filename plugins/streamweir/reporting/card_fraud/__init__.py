"""The report of `card_fraud`: alerts, what they are worth, and what cannot be known."""

from collections.abc import Sequence

import pyarrow.compute as pc

from streamweir.contracts.card_fraud import ALERTS_TOPIC, IS_ALERT, SCORED
from streamweir.models.card import EXTERNAL
from streamweir.reporting.card_fraud import analysis, plots
from streamweir.reporting.card_fraud.plots import apart_of, scored_of
from streamweir.reporting.inputs import Bundle
from streamweir.reporting.pieces import Content, Fact, Finding, Plot, Row, Sample

_ALERTS_SHOWN = 5


def _alerts(bundle: Bundle) -> tuple[int, int]:
    frame = scored_of(bundle)
    return (0, 0) if frame is None else (pc.sum(frame[IS_ALERT.name]).as_py() or 0, frame.num_rows)


def _finding(bundle: Bundle) -> str:
    if scored_of(bundle) is None:
        return "No transaction was scored."
    alerts, scored = _alerts(bundle)
    said = f"{alerts:,} of {scored:,} scored transactions ({alerts / scored:.2%}) raised an alert."
    found = apart_of(bundle)
    if found is None:
        return f"{said} The dataset has no classes: how many of them are right, nobody can say."
    rows = len(found.new.labels)
    if not rows:
        return f"{said} The model was made from all of them: see the section Model for what alerts are worth."
    counts = found.new.confusion
    frauds = f"{counts.tp:,} of {counts.tp + counts.fn:,} known frauds"
    whose = f"Of the {rows:,} that the model did not learn from, " if len(found.seen.labels) else ""
    told = f"{said} {whose}{frauds} are among them."
    return " ".join(filter(None, (told, _of_elsewhere(bundle), analysis.hint(found.new))))


def _of_elsewhere(bundle: Bundle) -> str:
    if not bundle.card or bundle.card["source"] != EXTERNAL:
        return ""
    return "Whether the model has learnt from them nobody can say: it was trained elsewhere."


def _facts(bundle: Bundle) -> Sequence[Fact]:
    alerts, scored = _alerts(bundle)
    if not scored:
        return []
    facts = [Fact("alerts", f"{alerts:,}", f"{alerts / scored:.2%} of the scored")]
    found = apart_of(bundle)
    if found is None or not len(found.new.labels):
        return facts
    counts = found.new.confusion
    raised, frauds = counts.tp + counts.fp, counts.tp + counts.fn
    on = f", on {len(found.new.labels):,} rows new to the model" if len(found.seen.labels) else ""
    precision, recall = (analysis.share_in_words(counts.tp, of) for of in (raised, frauds))
    facts.append(Fact("precision", precision, f"{counts.fp:,} of {raised:,} alerts are false{on}"))
    facts.append(Fact("recall", recall, f"{counts.fn:,} of {frauds:,} frauds missed{on}"))
    return facts


def _verdicts(bundle: Bundle) -> Sequence[Row]:
    if scored_of(bundle) is None:
        return []
    found = apart_of(bundle)
    if found is not None:
        return analysis.verdicts(found)
    return [analysis.count_of_alerts(_alerts(bundle)[0]), *analysis.unknown()]


def _side_by_side(bundle: Bundle) -> Sequence[Row]:
    checks = bundle.ledger["checks"] if bundle.ledger else []
    return analysis.side_by_side(checks, ALERTS_TOPIC.name)


def _distribution(bundle: Bundle) -> Sequence[Row]:
    frame = scored_of(bundle)
    return [] if frame is None else analysis.distribution(frame)


def _per_hour(bundle: Bundle) -> Sequence[Row]:
    frame = scored_of(bundle)
    return [] if frame is None else analysis.per_hour(frame)


def _samples(bundle: Bundle) -> Sequence[Row]:
    frame = bundle.tables[SCORED.name]
    order = [("fraud_prob", "descending"), ("transaction_id", "ascending")]
    rows: list[Row] = frame.filter(frame[IS_ALERT.name]).sort_by(order).slice(0, _ALERTS_SHOWN).to_pylist()
    return rows


CONTENT = Content(
    finding=_finding,
    facts=_facts,
    plots=(
        Plot(
            "alerts_per_hour",
            "Alerts by the hour",
            "Hours of event time. Below, all transactions, so that a rise in frauds can be told from one in "
            "trade.",
            plots.alerts_per_hour,
        ),
        Plot(
            "precision_recall",
            "Precision over recall",
            "Over the scored transactions whose class is known and which the model did not learn from.",
            plots.precision_over_recall,
        ),
        Plot(
            "probabilities",
            "Probability of fraud",
            "The model's probability for each transaction. The count is logarithmic: most are honest.",
            plots.probabilities,
        ),
        Plot(
            "amounts",
            "Amounts",
            "What was paid, with the alerts on top. Both axes are logarithmic.",
            plots.amounts,
        ),
        Plot(
            "transactions",
            "Transactions",
            "Drawn live by a plain Kafka consumer while the replay ran, from the transactions topic alone.",
        ),
    ),
    samples=(
        Sample(
            SCORED.name,
            "Alerts",
            "the five with the highest probability of fraud",
            {
                "transaction_id": "transaction",
                "event_time": "event time (UTC)",
                "Amount": "amount",
                "Class": "class",
                "fraud_prob": "probability",
                "model_version": "model",
            },
            _samples,
        ),
    ),
    analysis=(
        Finding(
            "alerts_side_by_side",
            "Alerts in the table and on the topic",
            "Alerts that the table holds, and those that a consumer of the topic reads: they must be equal.",
            {"topic": "topic", "in_table": "in the table", "on_topic": "on the topic", "equal": "equal"},
            _side_by_side,
        ),
        Finding(
            "judgement",
            "What the alerts are worth",
            "Against the column Class, on transactions that the model did not learn from, with the 95 % "
            "interval. Those that taught it, or chose its threshold, stand apart: it has seen them.",
            {
                "measure": "measure",
                "value": "value",
                "low": "at least",
                "high": "at most",
                "seen": "on what it has seen",
                "meaning": "meaning",
            },
            _verdicts,
        ),
        Finding(
            "distribution",
            "Probabilities and amounts",
            "The values below which a share of the transactions lies.",
            {"share": "share", "fraud_prob": "probability of fraud", "Amount": "amount"},
            _distribution,
        ),
        Finding(
            "alerts_by_hour",
            "Alerts by the hour",
            "Hours of event time.",
            {"hour": "hour (UTC)", "transactions": "transactions", "alerts": "alerts"},
            _per_hour,
        ),
    ),
)

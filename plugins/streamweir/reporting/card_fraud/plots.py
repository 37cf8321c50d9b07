"""The plots of `card_fraud`: probabilities, amounts, alerts by hour, precision over recall."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
from matplotlib.figure import Figure

from streamweir.contracts.card_fraud import IS_ALERT, SCORED
from streamweir.contracts.card_fraud.dataset import AMOUNT
from streamweir.contracts.runs import DATASET_TASK
from streamweir.models.metrics import pr_auc, precision_recall
from streamweir.reporting import style
from streamweir.reporting.card_fraud.analysis import Apart, judged, per_hour, taught_by
from streamweir.reporting.inputs import Bundle

_BINS = 50


def scored_of(bundle: Bundle) -> pa.Table | None:
    """The scored transactions; None when there are none."""
    frame = bundle.tables.get(SCORED.name)
    return frame if frame is not None and frame.num_rows else None


def apart_of(bundle: Bundle) -> Apart | None:
    """Those whose class is known, apart by whether the run's model was made from them; None without any."""
    frame = scored_of(bundle)
    return None if frame is None else judged(frame, taught_by(bundle.card, bundle.result_of(DATASET_TASK)))


def probabilities(bundle: Bundle) -> Figure | None:
    """How many transactions got which probability of fraud, and where the threshold cuts."""
    frame = scored_of(bundle)
    if frame is None:
        return None
    figure = _histogram(frame, "fraud_prob", np.linspace(0, 1, _BINS + 1), "Probability of fraud")
    threshold = bundle.model.get("threshold")
    if threshold is not None:
        figure.axes[0].axvline(threshold, color=style.INK, linewidth=1, linestyle="--")
    return figure


def amounts(bundle: Bundle) -> Figure | None:
    """How many transactions have which amount."""
    frame = scored_of(bundle)
    if frame is None:
        return None
    largest = max(float(np.max(frame[AMOUNT.name].to_numpy())), 1.0)
    edges = np.concatenate([[0.0], np.geomspace(1, largest + 1, _BINS)])
    figure = _histogram(frame, AMOUNT.name, edges, "Amount")
    figure.axes[0].set_xscale("symlog", linthresh=1)
    return figure


def alerts_per_hour(bundle: Bundle) -> Figure | None:
    """Alerts, and below them all transactions, of each hour of event time."""
    frame = scored_of(bundle)
    if frame is None:
        return None
    hours = per_hour(frame)
    starts = np.array(style.moments([row["hour"] for row in hours]))
    width = timedelta(hours=1) / timedelta(days=1) * 0.86
    figure, (upper, lower) = style.panels(2, height=4.2, ratios=(3, 2))
    for axes, name, colour in ((upper, "alerts", style.RED), (lower, "transactions", style.BLUE)):
        axes.bar(starts, [row[name] for row in hours], width=width, align="edge", color=colour)
        style.heading(axes, f"{name.capitalize()} per hour", name)
    style.event_time_axis(lower)
    return figure


def precision_over_recall(bundle: Bundle) -> Figure | None:
    """The curve, its area, and where the run's alerts lie on it, on transactions that the model did not learn
    from; None without a known fraud among them."""
    apart = apart_of(bundle)
    if apart is None or not apart.new.labels.sum():
        return None
    found = apart.new
    precision, recall = precision_recall(found.labels, found.probability)
    figure, (axes,) = style.panels(height=3.6)
    axes.step(recall, precision, where="post", color=style.BLUE, linewidth=1.8)
    at = found.confusion
    axes.plot(at.recall, at.precision, "o", color=style.RED, label="the alerts")
    style.heading(
        axes, f"Precision over recall, area {pr_auc(found.labels, found.probability):.4f}", "precision"
    )
    axes.set_xlim(0, 1.01)
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("recall")
    style.legend(axes)
    return figure


def _histogram(frame: pa.Table, name: str, edges: np.ndarray, title: str) -> Figure:
    values = frame[name].to_numpy()
    alert = np.asarray(frame[IS_ALERT.name].to_pylist(), dtype=bool)
    figure, (axes,) = style.panels(height=3.2)
    axes.hist(
        [values[~alert], values[alert]],
        bins=[*edges],
        stacked=True,
        color=[style.BLUE, style.RED],
        label=["no alert", "alert"],
    )
    axes.set_yscale("log")
    axes.set_xlim(edges[0], edges[-1])
    style.heading(axes, title, "transactions (log)")
    axes.set_xlabel(name)
    style.legend(axes)
    return figure

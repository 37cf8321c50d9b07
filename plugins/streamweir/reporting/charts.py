"""The plots that every pipeline has: the ledger by batch, latency, micro-batches, the time of each task."""

from datetime import datetime
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from streamweir.reporting import style
from streamweir.reporting.inputs import WORKED_AS, Bundle
from streamweir.reporting.pieces import Plot

_REASONS = tuple(style.REASON_COLOURS)
_MARKS = "osD^"


def ledger(bundle: Bundle) -> Figure | None:
    """Rows of each topic by batch, stacked by what became of them; below, those not worked on."""
    if not bundle.ledger:
        return None
    batches, topics = bundle.ledger["batches"], list(bundle.ledger["batches"][0]["topics"])
    figure, axes = style.panels(len(topics) + 1, height=1.9 * (len(topics) + 1) + 0.4)
    edges = np.append([batch["batch_index"] for batch in batches], batches[-1]["batch_index"] + 1) - 0.5
    for panel, topic in zip(axes, topics, strict=False):
        _stack(panel, edges, _by_outcome(batches, [topic], (*WORKED_AS, *_REASONS)))
        style.heading(panel, topic, "rows")
        style.legend(panel)
    _scatter(axes[-1], batches, _by_outcome(batches, topics, _REASONS))
    style.heading(axes[-1], "not worked on, all topics", "rows (log)")
    axes[-1].set_xlabel("batch of the run")
    return figure


def latency(bundle: Bundle) -> Figure | None:
    """Seconds from a message's append in Kafka to the commit of its output, by batch."""
    found = {stage: frame for stage, frame in bundle.latency.items() if frame.num_rows}
    if not found:
        return None
    figure, panels = style.panels(len(found), height=3.2 * len(found))
    for axes, (stage, frame) in zip(panels, found.items(), strict=True):
        index, seconds = (frame[name].to_numpy() for name in ("batch_index", "seconds"))
        axes.plot(index, seconds, ".", color=style.BLUE, markersize=4)
        for share, colour in ((0.5, style.GREEN), (0.95, style.RED)):
            value = float(np.quantile(seconds, share))
            axes.axhline(value, color=colour, linewidth=1.4, label=f"p{share * 100:.0f}: {value:.2f} s")
        style.heading(axes, _of(stage, "From Kafka to the committed output"), "seconds")
        axes.set_ylim(bottom=0)
        style.legend(axes)
    panels[-1].set_xlabel("batch of the run")
    return figure


def micro_batches(bundle: Bundle) -> Figure | None:
    """Rows that each micro-batch worked on, over wall time."""
    found = {stage: frame for stage, frame in bundle.micro_batches.items() if frame.num_rows}
    if not found:
        return None
    figure, panels = style.panels(len(found), height=2.8 * len(found))
    began = min(frame["committed_at"][0].as_py() for frame in found.values())
    for axes, (stage, frame) in zip(panels, found.items(), strict=True):
        seconds = np.array([(at - began).total_seconds() for at in frame["committed_at"].to_pylist()])
        rows = sum(frame[name].to_numpy() for name in ("used", "scored", "rejected"))
        axes.vlines(seconds, 0, rows, color=style.BLUE, linewidth=2)
        axes.plot(seconds, rows, "o", color=style.BLUE, markersize=3.5)
        style.heading(axes, _of(stage, "Rows per micro-batch"), "rows")
        axes.set_ylim(bottom=0)
    panels[-1].set_xlabel("seconds since the first micro-batch was committed")
    return figure


def tasks(bundle: Bundle) -> Figure | None:
    """When each task ran and how long it took."""
    if not bundle.tasks:
        return None
    began = datetime.fromisoformat(bundle.tasks[0]["started_at"])
    figure, (axes,) = style.panels(height=0.34 * len(bundle.tasks) + 1.1)
    for place, record in enumerate(bundle.tasks):
        left = (datetime.fromisoformat(record["started_at"]) - began).total_seconds()
        failed = record["outcome"] != "success"
        axes.barh(place, record["seconds"], left=left, height=0.62, color=style.RED if failed else style.BLUE)
        label = f" {record['seconds']:.1f} s{', failed' if failed else ''}"
        axes.text(left + record["seconds"], place, label, va="center", color=style.INK)
    axes.set_yticks(range(len(bundle.tasks)), [record["task"] for record in bundle.tasks])
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlim(left=0)
    axes.grid(axis="x")
    axes.set_title("Wall time of each task")
    axes.set_xlabel("seconds since the first task began")
    return figure


TASKS = Plot("task_timings", "Tasks", "Waiting is part of it: the drain waits for the last row.", tasks)
GENERIC = (
    Plot(
        "ledger",
        "What became of every row",
        "Each batch's rows by outcome. In the lowest panel, a mark for each batch with rows that were not "
        "scored or used.",
        ledger,
    ),
    Plot(
        "latency",
        "Latency",
        "Seconds from the moment Kafka took a message to the moment its scored rows were readable. "
        "Half of the messages lie below p50, 95 % below p95.",
        latency,
    ),
    Plot("micro_batches", "Micro-batches", "How much Spark took at a time.", micro_batches),
    TASKS,
)


def _of(stage: str, heading: str) -> str:
    return f"{stage}: {heading}" if stage else heading


def _by_outcome(
    batches: list[dict[str, Any]], topics: list[str], outcomes: tuple[str, ...]
) -> dict[str, Any]:
    counts = {
        outcome: np.array(
            [sum(batch["topics"][name].get(outcome, 0) for name in topics) for batch in batches]
        )
        for outcome in outcomes
    }
    return {outcome: rows for outcome, rows in counts.items() if rows.any()}


def _stack(axes: Any, edges: Any, counts: dict[str, Any]) -> None:
    base, steps = np.zeros(len(edges) - 1), edges.repeat(2)[1:-1]
    for outcome, rows in counts.items():
        colour = style.REASON_COLOURS.get(outcome, style.BLUE if outcome == "scored" else style.GREEN)
        # One polygon of steps: matplotlib's own `stairs` takes seconds for thousands of batches.
        axes.fill_between(steps, base.repeat(2), (base + rows).repeat(2), color=colour, label=outcome, lw=0)
        base = base + rows
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(bottom=0)


def _scatter(axes: Any, batches: list[dict[str, Any]], counts: dict[str, Any]) -> None:
    """A mark per reason and batch: in a stack, one late batch would hide all single rows."""
    if not counts:
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", color=style.GREY)
        axes.set_yticks([])
        return
    index = np.array([batch["batch_index"] for batch in batches])
    for (reason, rows), mark in zip(counts.items(), _MARKS, strict=False):
        some = rows > 0
        colour = style.REASON_COLOURS[reason]
        axes.plot(index[some], rows[some], mark, color=colour, markersize=5, linestyle="", label=reason)
    axes.set_yscale("log")
    # Within a single power of ten matplotlib would label the steps between, as formulas.
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(bottom=0.7)
    style.legend(axes)

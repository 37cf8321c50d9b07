"""The plots of `merchant_patterns`: detections over the chunks, by merchant, how long they held and took."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from streamweir.contracts.merchant_patterns import ACTIONS
from streamweir.reporting import style
from streamweir.reporting.inputs import Bundle
from streamweir.reporting.merchant_patterns.analysis import (
    by_merchant,
    chunks_held,
    detections_of,
    seconds_waited,
    so_far,
)

_COLOURS = dict(zip(ACTIONS.values(), (style.BLUE, style.ORANGE, style.GREEN), strict=True))
_MOST = 15


def over_chunks(bundle: Bundle) -> Figure | None:
    """How many detections of each pattern there were up to each chunk."""
    found = detections_of(bundle)
    if not found:
        return None
    first = int((bundle.manifest or {}).get("first_sequence", 0))
    end = max(first + int((bundle.manifest or {}).get("batches", 0)), found[-1]["chunk"] + 1)
    chunks = range(first, end)
    figure, [axes] = style.panels()
    for action, colour in _COLOURS.items():
        axes.step(chunks, so_far(found, action, chunks), where="post", color=colour, label=action)
    style.heading(axes, "Detections up to each chunk", "detections")
    axes.set_xlabel("chunk")
    style.legend(axes)
    return figure


def by_merchants(bundle: Bundle) -> Figure | None:
    """The merchants with most detections of a pattern."""
    rows = by_merchant(detections_of(bundle))[:_MOST]
    if not rows:
        return None
    figure, [axes] = style.panels(height=0.3 * len(rows) + 0.9)
    names = [f"{style.plain(row['merchant'])}, {row['action']}" for row in rows]
    style.bars(axes, names, [row["detections"] for row in rows])
    axes.set_title("Detections by merchant and pattern")
    return figure


def how_long(bundle: Bundle) -> Figure | None:
    """The share of each pattern's detections that held for at most so many chunks."""
    held = {action: [row["chunks"] for row in told] for action, told in chunks_held(bundle).items()}
    return _shares(held, "How long they held", "chunks")


def from_chunk(bundle: Bundle) -> Figure | None:
    """The share of each pattern's detections that were there within so many seconds."""
    return _shares(seconds_waited(bundle), "From chunk to detection", "seconds")


def _shares(values: Mapping[str, Sequence[float]], title: str, unit: str) -> Figure | None:
    """The share of values up to each one, a line for each action; None when there are none."""
    if not values:
        return None
    figure, [axes] = style.panels()
    for action, mine in values.items():
        axes.ecdf(mine, color=_COLOURS[action], label=action)
    style.heading(axes, title, "share of detections")
    axes.set_xlabel(unit)
    style.legend(axes)
    return figure

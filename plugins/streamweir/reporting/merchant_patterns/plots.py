"""The plots of `merchant_patterns`: detections over the chunks, and by merchant."""

from matplotlib.figure import Figure

from streamweir.contracts.merchant_patterns import ACTIONS
from streamweir.reporting import style
from streamweir.reporting.inputs import Bundle
from streamweir.reporting.merchant_patterns.analysis import by_merchant, detections_of, so_far

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

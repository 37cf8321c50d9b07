"""The house style of all plots: one palette, safe for colour-blind readers, and quiet axes."""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

# Okabe and Ito's colours, which people with any kind of colour blindness tell apart.
BLUE, ORANGE, GREEN, RED = "#0072b2", "#e69f00", "#009e73", "#d55e00"
PURPLE, SKY, YELLOW, GREY = "#cc79a7", "#56b4e9", "#f0e442", "#8c8c8c"
INK, FAINT = "#24292f", "#d0d7de"

REASON_COLOURS = {"late": ORANGE, "malformed": PURPLE, "unscorable": RED, "duplicate": SKY}

_WIDTH, _DPI = 7.4, 140
_RC: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.08,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "legend.fontsize": 8,
    "legend.frameon": False,
    # A product may well be called "$x$"; it is text, not a formula.
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
}
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@contextmanager
def house() -> Iterator[None]:
    """The settings under which a figure is made, drawn and saved."""
    with mpl.rc_context(_RC), warnings.catch_warnings():
        # A product's name may use letters that the font lacks: they are drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def panels(
    rows: int = 1, height: float = 3.4, ratios: Sequence[float] | None = None
) -> tuple[Figure, list[Axes]]:
    """A figure, `height` inches high, with panels one above the other that share the x axis."""
    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    return figure, list(axes)


def to_png(figure: Figure) -> bytes:
    """The figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def heading(axes: Axes, title: str, unit: str = "") -> None:
    """A bold title at the left, and what the y axis counts."""
    axes.set_title(title, pad=8)
    axes.set_ylabel(unit)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def event_time_axis(axes: Axes) -> None:
    """Label the x axis as event time."""
    locator = AutoDateLocator(tz=UTC)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))
    axes.set_xlabel("event time (UTC)")


def bars(axes: Axes, names: Sequence[str], values: Sequence[float], colour: str = BLUE) -> None:
    """Horizontal bars with their values, the first on top."""
    places = range(len(names))
    drawn = axes.barh(places, values, color=colour, height=0.72)
    axes.bar_label(drawn, labels=[f"{value:,.10g}" for value in values], padding=4, color=INK)
    axes.set_yticks(places, names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.margins(x=0.1)
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="x", bottom=False, labelbottom=False)
    axes.tick_params(axis="y", left=False)


def legend(axes: Axes, columns: int = 6) -> None:
    """A legend in one line, above the plot at the right."""
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=columns, columnspacing=1.2, handlelength=1.2)


def plain(text: object, longest: int = 38) -> str:
    """Text from data, fit for a label: one line, printable, not too long."""
    line = _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", str(text))
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def moments(values: Sequence[datetime]) -> list[float]:
    """Times as matplotlib's dates."""
    return [float(mpl.dates.date2num(value)) for value in values]

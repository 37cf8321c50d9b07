"""The line chart, drawn again and again: the figure is built once, then only its line moves."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from streamweir.liveplot.series import Point, with_gaps

_SIZE, _DPI = (9.6, 3.6), 100
_TEXT, _TITLE = 11, 14
_DAY_S = 86_400
_LINE, _GRID, _QUIET = "#1f5fa8", "#e3e6ea", "#5b6570"


class Chart:
    """A line over the virtual clock."""

    def __init__(self, title: str, axis: str, run: str, span_s: int = 1) -> None:
        self._span_s = span_s
        self._figure = Figure(figsize=_SIZE, dpi=_DPI, layout=None)
        self._canvas = FigureCanvasAgg(self._figure)
        self._figure.subplots_adjust(left=0.07, right=0.96, top=0.86, bottom=0.18)
        self._axes = self._figure.add_subplot()
        self._axes.set_title(title, loc="left", fontweight="bold", fontsize=_TITLE)
        self._axes.set_ylabel(axis, fontsize=_TEXT)
        self._run = run.replace("$", r"\$")
        self._axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
        self._axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        self._axes.tick_params(labelsize=_TEXT, colors=_QUIET)
        self._axes.grid(color=_GRID, linewidth=0.8)
        self._axes.set_axisbelow(True)
        self._axes.spines[["top", "right"]].set_visible(False)
        (self._line,) = self._axes.plot([], [], color=_LINE, linewidth=1.2, solid_joinstyle="round")
        self._note = self._axes.text(1, 1.04, "", transform=self._axes.transAxes, ha="right", fontsize=_TEXT)

    def draw(self, points: Sequence[Point], batches: int) -> bytes:
        """The chart of these points, made from so many batches, as PNG."""
        shown = with_gaps(points, self._span_s)
        times, values = [point.ts for point in shown], [point.value for point in shown]
        self._line.set_data(times, values)
        # A line of one point would not be seen.
        self._line.set_marker("o" if len(points) == 1 else "")
        if points:
            self._axes.set_xlim(times[0] - 0.5, times[-1] + 0.5)
            self._axes.set_ylim(0, max(values) * 1.08 + 1)
            self._date(times[0], times[-1])
        self._note.set_text(f"{sum(values):,} in {batches:,} batches")
        image = io.BytesIO()
        # Speed before size: the picture is replaced within a second.
        self._canvas.print_png(image, pil_kwargs={"compress_level": 1})
        return image.getvalue()

    def _date(self, first: int, last: int) -> None:
        """Let the ticks say the time, and the day as well only where there are several."""
        tick = "%H:%M:%S" if last - first < _DAY_S else "%m-%d %H:%M"
        self._axes.xaxis.set_major_formatter(FuncFormatter(lambda ts, _: f"{_utc(ts):{tick}}"))
        self._axes.set_xlabel(
            f"virtual clock from {_utc(first):%Y-%m-%d}, UTC; run {self._run}", fontsize=_TEXT
        )


def _utc(ts: float) -> datetime:
    return datetime.fromtimestamp(ts, UTC)

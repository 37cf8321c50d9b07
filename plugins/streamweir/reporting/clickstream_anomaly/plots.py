"""The plots of `clickstream_anomaly`: the four figures over time, what is usual, flags, and incidents."""

from collections.abc import Sequence
from itertools import cycle

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from streamweir.contracts.clickstream_anomaly import FLAGS, KPIS, MEANS, WINDOWS
from streamweir.reporting import style
from streamweir.reporting.clickstream_anomaly.analysis import Known, known, watched
from streamweir.reporting.inputs import Bundle

_TITLES = (
    "Page views",
    "Active sessions",
    "Purchases per checkout started",
    "Checkouts abandoned per completed",
)
_UNITS = ("events", "sessions", "rate", "rate")
_FAINT, _LEGEND_COLUMNS = 0.3, 6
_INCIDENT_COLOURS = (style.ORANGE, style.SKY, style.PURPLE, style.YELLOW, style.GREEN, style.GREY)


def kpis(bundle: Bundle) -> Figure | None:
    """The four figures over event time with their means; flags marked, known incidents shaded."""
    frame = bundle.tables.get(WINDOWS.name)
    if frame is None or not frame.num_rows:
        return None
    times = np.array(style.moments(frame["window_end"].to_pylist()))
    figure, panels = style.panels(len(KPIS), height=2.1 * len(KPIS) + 0.5)
    for panel, title, unit, kpi, usual, flag in zip(panels, _TITLES, _UNITS, KPIS, MEANS, FLAGS, strict=True):
        values = _numbers(frame, kpi.name)
        top = _top(values)
        panel.plot(times, values, color=style.BLUE, linewidth=1.2, label="window")
        panel.plot(times, _numbers(frame, usual.name), color=style.GREY, linewidth=1, label="mean before")
        raised = np.array(frame[flag.name].to_pylist(), dtype=np.bool_)
        # A rate may be missing in a window that is flagged by its mean; its mark then lies on the axis.
        heights = np.minimum(np.nan_to_num(values[raised]), top)
        marks = [float(height) for height in heights]
        (drawn,) = panel.plot(times[raised], marks, "v", color=style.RED, markersize=4, label=flag.name)
        # A mark on the edge is shown whole; the layout must not look at it, as there may be none.
        drawn.set(clip_on=False, in_layout=False)
        panel.set_ylim(0, top)
        style.heading(panel, title, unit)
        style.legend(panel)
    _shade(figure, panels, incidents_of(bundle, frame))
    style.event_time_axis(panels[-1])
    return figure


def incidents_of(bundle: Bundle, frame: pa.Table) -> list[Known]:
    """The incidents that the replayed dataset tells of."""
    return known((bundle.manifest or {}).get("labels", ()), watched(frame.to_pylist()))


def _numbers(frame: pa.Table, name: str) -> npt.NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in frame[name].to_pylist()], dtype=float)


def _top(values: npt.NDArray[np.float64]) -> float:
    """Above nearly all values: a single rate of 30 would press the others flat."""
    some = values[~np.isnan(values)]
    return float(np.quantile(some, 0.98) * 1.25) or 1.0 if len(some) else 1.0


def _shade(figure: Figure, panels: Sequence[Axes], incidents: Sequence[Known]) -> None:
    kinds = list(dict.fromkeys(incident.kind for incident in incidents))
    colours = dict(zip(kinds, cycle(_INCIDENT_COLOURS), strict=False))
    for incident in incidents:
        for panel in panels:
            panel.axvspan(
                _moment(incident.start),
                _moment(incident.end),
                color=colours[incident.kind],
                alpha=_FAINT,
                linewidth=0,
            )
    patches = [Patch(color=colours[kind], alpha=_FAINT, label=style.plain(kind)) for kind in kinds]
    if patches:
        figure.legend(handles=patches, loc="outside lower center", ncols=_LEGEND_COLUMNS)


def _moment(ts: int) -> float:
    return float(mpl.dates.date2num(np.datetime64(ts, "s")))

"""Draws a figure while the run is replayed, and once more, complete, at its end."""

import html
import logging
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from streamweir.broker.follow import Follower
from streamweir.connections import KafkaConnection
from streamweir.contracts.pipelines import module_of
from streamweir.contracts.runs import Run
from streamweir.contracts.tables import Topic
from streamweir.errors import DependencyUnreachable
from streamweir.liveplot.chart import Chart
from streamweir.liveplot.series import Series
from streamweir.objectstore import ObjectStore
from streamweir.replay.batches import Row
from streamweir.replay.plan import Options, Plan

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; color: #1c2530 }}
img {{ width: 100% }}
</style>
</head><body><h1>{title}</h1><p>Run {run}. The picture is loaded again every second.</p>
<img id="plot" src="{image}" alt="{title}">
<script>
const plot = document.getElementById("plot");
setInterval(() => {{ plot.src = "{image}?" + Date.now(); }}, 1000);
</script></body></html>
"""
FRAME_S = 0.7
"""Seconds between two frames: below a second, with room for a frame that takes its time."""
QUIET_S = 3
"""Seconds without news after which it is asked whether the replay was given up."""
TIMEOUT_S = 300
"""How long to wait for a run that sends nothing, by default."""
_LOG = logging.getLogger(__name__)


class LivePage:
    """A folder whose index.html shows the newest picture; None as the folder means no page."""

    def __init__(self, folder: Path | None, name: str, title: str, run: str) -> None:
        self._folder, self._image = folder, f"{name}.png"
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            page = _PAGE.format(
                title=html.escape(title), run=html.escape(run), image=html.escape(self._image)
            )
            (folder / "index.html").write_text(page, encoding="utf-8")

    def show(self, image: bytes) -> None:
        """Replace the picture; a browser never sees half of one."""
        if self._folder is None:
            return
        with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
            file.write(image)
        os.replace(file.name, self._folder / self._image)
        (self._folder / self._image).chmod(0o644)


class Subject(Protocol):
    """A pipeline's module, `streamweir.liveplot.<word>`: what is drawn of it.

    TOPIC: the input topic whose messages are counted. NAME, TITLE, AXIS: of the figure. SPAN_S: how many
    seconds of the virtual clock make a point.
    """

    TOPIC: Topic
    NAME: str
    TITLE: str
    AXIS: str
    SPAN_S: int

    def count(self, rows: Sequence[Row], options: Options) -> int:
        """The figure of one message."""


@dataclass(frozen=True)
class Drawn:
    """What was drawn. plot: the last frame's object. total: the series' sum. frames: how many were drawn."""

    plot: str
    batches: int
    total: int
    frames: int


def draw_live(
    run: Run,
    *,
    kafka: KafkaConnection,
    store: ObjectStore,
    page: Path | None = None,
    timeout_s: float = TIMEOUT_S,
    abandoned: Callable[[], bool] = lambda: False,
) -> Drawn | None:
    """Draw until the run's flush and all sequences before it were seen.

    The newest frame is plots/live/<name>.png in the run bundle, and in the folder `page`; the last one is
    plots/<name>.png, with its figures in plots/<name>.json. It may be started before the replay, during it or
    after it, and again. Raises DependencyUnreachable when nothing comes for `timeout_s` seconds.
    abandoned: says that the replay has failed for good; what was seen until then is drawn. Returns None when
    it failed before there was a plan.
    """
    subject = module_of("streamweir.liveplot", run.stream.pipeline, Subject)
    plan = _await_plan(run, store, timeout_s, abandoned)
    if plan is None:
        return None
    count = partial(subject.count, options=plan.options)
    series = Series(run.id, plan.first_sequence, count, subject.SPAN_S)
    frames, patience = _Frames(run, subject, store, page), _Patience(run, timeout_s)
    topic = subject.TOPIC.name
    with closing(Follower(kafka, run.stream.topic(topic), plan.offsets[topic])) as follower:
        frame_end = time.monotonic()
        while not series.complete and not (patience.quiet_s > QUIET_S and abandoned()):
            # The time of drawing counts: frames come at their interval, not at that after each other.
            frame_end = max(frame_end + FRAME_S, time.monotonic())
            _read_until(frame_end, follower, series)
            patience.check(series)
            frames.show(series)
    return frames.finish(series)


class _Frames:
    """Pictures of a series: a live one when there is something new, and the last one."""

    def __init__(self, run: Run, subject: Subject, store: ObjectStore, page: Path | None) -> None:
        self._run, self._name, self._store = run, subject.NAME, store
        self._chart = Chart(subject.TITLE, subject.AXIS, run.id, subject.SPAN_S)
        self._page = LivePage(page, subject.NAME, subject.TITLE, run.id)
        self._drawn, self._frames = -1, 0

    def show(self, series: Series) -> None:
        """Draw a live frame; one that the store does not take is skipped, the next one follows at once."""
        if series.seen == self._drawn:
            return
        image = self._chart.draw(series.points(), series.batches)
        self._drawn, self._frames = series.seen, self._frames + 1
        self._page.show(image)
        try:
            self._store.put(self._run.live_plots / f"{self._name}.png", image)
        except DependencyUnreachable as error:
            _LOG.warning("%s; this frame is skipped", error)

    def finish(self, series: Series) -> Drawn:
        """Draw the last frame and keep the series beside it."""
        self.show(series)
        points = series.points()
        plot = self._run.plot(self._name)
        self._store.put(plot, self._chart.draw(points, series.batches))
        self._store.put_json(
            self._run.plots / f"{self._name}.json",
            {"run": self._run.id, "name": self._name, "points": [asdict(point) for point in points]},
        )
        return Drawn(str(plot), series.batches, sum(point.value for point in points), self._frames)


def _await_plan(run: Run, store: ObjectStore, timeout_s: float, abandoned: Callable[[], bool]) -> Plan | None:
    waiting = Retrying(
        retry=retry_if_result(lambda found: found is None and not abandoned()),
        stop=stop_after_delay(timeout_s),
        wait=wait_fixed(0.5),
    )
    try:
        found = waiting(store.get_json, run.plan)
    except RetryError as error:
        raise DependencyUnreachable(
            f"run {run.id} was not planned within {timeout_s:g} s: did its replay start? See the task's log"
        ) from error
    return None if found is None else Plan.from_json(found)


def _read_until(end: float, follower: Follower, series: Series) -> None:
    """Read until it is time for the next frame, at least once, or until the series is complete."""
    left = max(end - time.monotonic(), 0.01)
    while not series.complete and left > 0:
        for record in follower.poll(left):
            series.add(record)
        left = end - time.monotonic()


class _Patience:
    """Raises DependencyUnreachable when a series stands still for too long."""

    def __init__(self, run: Run, timeout_s: float) -> None:
        self._run, self._timeout_s = run, timeout_s
        self._seen, self._moved = 0, time.monotonic()

    @property
    def quiet_s(self) -> float:
        """Seconds since the series moved on."""
        return time.monotonic() - self._moved

    def check(self, series: Series) -> None:
        """Look whether the series moved on."""
        if series.seen > self._seen:
            self._seen, self._moved = series.seen, time.monotonic()
        elif self.quiet_s > self._timeout_s:
            raise DependencyUnreachable(
                f"no message of run {self._run.id} came for {self._timeout_s:g} s after {self._seen}; "
                "see the log of its replay"
            )

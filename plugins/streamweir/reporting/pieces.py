"""What a pipeline's own reporting module is made of: plots, samples of tables, and one finding in words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from matplotlib.figure import Figure

from streamweir.contracts.pipelines import module_of
from streamweir.reporting.inputs import Bundle

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Plot:
    """A plot: its file name, a title, what to see in it, and how to draw it.

    draw gives None when the bundle lacks what the plot shows. A plot without `draw` is left in the bundle by
    another task, and the report shows it.
    """

    name: str
    title: str
    caption: str
    draw: Callable[[Bundle], Figure | None] | None = None


@dataclass(frozen=True)
class Sample:
    """A few rows of a table that tell most: columns by name with their headings, and how they are chosen."""

    table: str
    title: str
    caption: str
    columns: Mapping[str, str]
    choose: Callable[[Bundle], Sequence[Row]]


@dataclass(frozen=True)
class Finding:
    """A small table that is worked out from the bundle and is none of its own tables: what the results say.

    columns: by name with their headings. rows: none when the bundle lacks what it takes. Its rows are in
    summary.json, too, under its name.
    """

    name: str
    title: str
    caption: str
    columns: Mapping[str, str]
    rows: Callable[[Bundle], Sequence[Row]]


@dataclass(frozen=True)
class Fact:
    """A number at the top of the report, with a name and a remark."""

    name: str
    value: str
    remark: str = ""


@dataclass(frozen=True)
class Content:
    """What a pipeline adds to the report.

    finding: the result in one sentence; empty when there is none. facts: the numbers that a reader looks for.
    """

    finding: Callable[[Bundle], str]
    facts: Callable[[Bundle], Sequence[Fact]]
    plots: tuple[Plot, ...]
    samples: tuple[Sample, ...]
    analysis: tuple[Finding, ...] = ()


class _Module(Protocol):
    CONTENT: Content


def content_of(pipeline: str) -> Content:
    """The content of a pipeline's module `streamweir.reporting.<word>`."""
    return module_of("streamweir.reporting", pipeline, _Module).CONTENT

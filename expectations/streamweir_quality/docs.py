"""Data docs as plain pages: Great Expectations renders the content, our page frames it.

Great Expectations' own page loads style sheets and scripts from five places on the network; ours loads
nothing, and works without scripts.
"""

import html
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from great_expectations.core import ExpectationSuiteValidationResult
from great_expectations.render import renderer, view
from jinja2 import Environment, PackageLoader

from streamweir_quality.checks import CRITICAL
from streamweir_quality.runner import Outcome, Validated

INDEX = "index.html"
_TEMPLATES = Path(__file__).parent / "templates"
_SUITE_PAGE = "streamweir_page.j2"
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Line:
    """A suite in the index."""

    name: str
    page: str
    outcomes: Sequence[Outcome]

    @property
    def counts(self) -> Counter[tuple[str, bool]]:
        """How many by severity and success."""
        return Counter((outcome.severity, outcome.success) for outcome in self.outcomes)


def write_docs(validated: Iterable[Validated], folder: Path, *, title: str, run: str) -> None:
    """Write a page per suite and an index into `folder`; no page refers to anything outside of it."""
    folder.mkdir(parents=True)
    style = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    # Both names are not exported in the way that a strict type checker asks for.
    content_of: Any = renderer.ValidationResultsPageRenderer(run_info_at_end=False)  # type: ignore[attr-defined]
    pages: Any = view.DefaultJinjaPageView(custom_views_directory=str(_TEMPLATES))  # type: ignore[attr-defined]
    lines = []
    for suite in validated:
        line = Line(suite.suite, f"{_file_name(suite.suite)}.html", suite.outcomes)
        content = content_of.render(_as_text(suite.result))
        page = pages.render(content, template=_SUITE_PAGE, style=style, line=line, title=title, run=run)
        (folder / line.page).write_text(page, encoding="utf-8")
        lines.append(line)
    own = Environment(loader=PackageLoader("streamweir_quality"), autoescape=True)
    index = own.get_template("index.j2").render(
        lines=lines, style=style, title=title, run=run, failed=_failed(lines), critical=CRITICAL
    )
    (folder / INDEX).write_text(index, encoding="utf-8")


def _as_text(result: ExpectationSuiteValidationResult) -> ExpectationSuiteValidationResult:
    """The result with all found values escaped: Great Expectations puts samples into pages as HTML."""
    copied = deepcopy(result)
    for single in copied.results:
        single.result = _escaped(single.result)
        single.exception_info = _escaped(single.exception_info)
    return copied


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return html.escape(value)
    if isinstance(value, dict):
        return {name: _escaped(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_escaped(part) for part in value)
    # numpy's numbers print themselves with their type, which the renderer does not understand.
    return value.item() if isinstance(value, np.generic) else value


def _failed(lines: Iterable[Line]) -> list[tuple[Line, Outcome]]:
    """What failed, the critical ones first."""
    failed = [(line, outcome) for line in lines for outcome in line.outcomes if not outcome.success]
    return sorted(failed, key=lambda pair: pair[1].severity != CRITICAL)


def _file_name(suite: str) -> str:
    return _NOT_IN_NAMES.sub("-", suite.lower()).strip("-")

"""Writing a run's report and summary into its bundle; also for a run that failed."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from streamweir.contracts.runs import Run
from streamweir.objectstore import ObjectStore
from streamweir.reporting import card, compared, sections, text
from streamweir.reporting.charts import TASKS
from streamweir.reporting.inputs import Bundle, load_bundle
from streamweir.reporting.pieces import content_of
from streamweir.reporting.plots import all_plots, draw
from streamweir.reporting.summary import summarise
from streamweir.reporting.verdict import SUCCESS, Verdict, judge

_TEMPLATES = files("streamweir.reporting") / "templates"


def publish(run: Run, store: ObjectStore) -> Verdict:
    """Write report.html and summary.json; returns the run's outcome and what speaks against it.

    A failed run's report is published, too, with what there is of it; the caller decides what follows.
    """
    bundle = _with_missing_plots(load_bundle(run, store), store)
    verdict, summary = judge(bundle), summarise(bundle)
    store.put(run.report, render(bundle, summary, verdict).encode())
    store.put_json(run.summary, summary)
    return verdict


def refresh_summary(store: ObjectStore, run: Run, memory: Mapping[str, Any]) -> None:
    """Add the memory that was measured: keep it as memory.json, and write summary and report again."""
    store.put_json(run.memory, memory)
    publish(run, store)


def render(bundle: Bundle, summary: Mapping[str, Any], verdict: Verdict) -> str:
    """The report as one HTML page that needs nothing else."""
    content = content_of(bundle.pipeline.name)
    model, analysis = card.model(bundle), sections.analysis(bundle, content)
    comparison = compared.section(bundle.comparison)
    values = {
        "bundle": bundle,
        "summary": summary,
        "verdict": verdict,
        "ok": verdict.outcome == SUCCESS,
        "css": Markup((_TEMPLATES / "report.css").read_text()),  # noqa: S704 - our own file
        "heading": sections.HEADINGS[verdict.outcome],
        "headline": sections.headline(bundle, verdict, content),
        "facts": sections.facts(bundle, content),
        "missing": sections.missing(bundle),
        "meanings": sections.MEANINGS,
        "contents": sections.contents(model=model, analysis=analysis, comparison=comparison),
        "ledger": sections.ledger(bundle),
        "quality": sections.quality(bundle),
        "comparison": comparison,
        "analysis": analysis,
        "plots": sections.plots(bundle),
        "samples": sections.samples(bundle, content),
        "model": model,
        "rejected": sections.rejected(bundle),
    }
    return _environment().get_template("report.html.j2").render(values)


def _with_missing_plots(bundle: Bundle, store: ObjectStore) -> Bundle:
    """A failed run skips the task that plots; and the tasks themselves go on after it."""
    stale = [each for each in all_plots(bundle) if each.name not in bundle.images or each == TASKS]
    return replace(bundle, images={**bundle.images, **draw(bundle, stale, store)})


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("streamweir.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = "number", "seconds", "size", "clock", "moment", "cell", "raw", "value", "linked"
    environment.filters |= {name: getattr(text, name) for name in names}
    return environment

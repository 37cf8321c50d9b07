"""The report's sections as plain values, ready for the template."""

import base64
import shlex
import struct
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from streamweir.contracts.rejected import REJECTED, Reason
from streamweir.contracts.tables import Stage
from streamweir.redrive.records import Place
from streamweir.reporting import text
from streamweir.reporting.inputs import WORKED_AS, Bundle
from streamweir.reporting.pieces import Content, Fact, Sample
from streamweir.reporting.plots import all_plots
from streamweir.reporting.summary import latency
from streamweir.reporting.verdict import CRITICAL, FAILED, SUCCESS, WARNING, Verdict

_SAMPLES_PER_REASON = 3
_BATCHES_SHOWN = 400
"""More would make the page heavy; all of them are in ledger.parquet."""
_BATCH_FIELDS = ("batch_index", "sequence", "ts", "topics", "unexplained")

HEADINGS = {
    SUCCESS: ("✓", "Every row is accounted for"),
    WARNING: ("!", "Every row is accounted for, and many were rejected"),
    FAILED: ("✕", "This run failed"),
}
"""Mark and title of each outcome."""

MEANINGS = {
    "produced": "sent by the replay, by its own count",
    "in_kafka": "in Kafka, by the messages' own headers",
    "redriven": "rejected records that somebody put back on the topic",
    "used": "counted into the results, or taken as context for scoring",
    "scored": "scored; each is one row of the results",
    "stored": "kept as they are, late ones as well",
    "malformed": "not readable: no JSON list, a key column missing, a wrong type",
    "late": "more than the allowed lateness behind what was sent before",
    "unscorable": "readable, but the model cannot take it: an unknown customer, a value that is not a number",
    "duplicate": "a record with its id was scored or counted before",
    "foreign": "messages that no replay sent; counted apart, not worked on",
    "unexplained": "what was put in, less everything above; must be 0",
}


def headline(bundle: Bundle, verdict: Verdict, content: Content) -> list[str]:
    """The outcome: what failed first, or is worth a look, if anything; then what was replayed and found."""
    sentences = []
    if verdict.failures:
        first = verdict.failures[0]
        sentences.append(f"Task {first.task} failed: {first.sentence}" if first.task else first.sentence)
    else:
        sentences.extend(verdict.warnings)
    if bundle.ledger:
        rows = " and ".join(f"{rows:,} rows of {name}" for name, rows in _replayed(bundle).items())
        batches = bundle.ledger["batch_count"]
        sentences.append(f"{rows} were replayed in {batches:,} batches. {content.finding(bundle)}")
        for stage in bundle.pipeline.stages:
            sentences.extend(_set_aside(stage, bundle.ledger["totals"]))
    return sentences


def facts(bundle: Bundle, content: Content) -> list[Fact]:
    """The numbers at the top."""
    found: list[Fact] = []
    if bundle.ledger:
        sent = sum(_replayed(bundle).values())
        found.append(Fact("rows replayed", f"{sent:,}", f"{bundle.ledger['batch_count']:,} batches"))
        for stage in bundle.pipeline.stages:
            leading = bundle.pipeline.of_stage(stage.name).leading
            name, worked_as = stage.named(leading.topic.name), leading.role.worked_as
            found.append(Fact(worked_as, f"{bundle.ledger['totals'][name][worked_as]:,}", name))
        found.extend(content.facts(bundle))
        found.append(Fact("unexplained", f"{bundle.ledger['unexplained']:,}", "rows; must be 0"))
    for stage_name, frame in bundle.latency.items():
        if (times := latency(frame)) is not None:
            half = f"half within {text.seconds(times['p50'])}"
            whose = f"{stage_name}: {half}" if stage_name else half
            found.append(Fact("latency p95", text.seconds(times["p95"]), whose))
    return found


def _replayed(bundle: Bundle) -> dict[str, int]:
    """How many rows of each topic were sent, in the words of the first stage that reads it."""
    totals = (bundle.ledger or {})["totals"]
    lines = {
        read.topic.name: totals[stage.named(read.topic.name)]
        for stage in reversed(bundle.pipeline.stages)
        for read in stage.reads
    }
    return {topic.name: lines[topic.name]["produced"] for topic in bundle.pipeline.inputs}


def ledger(bundle: Bundle) -> dict[str, Any] | None:
    """The totals by topic, the batches as a table, and the checks."""
    if bundle.ledger is None:
        return None
    totals = bundle.ledger["totals"]
    # A column of zeros that nobody could fill (re-driven rows, mostly) would only make the table wide.
    names = [name for name in MEANINGS if any(name in line for line in totals.values())]
    names = [name for name in names if name != "redriven" or any(line[name] for line in totals.values())]
    batches = bundle.ledger["batches"]
    odd = [batch for batch in batches if not _is_plain(batch)]
    facts = [name for name in batches[0] if name not in _BATCH_FIELDS]
    return {
        **bundle.ledger,
        "names": names,
        "batch_facts": facts,
        "batch_names": {topic: _batch_names(names, totals[topic]) for topic in batches[0]["topics"]},
        "odd": odd[:_BATCHES_SHOWN],
        "odd_count": len(odd),
        "shown": batches[:_BATCHES_SHOWN],
        "unequal": [check for check in bundle.ledger["checks"] if not check["equal"]],
    }


def _set_aside(stage: Stage, totals: Mapping[str, Mapping[str, int]]) -> list[str]:
    counts = Counter[str]()
    for line in (totals[stage.named(read.topic.name)] for read in stage.reads):
        counts.update({reason.value: line.get(reason.value, 0) for reason in Reason})
    named = [f"{rows:,} {reason}" for reason, rows in counts.most_common() if rows]
    if not named:
        return []
    total, by = counts.total(), f" by {stage.name}" if stage.name else ""
    rows = "row was" if total == 1 else "rows were"
    return [f"{total:,} {rows} set aside{by} with a reason: {', '.join(named)}."]


def _batch_names(names: Sequence[str], total: Mapping[str, int]) -> list[str]:
    """The columns of a topic in the table of batches; Kafka's count is there only where it differs."""
    agreed = "in_kafka" if total["in_kafka"] == total["produced"] else ""
    return [name for name in names if name in total and name not in (agreed, "unexplained")]


def _is_plain(batch: Mapping[str, Any]) -> bool:
    lines = batch["topics"].values()
    worked = [next(line[name] for name in WORKED_AS if name in line) for line in lines]
    return all(rows == line["produced"] == line["in_kafka"] for rows, line in zip(worked, lines, strict=True))


def quality(bundle: Bundle) -> dict[str, Any] | None:
    """The expectations: failed ones, critical before warnings, then the passed ones by table."""
    if bundle.quality is None:
        return None
    failed = [check for check in bundle.quality if not check["success"]]
    passed: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for check in bundle.quality:
        if check["success"]:
            passed[check["table"] or check["suite"]].append(check)
    counts = Counter((check["severity"] == CRITICAL, check["success"]) for check in bundle.quality)
    return {
        "failed": sorted(failed, key=lambda check: check["severity"] != CRITICAL),
        "passed": passed,
        "counts": [
            {"name": name, "passed": counts[critical, True], "failed": counts[critical, False]}
            for name, critical in (("critical", True), ("warning", False))
        ],
    }


def plots(bundle: Bundle) -> list[dict[str, Any]]:
    """All plots, with their image, or none."""
    return [{"plot": plot, **_image(bundle.images.get(plot.name))} for plot in all_plots(bundle)]


def analysis(bundle: Bundle, content: Content) -> list[dict[str, Any]]:
    """The findings that the bundle has the data for, as text."""
    found = ((finding, finding.rows(bundle)) for finding in content.analysis)
    return [{"finding": finding, **text.shown(finding.columns, rows)} for finding, rows in found if rows]


def samples(bundle: Bundle, content: Content) -> list[dict[str, Any]]:
    """A few rows of each table, as text."""
    return [_sample(bundle, sample) for sample in content.samples if sample.table in bundle.tables]


def rejected(bundle: Bundle) -> dict[str, Any] | None:
    """The rejected records by topic and reason, with the first few of each, and how to work with them."""
    names = [(stage, stage.named(REJECTED.name)) for stage in bundle.pipeline.stages]
    frames = [(stage, bundle.tables[name]) for stage, name in names if name in bundle.tables]
    if not frames:
        return None
    groups: defaultdict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for stage, frame in frames:
        for row in frame.to_pylist():
            place = Place(row["topic"], row["partition"], row["offset"], row["row"])
            groups[row["reason"], stage.named(row["topic"])].append({**row, "place": place})
    run = bundle.run
    return {
        "names": f"--pipeline {run.stream.pipeline} --stream {run.stream.id} --run {shlex.quote(run.id)}",
        "reasons": sorted({reason for reason, _ in groups} - {Reason.FOREIGN.value}),
        "rows": sum(row["rows"] for rows in groups.values() for row in rows),
        "groups": [
            {
                "reason": reason,
                "topic": topic,
                "rows": sum(row["rows"] for row in rows),
                "meaning": MEANINGS[reason],
                "samples": rows[:_SAMPLES_PER_REASON],
            }
            for (reason, topic), rows in sorted(groups.items())
        ],
    }


def contents(**optional: object) -> list[tuple[str, str]]:
    """The page's sections: anchor and title. optional: what those hold that are left out when empty."""
    names = ["Ledger", "Quality", "Comparison", "Analysis", "Plots", "Tables", "Model"]
    names += ["Rejected", "Timings", "Parameters"]
    anchors = [(name.lower(), name) for name in names]
    return [(anchor, name) for anchor, name in anchors if optional.get(anchor, True)]


def missing(bundle: Bundle) -> list[str]:
    """The parts that the bundle lacks, in the order in which a run makes them."""
    parts = {
        "parameters": bundle.parameters,
        "the replay's manifest": bundle.manifest,
        "the ledger": bundle.ledger,
        "the result tables": bundle.tables or None,
        "the quality checks": bundle.quality,
    }
    return [name for name, part in parts.items() if part is None]


def _sample(bundle: Bundle, sample: Sample) -> dict[str, Any]:
    total = bundle.tables[sample.table].num_rows
    return {"sample": sample, "total": total, **text.shown(sample.columns, sample.choose(bundle))}


def _image(png: bytes | None) -> dict[str, Any]:
    """A picture as a data address, with its size in pixels as its header says it."""
    if not png:
        return {"image": None}
    width, height = struct.unpack(">II", png[16:24])
    address = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return {"image": address, "width": width, "height": height}

"""Comparing the counts: what was sent must equal what came out, row for row and batch for batch."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from streamweir.contracts.rejected import Reason
from streamweir.contracts.runs import Run
from streamweir.contracts.tables import Input, Pipeline, Role, Stage
from streamweir.ledger.counts import Held, Ints, Kept, Sent, Tally
from streamweir.ledger.values import Batches, Check, Ledger, Line, Lines

_OF_CONTEXT = (Reason.MALFORMED, Reason.LATE)
_REASONS = {
    Role.CONTEXT: _OF_CONTEXT,
    Role.SCORED: (*_OF_CONTEXT, Reason.UNSCORABLE, Reason.DUPLICATE),
    Role.COUNTED: (*_OF_CONTEXT, Reason.UNSCORABLE, Reason.DUPLICATE),
    Role.STORED: (Reason.MALFORMED,),
}
"""The reasons for which a row of an input may be missing from what was worked on."""

Counted = Mapping[str, tuple[Held, Kept]]
"""What broker and tables say of each stage, by its name. What a replay wrote is the same in each."""


def account(run: Run, pipeline: Pipeline, sent: Sent, counts: Counted) -> Ledger:
    """The ledger of a run. It judges nothing away: a difference anywhere makes `ok` false."""
    # What Kafka or the tables know and the producer does not: each row of such a batch is unexplained.
    unknown = _unknown(sent, counts)
    batches = Batches(
        _joined(sent.index, unknown),
        _joined(sent.sequence, np.full_like(unknown, -1)),
        _joined(sent.ts, np.zeros_like(unknown)),
        sent.facts,
        {
            stage.named(read.topic.name): _lines(read, sent, *counts[stage.name], unknown)
            for stage in pipeline.stages
            for read in stage.reads
            if read.topic.name in sent.rows
        },
    )
    held, kept = zip(*counts.values(), strict=True)
    return Ledger(
        run=run.id,
        stream=run.stream.id,
        batches=batches,
        totals={
            **{name: lines.line() for name, lines in batches.topics.items()},
            **_handed_on(pipeline, sent, counts),
        },
        checks=tuple(_checks(pipeline, sent, counts)),
        next_sequence=min(each.next_sequence for each in held),
        foreign=sum(max(each.foreign[topic] for each in kept) for topic in sent.rows),
        examples={
            (stage.named(topic), reason): example
            for stage in pipeline.stages
            for (topic, reason), example in counts[stage.name][1].examples.items()
        },
        flush=sum(held[0].flushes.values()),
        waiting=max(
            sum(counts[stage.name][0].waiting[read.topic.name] for read in stage.reads)
            for stage in pipeline.stages
        ),
        dropped_by_watermark=sum(each.dropped_by_watermark for each in kept),
        names_stages=any(stage.name for stage in pipeline.stages),
    )


def _lines(read: Input, sent: Sent, held: Held, kept: Kept, unknown: Ints) -> Lines:
    def per_batch(tally: Tally | None) -> Ints:
        if tally is None:
            # Zeros that take no memory: most reasons do not occur.
            return np.broadcast_to(np.int64(0), len(sent.index) + len(unknown))
        return _joined(tally.per_batch(sent.index), tally.per_batch(unknown))

    name = read.topic.name
    produced = _joined(sent.rows[name], np.zeros_like(unknown))
    redriven, worked = per_batch(held.redriven.get(name)), per_batch(kept.worked.get(name))
    rejected = {reason: per_batch(kept.rejected.get((name, reason))) for reason in _REASONS[read.role]}
    return Lines(
        worked_as=read.role.worked_as,
        produced=produced,
        in_kafka=per_batch(held.rows.get(name)),
        redriven=redriven,
        worked=worked,
        rejected=rejected,
        unexplained=_less(produced + redriven, (worked, *rejected.values())),
    )


def _handed_on(pipeline: Pipeline, sent: Sent, counts: Counted) -> dict[str, Line]:
    """The lines of inputs that other stages write: their tables say what was produced, batches do not."""
    written: defaultdict[str, list[tuple[Held, Kept]]] = defaultdict(list)
    for stage in pipeline.stages:
        for topic in stage.writes:
            written[topic.name].append(counts[stage.name])
    return {
        stage.named(read.topic.name): _line(read, written[read.topic.name], counts[stage.name][1])
        for stage in pipeline.stages
        for read in stage.reads
        if read.topic.name not in sent.rows
    }


def _line(read: Input, written: Sequence[tuple[Held, Kept]], kept: Kept) -> Line:
    name = read.topic.name
    produced, worked = sum(by.table_rows[name] for _, by in written), _total(kept.worked.get(name))
    rejected = {reason: _total(kept.rejected.get((name, reason))) for reason in _REASONS[read.role]}
    return Line(
        worked_as=read.role.worked_as,
        produced=produced,
        in_kafka=sum(held.published[name] for held, _ in written),
        redriven=0,
        worked=worked,
        rejected=rejected,
        unexplained=produced - worked - sum(rejected.values()),
    )


def _total(tally: Tally | None) -> int:
    return 0 if tally is None else tally.total


def _less(rows: Ints, others: Iterable[Ints]) -> Ints:
    """What is left, in place: each copy would be of millions of batches."""
    for other in others:
        rows -= other
    return rows


def _joined(known: Ints, unknown: Ints) -> Ints:
    """One after the other; no copy of millions of batches where there is nothing to add."""
    return np.concatenate([known, unknown]) if len(unknown) else known


def _unknown(sent: Sent, counts: Counted) -> Ints:
    found = set[int]()
    for held, kept in counts.values():
        tallies = [*held.rows.items(), *held.redriven.items(), *kept.worked.items()]
        tallies += [(topic, tally) for (topic, _), tally in kept.rejected.items()]
        found.update(*(tally.others(sent.index) for topic, tally in tallies if topic in sent.rows))
    return np.array(sorted(found), np.int64)


def _checks(pipeline: Pipeline, sent: Sent, counts: Counted) -> Iterator[Check]:
    held, _ = next(iter(counts.values()))
    yield Check("batches in the replay's manifest and in its list", sent.manifest_batches, len(sent.index))
    for topic in pipeline.inputs:
        name, rows = topic.name, int(sent.rows[topic.name].sum())
        yield Check(
            f"{name}: rows in the manifest and in the list",
            sent.manifest_rows[name],
            rows,
        )
        yield Check(f"{name}: messages sent and in Kafka", len(sent.index), held.messages[name])
        yield Check(f"{name}: rows sent and in Kafka", rows, held.rows[name].total)
        yield Check(f"{name}: flush messages sent and in Kafka", sent.flushes, held.flushes[name])
    for stage in pipeline.stages:
        yield from _checks_of(stage, *counts[stage.name])


def _checks_of(stage: Stage, held: Held, kept: Kept) -> Iterator[Check]:
    """What a stage says of itself, beside what Kafka holds."""
    for name, published in held.published.items():
        yield Check(
            f"{stage.named(name)}: rows in the table and on the topic", kept.table_rows[name], published
        )
    whose = f"{stage.name}: " if stage.name else ""
    yield Check(
        f"{whose}foreign messages in Kafka and in the table of rejected records",
        sum(held.foreign[read.topic.name] for read in stage.reads),
        kept.foreign.total(),
    )
    yield Check(f"{whose}rows dropped by Spark's watermark, and expected", kept.dropped_by_watermark, 0)

"""Comparing the counts: what was sent must equal what came out, row for row and batch for batch."""

from collections.abc import Iterable, Iterator

import numpy as np

from streamweir.contracts.rejected import Reason
from streamweir.contracts.runs import Run
from streamweir.contracts.tables import Input, Pipeline, Role
from streamweir.ledger.counts import Held, Ints, Kept, Sent, Tally
from streamweir.ledger.values import Batches, Check, Ledger, Lines

_OF_CONTEXT = (Reason.MALFORMED, Reason.LATE)
_REASONS = {
    Role.CONTEXT: _OF_CONTEXT,
    Role.SCORED: (*_OF_CONTEXT, Reason.UNSCORABLE, Reason.DUPLICATE),
    Role.COUNTED: (*_OF_CONTEXT, Reason.UNSCORABLE, Reason.DUPLICATE),
}
"""The reasons for which a row of an input may be missing from what was worked on."""


def account(run: Run, pipeline: Pipeline, sent: Sent, held: Held, kept: Kept) -> Ledger:
    """The ledger of a run. It judges nothing away: a difference anywhere makes `ok` false."""
    # What Kafka or the tables know and the producer does not: each row of such a batch is unexplained.
    unknown = _unknown(sent, held, kept)
    batches = Batches(
        _joined(sent.index, unknown),
        _joined(sent.sequence, np.full_like(unknown, -1)),
        _joined(sent.ts, np.zeros_like(unknown)),
        sent.facts,
        {read.topic.name: _lines(read, sent, held, kept, unknown) for read in pipeline.reads},
    )
    return Ledger(
        run=run.id,
        stream=run.stream.id,
        batches=batches,
        totals={name: lines.line() for name, lines in batches.topics.items()},
        checks=tuple(_checks(pipeline, sent, held, kept)),
        next_sequence=held.next_sequence,
        foreign=kept.foreign,
        examples=kept.examples,
        flush=sum(held.flushes.values()),
        waiting=sum(held.waiting.values()),
        dropped_by_watermark=kept.dropped_by_watermark,
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


def _less(rows: Ints, others: Iterable[Ints]) -> Ints:
    """What is left, in place: each copy would be of millions of batches."""
    for other in others:
        rows -= other
    return rows


def _joined(known: Ints, unknown: Ints) -> Ints:
    """One after the other; no copy of millions of batches where there is nothing to add."""
    return np.concatenate([known, unknown]) if len(unknown) else known


def _unknown(sent: Sent, held: Held, kept: Kept) -> Ints:
    counted = (held.rows, held.redriven, kept.worked, kept.rejected)
    others = (tally.others(sent.index) for tallies in counted for tally in tallies.values())
    return np.array(sorted(set().union(*others)), np.int64)


def _checks(pipeline: Pipeline, sent: Sent, held: Held, kept: Kept) -> Iterator[Check]:
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
    for name, published in held.published.items():
        yield Check(f"{name}: rows in the table and on the topic", kept.table_rows[name], published)
    yield Check("foreign messages in Kafka and in the table of rejected records", held.foreign, kept.foreign)
    yield Check("rows dropped by Spark's watermark, and expected", kept.dropped_by_watermark, 0)

"""Comparing the counts: what was sent must equal what came out, row for row and batch for batch."""

from collections.abc import Iterator

from streamweir.contracts.rejected import Reason
from streamweir.contracts.streams import Run
from streamweir.contracts.tables import Pipeline, Topic
from streamweir.ledger.counts import Held, Kept, Sent, SentBatch
from streamweir.ledger.values import BatchLine, Check, Ledger, Line

_REASONS = (Reason.MALFORMED, Reason.LATE, Reason.UNSCORABLE, Reason.DUPLICATE)
_REASONS_OF_USED = (Reason.MALFORMED, Reason.LATE)


def account(run: Run, pipeline: Pipeline, sent: Sent, held: Held, kept: Kept) -> Ledger:
    """The ledger of a run. It judges nothing away: a difference anywhere makes `ok` false."""
    batches = tuple(
        BatchLine(
            batch.index,
            batch.sequence,
            batch.ts,
            batch.facts,
            {topic.name: _line(pipeline, topic, batch, held, kept) for topic in pipeline.inputs},
        )
        for batch in (*sent.batches, *_unknown_batches(sent, held, kept))
    )
    return Ledger(
        run=run.id,
        stream=run.stream.id,
        batches=batches,
        totals={
            topic.name: Line.together([batch.topics[topic.name] for batch in batches])
            for topic in pipeline.inputs
        },
        checks=tuple(_checks(pipeline, sent, held, kept)),
        next_sequence=held.next_sequence,
        foreign=kept.foreign,
        examples=kept.examples,
        flush=sum(held.flushes.values()),
        waiting=sum(held.waiting.values()),
        dropped_by_watermark=kept.dropped_by_watermark,
    )


def reasons_of(pipeline: Pipeline, topic: Topic) -> tuple[Reason, ...]:
    """The reasons for which a row of the topic may be missing from its table."""
    return _REASONS if topic == pipeline.scored else _REASONS_OF_USED


def _line(pipeline: Pipeline, topic: Topic, batch: SentBatch, held: Held, kept: Kept) -> Line:
    cell = (topic.name, batch.index)
    produced, redriven, worked = batch.rows.get(topic.name, 0), held.redriven[cell], kept.worked[cell]
    rejected = {reason: kept.rejected[(*cell, reason)] for reason in reasons_of(pipeline, topic)}
    return Line(
        worked_as="used" if topic in pipeline.counted else "scored",
        produced=produced,
        in_kafka=held.rows[cell],
        redriven=redriven,
        worked=worked,
        rejected=rejected,
        unexplained=produced + redriven - worked - sum(rejected.values()),
    )


def _unknown_batches(sent: Sent, held: Held, kept: Kept) -> Iterator[SentBatch]:
    """Batches that Kafka or the tables know and the producer does not: each row of theirs is unexplained."""
    known = {batch.index for batch in sent.batches}
    seen = {key[1] for counts in (held.rows, held.redriven, kept.worked, kept.rejected) for key in counts}
    for index in sorted(seen - known):
        yield SentBatch(index, sequence=-1, ts=0, rows={}, facts={})


def _checks(pipeline: Pipeline, sent: Sent, held: Held, kept: Kept) -> Iterator[Check]:
    yield Check("batches in the replay's manifest and in its list", sent.manifest_batches, len(sent.batches))
    for topic in pipeline.inputs:
        name = topic.name
        in_kafka = sum(rows for (of, _), rows in held.rows.items() if of == name)
        yield Check(
            f"{name}: rows in the manifest and in the list",
            sent.manifest_rows[name],
            sent.rows(name),
        )
        yield Check(f"{name}: messages sent and in Kafka", len(sent.batches), held.messages[name])
        yield Check(f"{name}: rows sent and in Kafka", sent.rows(name), in_kafka)
        yield Check(f"{name}: flush messages sent and in Kafka", sent.flushes, held.flushes[name])
    for name, published in held.published.items():
        yield Check(f"{name}: rows in the table and on the topic", kept.table_rows[name], published)
    yield Check("foreign messages in Kafka and in the table of rejected records", held.foreign, kept.foreign)
    yield Check("rows dropped by Spark's watermark, and expected", kept.dropped_by_watermark, 0)

"""Records of a run that is past are deleted from a stream whose scorer goes on."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamweir.broker.records import log_start, read_topic
from streamweir.commands.rejected import app
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.runs import Run
from streamweir.errors import BadConfiguration
from streamweir.purge import purge
from streamweir.redrive.records import rejected_records
from streamweir.replay.plan import Plan, Request
from streamweir.replay.produced import Manifest
from streamweir.replay.replayer import replay
from streamweir.scorer.launch import log_folder
from tests.integration.test_named_stream import with_new_ids
from tests.support.scoring import Scoring

BATCHES = 10
LATE_BATCH = 3
MESSAGES = 6
"""In a micro-batch: what the last one of a run published stays as long as the next run's."""
KEEP = timedelta(days=7)


def test_a_stream_goes_on_when_the_records_of_its_first_run_are_deleted(
    scoring: Scoring, make_run: Callable[[], Run], tmp_path: Path, environment: None
) -> None:
    first = make_run()
    second, third = (Run(first.stream, name) for name in ("second", "third"))
    folders = folders_of(scoring, tmp_path)
    scoring.begin(first.stream, lateness_s=3, max_messages=MESSAGES)
    for run in (first, second):
        worked_on(scoring, run, next(folders))
    # What validation leaves behind.
    scoring.store.put_json(first.recomputed, {"next_sequence": plan_of(scoring, second).first_sequence})

    names = [topic.of(first.stream) for topic in PIPELINE.inputs] + [first.stream.topic("predictions")]
    before = {name: Counter(runs_in(scoring, name)) for name in names}
    said = list(purge(scoring.servers.kafka, scoring.store, first.stream, datetime.now(UTC) + KEEP, KEEP))
    assert [name for name in names if not any(name in sentence for sentence in said)] == []
    after = {name: Counter(runs_in(scoring, name)) for name in names}
    for name in names:
        assert after[name][second.id] == before[name][second.id] > 10
        assert after[name][first.id] < before[name][first.id] / 2
    for topic in PIPELINE.inputs:
        start = log_start(scoring.servers.kafka, topic.of(first.stream))
        assert start == plan_of(scoring, second).offsets[topic.name]
        assert after[topic.of(first.stream)][first.id] == 0

    scoring.stop(first.stream)
    scoring.begin(first.stream, lateness_s=3, max_messages=MESSAGES)
    worked_on(scoring, third, next(folders))
    assert len(list(log_folder(scoring.work, first.stream).glob("*.json"))) == 1
    assert scoring.reconcile(second).ok
    with pytest.raises(BadConfiguration, match=f"records of run {first.id} were deleted .* stays as it is"):
        scoring.reconcile(first)
    late = [str(one.place) for one in rejected_records(scoring.store, first.stream, first.id)]
    assert len(late) > 5
    answer = CliRunner().invoke(app, ["redrive", late[0], "--stream", first.stream.id])
    assert "has lost the message" in str(answer.exception)


def folders_of(scoring: Scoring, work: Path) -> Iterator[Path]:
    """The dataset again and again, each time with other transactions."""
    folder = scoring.folder
    for number in range(3):
        yield folder
        folder = with_new_ids(folder, work / str(number))


def worked_on(scoring: Scoring, run: Run, folder: Path) -> None:
    """Send a run with a late batch, have it scored, and account for it."""
    request = Request("f" * 64, speed=0, late={LATE_BATCH: 5})
    sent: Manifest = replay(run, request, kafka=scoring.servers.kafka, store=scoring.store, folder=folder)
    scoring.await_sequence(run.stream, sent.flush_sequence)
    totals = scoring.reconcile(run).totals["transactions"]
    assert min(totals.worked, totals.rejected["late"]) > 5


def plan_of(scoring: Scoring, run: Run) -> Plan:
    return Plan.from_json(scoring.store.get_json(run.plan))


def runs_in(scoring: Scoring, topic: str) -> Iterator[str]:
    for record in read_topic(scoring.servers.kafka, topic):
        yield dict(record.raw_headers)["run"].decode()

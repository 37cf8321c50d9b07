"""Transactions: only an answer is a commit, and there is time for a large one on a busy machine."""

import threading
from types import SimpleNamespace
from typing import Any

import kafka
import pytest
from kafka import errors

from streamweir.broker import transactions
from streamweir.broker.clients import producer
from streamweir.broker.records import STALL_S
from streamweir.broker.transactions import COMMIT_S, TransactionalWriter
from streamweir.connections import KafkaConnection

CONNECTION = KafkaConnection("broker:9092")


def writer(monkeypatch: pytest.MonkeyPatch, commit: Any) -> TransactionalWriter:
    made = SimpleNamespace(
        init_transactions=lambda: None, flush=lambda timeout: None, commit_transaction=commit
    )
    monkeypatch.setattr(transactions, "producer", lambda *_: made)
    return TransactionalWriter(CONNECTION, "id")


@pytest.mark.parametrize(
    "fault", [errors.KafkaTimeoutError("no answer"), RuntimeError("a bug"), SystemExit(1)]
)
def test_whatever_keeps_a_commit_from_being_answered_is_raised(
    monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    def commit() -> None:
        raise fault

    with pytest.raises(type(fault)):
        writer(monkeypatch, commit).commit()


def test_a_commit_without_an_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "COMMIT_S", 0.01)
    hangs = writer(monkeypatch, threading.Event().wait)
    with pytest.raises(errors.KafkaTimeoutError, match=r"no answer within 0\.01 s"):
        hangs.commit()


def test_a_large_transaction_has_a_minute_and_readers_wait_longer_than_it_may_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: dict[str, Any] = {}
    monkeypatch.setattr(kafka, "KafkaProducer", lambda **settings: made.update(settings))
    producer(CONNECTION, "id")
    assert min(COMMIT_S * 1000, made["delivery_timeout_ms"], made["transaction_timeout_ms"]) >= 60_000
    # Kafka's own check comes every 10 s.
    assert made["transaction_timeout_ms"] + 10_000 < STALL_S * 1000

"""Clients that cannot reach Kafka."""

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from kafka.errors import KafkaError

from streamweir.broker import clients
from streamweir.broker.clients import admin, consumer
from streamweir.connections import KafkaConnection


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if "kafka" in thread.name}


@pytest.mark.parametrize("make", [consumer, admin])
def test_a_client_that_cannot_be_made_leaves_no_thread_behind(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[KafkaConnection], Any]
) -> None:
    monkeypatch.setitem(clients._CLIENT, "bootstrap_timeout_ms", 200)
    before = threads()
    # Bound and not listening: whoever calls is refused, and nobody else can have the port meanwhile.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises((KafkaError, OSError)):
            make(KafkaConnection(f"127.0.0.1:{taken.getsockname()[1]}"))
    assert threads() == before

"""Streams on the test stack."""

import uuid
from collections.abc import Iterator

import pytest

from streamweir.broker.topics import delete, provision
from streamweir.connections import KafkaConnection
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.streams import Stream
from streamweir.objectstore import ObjectStore


@pytest.fixture
def stream(kafka: KafkaConnection, store: ObjectStore) -> Iterator[Stream]:
    """A stream with its topics, of which nothing is left afterwards."""
    made = Stream(PIPELINE.name, f"test-{uuid.uuid4().hex[:12]}")
    provision(kafka, made, PIPELINE)
    yield made
    delete(kafka, made)
    store.delete_folder(made.root)

"""What all tests share: where Java and Spark are, and one stack for those that need real servers."""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from rich.console import Console

from infra import environment
from infra.layout import Layout
from infra.plan import installed_tools
from infra.ports import free_ports
from infra.running import RunningSettings
from infra.stack import Stack
from infra.starting import Board
from streamweir.connections import KafkaConnection, StoreConnection
from streamweir.objectstore import ObjectStore
from streamweir.settings import Settings

TEST_STACK = "STREAMWEIR_TEST_STACK"
"""The state folder of a running stack to test on, instead of starting one for the tests."""

_PORTS = ("kafka_port", "kafka_controller_port", "minio_port", "minio_console_port", "airflow_port")


def pytest_configure(config: pytest.Config) -> None:
    """Let Spark find this Python and the Java that set-up has chosen."""
    os.environ.update(environment.programs(Layout(Path("/nowhere")), installed_tools()))
    del os.environ["STREAMWEIR_WORK"]
    # A busy machine is no reason to fail: no test asserts a time.
    slow = [hypothesis.HealthCheck.too_slow]
    hypothesis.settings.register_profile("any machine", deadline=None, suppress_health_check=slow)
    hypothesis.settings.load_profile("any machine")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with ports and state of its own: a running one is not touched. Ended after the tests."""
    given = os.environ.get(TEST_STACK)
    if given:
        yield Stack(RunningSettings(Layout(Path(given).absolute())).load())
        return
    ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    made = Stack(Settings.load(var=tmp_path_factory.mktemp("stack"), **ports))
    board = Board(Console())
    try:
        made.up(board)
        yield made
    finally:
        made.down(board)


@pytest.fixture(scope="session")
def kafka_connection(stack: Stack) -> KafkaConnection:
    """The test stack's broker."""
    return environment.kafka_connection(stack.settings)


@pytest.fixture(scope="session")
def kafka(kafka_connection: KafkaConnection) -> KafkaConnection:
    """The test stack's broker, under its short name."""
    return kafka_connection


@pytest.fixture(scope="session")
def store_connection(stack: Stack) -> StoreConnection:
    """The test stack's object store, with the tasks' account."""
    return environment.tasks_store(stack.settings, stack.secrets)


@pytest.fixture(scope="session")
def store(store_connection: StoreConnection) -> ObjectStore:
    """The test stack's object store, with the tasks' account."""
    return ObjectStore(store_connection)


@pytest.fixture(scope="session")
def scorer_store_connection(stack: Stack) -> StoreConnection:
    """The test stack's object store, with the scorer's account."""
    return environment.scorer_store(stack.settings, stack.secrets)

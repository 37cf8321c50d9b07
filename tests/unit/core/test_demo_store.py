"""Which store the demo looks into."""

from pathlib import Path
from subprocess import CompletedProcess
from types import SimpleNamespace
from typing import cast

import pytest

from infra.demo.store import store_of_tasks
from infra.environment import tasks_store
from infra.layout import Layout
from infra.secrets import Secrets
from infra.stack import Stack
from streamweir.errors import BadConfiguration
from streamweir.settings import Settings

NAMED = "AIRFLOW_CONN_MINIO_DEFAULT"


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    layout = Layout(tmp_path)
    layout.make()
    secrets = Secrets.load_or_generate(layout.secrets)
    made = SimpleNamespace(settings=Settings.load(var=tmp_path), layout=layout, secrets=secrets)
    return cast(Stack, made)


def test_it_is_the_one_that_the_tasks_write_to(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store_of_tasks(stack) == tasks_store(stack.settings, stack.secrets)
    monkeypatch.setenv(NAMED, "aws://me:hidden@elsewhere:9000/?secure=false&bucket_prefix=acme-")
    found = store_of_tasks(stack)
    assert (found.url, found.access_key, found.bucket_prefix) == ("http://elsewhere:9000", "me", "acme-")
    assert found.secret_key == "hidden"


def test_a_connection_that_says_too_little_is_named(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAMED, "aws://elsewhere:9000")
    failed = CompletedProcess([], 1, "", "Traceback ...\nBadConfiguration: minio_default needs a login\n")
    monkeypatch.setattr("subprocess.run", lambda *_, **__: failed)
    with pytest.raises(BadConfiguration, match=f"{NAMED} does not say where.*needs a login"):
        store_of_tasks(stack)

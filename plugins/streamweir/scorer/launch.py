"""Starting a stream's scorer, once: whoever asks while it runs, attaches to it."""

import os
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from streamweir.contracts.formats import stored_format
from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration, Retryable
from streamweir.objectstore import ObjectStore, to_json
from streamweir.scorer import stop
from streamweir.scorer.driver import rotate
from streamweir.scorer.health import Found, find
from streamweir.scorer.spec import ScorerSpec, Servers
from streamweir.scorer.status import State, Status, starting, to_bytes, touched, write
from streamweir.variables import DATABASE_URL, PREFIX, SPARK_CONF, SPARK_MASTER, STAGE

FORMAT = 1
"""Of what is stored as a scorer's settings; the first ones of it do not say so."""
_INHERITED = ("PATH", "HOME", "LANG", "JAVA_HOME", "SSL_CERT_FILE", "TMPDIR", "TZ")
_CONNECTIONS = f"{PREFIX}KAFKA_", f"{PREFIX}STORE_", DATABASE_URL, SPARK_MASTER, SPARK_CONF
_SECONDS_TO_STOP = 90
_LOOK_S = 1.0


@dataclass(frozen=True)
class Started:
    """A new scorer is on its way; its driver writes to `log`."""

    holder: str
    log: Path


@dataclass(frozen=True)
class Attached:
    """The stream has a scorer already; this is its status."""

    status: Status


def start(spec: ScorerSpec, servers: Servers, store: ObjectStore, work: Path) -> Started | Attached:
    """Start the scorer, detached from this process, unless the stream has one; does not wait for it.

    Of two callers at the same time one starts it, whatever their scorer ids. `work` is the folder for logs.
    Raises BadConfiguration when the running one scores with another model, dataset or setting, and Retryable
    when it is stopping and takes too long, or when no process can be started.
    """
    found = _settled(store, spec.stream)
    if found.status is not None and found.alive:
        return _attach(store, found.status, spec)
    holder = f"{spec.scorer}-{uuid.uuid4().hex[:8]}"
    if not _claim(store, spec, holder, found):
        return start(spec, servers, store, work)
    store.put_json(spec.stream.settings, {"format": FORMAT, "holder": holder, "settings": spec.settings})
    try:
        return Started(holder, _launch(spec, servers, holder, work))
    except (OSError, subprocess.CalledProcessError) as error:
        # Without this everybody would wait for a scorer that nobody starts.
        problem = f"its keeper cannot be started: {error}"
        failed = touched(starting(spec, holder, found.status), state=State.FAILED, error=problem, exit_code=1)
        write(store, spec.stream, failed)
        raise Retryable(f"scorer of stream {spec.stream}: {problem}") from error


def log_folder(work: Path, stream: Stream) -> Path:
    """Where the scorers that this machine starts for a stream keep their logs."""
    return work.resolve() / "scorers" / str(stream)


def environment(servers: Servers, inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """All that a scorer's process is given: nothing of Airflow's, and no connection but the scorer's own."""
    kept = {
        name: value
        for name, value in inherited.items()
        if name in _INHERITED or (name.startswith(PREFIX) and not name.startswith(_CONNECTIONS))
    }
    python = {
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "PYTHONUNBUFFERED": "1",
    }
    here = {"SPARK_LOCAL_IP": "127.0.0.1"} if servers.spark.master.startswith("local") else {}
    return {**kept, **python, **here, **servers.to_env()}


def _settled(store: ObjectStore, stream: Stream) -> Found:
    """The stream's status, once it is not that of a scorer which is just stopping."""
    tries = Retrying(
        retry=retry_if_result(lambda found: found.alive and _stopping(store, stream, found.status)),
        wait=wait_fixed(_LOOK_S),
        stop=stop_after_delay(_SECONDS_TO_STOP),
        retry_error_callback=lambda _: _refuse(stream),
    )
    settled: Found = tries(find, store, stream)
    return settled


def _stopping(store: ObjectStore, stream: Stream, status: Status) -> bool:
    return status.state == State.STOPPING or stop.requested(store, stream, status.holder)


def _refuse(stream: Stream) -> None:
    raise Retryable(
        f"the scorer of stream {stream} is still stopping after {_SECONDS_TO_STOP} s: try again later"
    )


def _attach(store: ObjectStore, status: Status, spec: ScorerSpec) -> Attached:
    settings = _settings(store, status, spec)
    for name, running, wanted in (
        ("dataset", status.dataset, spec.dataset),
        ("model", status.model_version, spec.model),
        *((name, settings.get(name), wanted) for name, wanted in spec.settings.items()),
    ):
        if running != wanted:
            raise BadConfiguration(
                f"the scorer of stream {spec.stream} runs with {name} {running}, not {wanted}: "
                f"ask for {running}, or stop it first"
            )
    return Attached(status)


def _settings(store: ObjectStore, status: Status, spec: ScorerSpec) -> Mapping[str, Any]:
    """What the running scorer counts with; what the caller wants while it has just claimed the stream."""
    found = store.get_json(spec.stream.settings)
    stored_format(found or {}, FORMAT, str(spec.stream.settings), "take another stream id")
    settings: Mapping[str, Any] = spec.settings
    return found["settings"] if found and found["holder"] == status.holder else settings


def _claim(store: ObjectStore, spec: ScorerSpec, holder: str, found: Found) -> bool:
    status = to_bytes(starting(spec, holder, found.status))
    if found.etag is None:
        return store.put_if_absent(spec.stream.status, status) is not None
    return store.put_if_match(spec.stream.status, status, found.etag) is not None


def _launch(spec: ScorerSpec, servers: Servers, holder: str, work: Path) -> Path:
    folder = log_folder(work, spec.stream)
    folder.mkdir(parents=True, exist_ok=True)
    rotate(folder / "keeper.log")
    # Nobody starts the earlier scorers again.
    for old in folder.glob("*.json"):
        old.unlink()
    described = folder / f"{holder}.json"
    described.write_bytes(to_json(spec.to_json()))
    argv = [sys.executable, "-m", "streamweir.scorer.keeper"]
    with (folder / "keeper.log").open("ab") as log:
        subprocess.run(
            [*argv, "--spec", str(described), "--holder", holder, "--detach"],
            env={**environment(servers), STAGE: str(spec.stream)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            check=True,
        )
    return folder / "scorer.log"

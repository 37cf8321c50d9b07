"""A version to measure: its checkout, its stack and its programs, by what every version offers its users.

That is `make setup`, `python -m infra up` and `down` with settings in the environment, `var/env`, the DAGs
by Airflow's REST API, `python -m streamweir.replay`, `python -m streamweir.scorer.keeper`, and what they
leave: manifests, commit records, topics. Nothing else of a version is looked at, so that it may be written in
any way.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from dotenv import dotenv_values
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from infra import processes
from infra.bootstrap.cache import cache_root
from infra.demo.airflow_api import AirflowApi
from streamweir.connections import KafkaConnection, StoreConnection
from streamweir.contracts.models import ModelKeys
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.errors import RunFailed
from streamweir.objectstore import ObjectStore
from streamweir.variables import STACK

PORTS = ("KAFKA", "KAFKA_CONTROLLER", "MINIO", "MINIO_CONSOLE", "AIRFLOW")
_PATIENCE_S = 3600
_SECONDS_TO_STOP = 90
_END = 2000
_MANIFEST = "manifest: "


@dataclass(frozen=True)
class Replayed:
    """A replay that has ended: its manifest, and the CPU seconds of its program, start to end."""

    manifest: Mapping[str, Any]
    cpu_s: float


class Version:
    """A checkout with a stack of its own, whose state is in `var`. ports: by the names of PORTS."""

    def __init__(self, name: str, checkout: Path, var: Path, ports: Mapping[str, int]) -> None:
        self.name, self.var = name, var
        self._checkout, self._ports = checkout, ports

    @contextmanager
    def up(self) -> Iterator[None]:
        """Its stack, for as long as the block runs."""
        try:
            self._run(self._alone(), "infra", "up")
            yield
        finally:
            # A second Ctrl-C would leave half of it.
            heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
            try:
                self._run(self._alone(), "infra", "down")
            finally:
                signal.signal(signal.SIGINT, heard)

    @property
    def kafka(self) -> KafkaConnection:
        """Its broker."""
        return KafkaConnection.from_env(self._said())

    @property
    def store(self) -> ObjectStore:
        """Its object store."""
        return ObjectStore(StoreConnection.from_env(self._said()))

    def run_dag(self, dag: str, params: dict[str, Any]) -> None:
        """Run a DAG to its end; raises RunFailed, which names the tasks, when it fails."""
        secrets, run = dotenv_values(self.var / "secrets.env"), f"bench-{int(time.time())}"
        url = f"http://127.0.0.1:{self._ports['AIRFLOW']}"
        airflow = AirflowApi(url, str(secrets["AIRFLOW_ADMIN_USER"]), str(secrets["AIRFLOW_ADMIN_PASSWORD"]))
        try:
            airflow.trigger(dag, run, params)
            state = waited_for(lambda: _ended(airflow.run_state(dag, run)), f"the DAG {dag}")
            failed = [task.task for task in airflow.tasks(dag, run) if task.state == "failed"]
        finally:
            airflow.close()
        if state != "success":
            raise RunFailed(
                f"{self.name}: the DAG {dag} failed in {', '.join(failed)}; logs are in {self.var}"
            )

    def scorer_spec(self, pipeline: str) -> dict[str, Any]:
        """What the pipeline's last DAG run asked its scorer to do, as the keeper takes it."""
        written = (self.var / "work" / "scorers").glob(f"{pipeline}.*/*.json")
        newest = max(written, key=lambda path: path.stat().st_mtime, default=None)
        if newest is None:
            raise RunFailed(f"{self.name}: no DAG run has started a scorer of {pipeline}")
        return json.loads(newest.read_text())

    def model(self, pipeline: str) -> str:
        """The version of its champion; nothing for a pipeline without one."""
        champion = self.store.get_json(ModelKeys(pipeline).champion)
        return str(champion["version"]) if champion else ""

    def replay(self, stream: Stream, dataset: str, *options: str) -> Replayed:
        """Replay a dataset that is in the object store to a stream, which is made when it is not there."""
        before = os.times()
        with self.replaying(stream, dataset, *options) as manifest:
            found, after = manifest(), os.times()
        return Replayed(found, sum(after[2:4]) - sum(before[2:4]))

    @contextmanager
    def replaying(
        self, stream: Stream, dataset: str, *options: str
    ) -> Iterator[Callable[[], Mapping[str, Any]]]:
        """A replay that goes on beside the block, which gets a function that waits for its manifest."""
        place = f"--pipeline={stream.pipeline}", f"--stream={stream.id}", f"--run={stream.id}"
        asked = (*place, f"--dataset={dataset}", *options)
        with self._running(self._beside(), "streamweir.replay", *asked) as output:

            def manifest() -> Mapping[str, Any]:
                written = next(line for line in output().splitlines() if line.startswith(_MANIFEST))
                found: Mapping[str, Any] = self.store.get_json(
                    ObjectKey(*written.removeprefix(_MANIFEST).split("/", 1))
                )
                return found

            yield manifest

    @contextmanager
    def scorer(self, stream: Stream, spec: Mapping[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
        """A scorer's keeper, whose descendants are the driver, its JVM and Python's workers."""
        folder = self.var / "work" / "scorers" / str(stream)
        folder.mkdir(parents=True)
        described = folder / "bench.json"
        asked = {**spec, "scorer": stream.id, "stream": {**spec["stream"], "id": stream.id}}
        described.write_text(json.dumps(asked))
        module = "streamweir.scorer.keeper"
        argv = [self._python, "-m", module, f"--spec={described}", f"--holder={stream.id}"]
        with (folder / "keeper.log").open("wb") as log:
            keeper = subprocess.Popen(
                argv, cwd=self._checkout, env=self._beside() | {STACK: str(self.var)},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
            try:
                yield keeper
            finally:
                _end(keeper)

    @property
    def _python(self) -> str:
        return str(self._checkout / ".venv" / "bin" / "python")

    def _run(self, env: Mapping[str, str], module: str, *arguments: str) -> str:
        """Run one of its programs; returns what it printed."""
        with self._running(env, module, *arguments) as output:
            return output()

    @contextmanager
    def _running(self, env: Mapping[str, str], module: str, *arguments: str) -> Iterator[Callable[[], str]]:
        """A program that is ended with the block, which gets a function that waits for what it prints."""
        self.var.mkdir(parents=True, exist_ok=True)
        # In a session of its own: Ctrl-C is for this process, which then ends the others in order.
        with (
            (self.var / "bench.log").open("a+b") as log,
            subprocess.Popen(
                [self._python, "-m", module, *arguments], cwd=self._checkout, env=env,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
            ) as process,
        ):  # fmt: skip

            def output() -> str:
                printed, _ = process.communicate()
                if process.returncode:
                    log.seek(0)
                    told = (printed + log.read())[-_END:].decode(errors="replace")
                    raise RunFailed(f"{self.name}: {module} ended with {process.returncode}:\n{told}")
                return printed.decode()

            try:
                yield output
            finally:
                if process.poll() is None:
                    process.kill()

    def _alone(self) -> dict[str, str]:
        """Nothing of this process's own settings, but where its cache is."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("STREAMWEIR_", "AIRFLOW_", "PYTHON", "SPARK_", "PYSPARK_"))
        }
        ports = {f"STREAMWEIR_{name}_PORT": str(port) for name, port in self._ports.items()}
        folders = {"STREAMWEIR_VAR": str(self.var), "STREAMWEIR_CACHE": str(cache_root())}
        return {**kept, **ports, **folders, "COLUMNS": "200"}

    def _beside(self) -> dict[str, str]:
        """As a shell has it that sourced what `make up` wrote, with its Python and Java on the path."""
        said = self._said()
        path = f"{Path(self._python).parent}:{said['JAVA_HOME']}/bin:/usr/local/bin:/usr/bin:/bin"
        python = {"PYSPARK_DRIVER_PYTHON": said["PYSPARK_PYTHON"], "PYTHONUNBUFFERED": "1"}
        return {**self._alone(), **said, **python, "PATH": path}

    def _said(self) -> dict[str, str]:
        return {name: str(value) for name, value in dotenv_values(self.var / "env").items()}


def waited_for(look: Callable[[], Any], what: str) -> Any:
    """What `look` finds, as soon as it finds something; raises RunFailed after an hour."""
    tries = Retrying(
        retry=retry_if_result(lambda found: not found),
        wait=wait_fixed(0.5),
        stop=stop_after_delay(_PATIENCE_S),
        retry_error_callback=lambda _: _give_up(what),
    )
    return tries(look)


def _give_up(what: str) -> None:
    raise RunFailed(f"{what} did not come to an end within {_PATIENCE_S} s")


def _ended(state: str) -> str | None:
    return state if state in ("success", "failed") else None


def _end(keeper: subprocess.Popen[bytes]) -> None:
    """Let the scorer stop by itself; after a while, end it with all below it."""
    tree = psutil.Process(keeper.pid).children(recursive=True) if keeper.poll() is None else []
    keeper.terminate()
    try:
        keeper.wait(_SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        keeper.kill()
        processes.kill(tree)

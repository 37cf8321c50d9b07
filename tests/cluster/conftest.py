"""Servers as they are elsewhere, and a standalone Spark cluster whose workers know nothing of this clone."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil
import pytest
import urllib3
from tenacity import Retrying, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed

from infra.bootstrap.python_env import installer
from infra.layout import write_private
from infra.plan import installed_tools
from infra.ports import free_ports
from streamweir.connections import SparkConnection
from streamweir.scorer.package import NATIVE
from streamweir.settings import CHECKOUT
from tests.servers_elsewhere.conftest import authority, elsewhere, give, https_store

__all__ = ["authority", "elsewhere", "give", "https_store"]

_SECRET = "shared-by-all-of-the-cluster"
_NO_REST = "spark.master.rest.enabled false"  # It would take a port of its own.
_WITHIN_S = 120


@dataclass(frozen=True)
class Cluster:
    """Where the master is, the Python of its executors, and its workers' processes."""

    master: str
    python: Path
    workers: Sequence[psutil.Process]

    @property
    def connection(self) -> SparkConnection:
        """As `spark_default` would say it."""
        return SparkConnection(
            self.master,
            {
                "spark.authenticate.secret": _SECRET,
                "spark.pyspark.python": str(self.python),
                "spark.driver.host": "127.0.0.1",
                "spark.driver.bindAddress": "127.0.0.1",
                "spark.executor.cores": "1",
                "spark.executor.memory": "768m",
                "spark.cores.max": "2",
            },
        )

    def processes(self) -> list[psutil.Process]:
        """Executors and their Python workers."""
        return [process for worker in self.workers for process in _below(worker)]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A master and two workers of one core each."""
    folder = tmp_path_factory.mktemp("cluster")
    python = _environment(folder / "env")
    [home] = python.parents[1].glob("lib/python*/site-packages/pyspark")
    conf = folder / "spark.conf"
    write_private(conf, f"spark.authenticate true\nspark.authenticate.secret {_SECRET}\n{_NO_REST}\n")
    port, page = free_ports(2)
    master = ["org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", str(port)]
    worker = ["org.apache.spark.deploy.worker.Worker", "--host", "127.0.0.1", "--cores", "1"]
    worker += ["--memory", "1g", "--webui-port", "0", "--work-dir", str(folder / "work")]
    at = f"spark://127.0.0.1:{port}"
    with ExitStack() as running:

        def start(name: str, *words: str) -> psutil.Process:
            argv = [str(home / "bin" / "spark-class"), *words[:1], "--properties-file", str(conf), *words[1:]]
            return running.enter_context(_running(argv, home, folder / f"{name}.log"))

        start("master", *master, "--webui-port", str(page))
        made = Cluster(at, python, [start(f"worker-{n}", *worker, at) for n in range(2)])
        _await_workers(page, len(made.workers))
        yield made


def _environment(folder: Path) -> Path:
    """The Python of executors: Spark, and what `NATIVE` names, of the versions that the driver has."""
    uv, env = installer(CHECKOUT)
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], env=env, check=True)
    python = folder / "bin" / "python"
    wanted = [f"{name}=={version(name)}" for name in ("pyspark", *NATIVE)]
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *wanted], env=env, check=True)
    return python


@contextmanager
def _running(argv: Sequence[str], home: Path, log: Path) -> Iterator[psutil.Process]:
    java = installed_tools()["java_home"]
    env = {
        "PATH": "/usr/bin:/bin",
        "JAVA_HOME": str(java),
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "256m",
    }
    with log.open("wb") as output:
        process = psutil.Popen(argv, env=env, cwd=log.parent, stdout=output, stderr=output)
    try:
        yield process
    finally:
        left = [process, *_below(process)]
        for each in left:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(left, timeout=60)


def _below(process: psutil.Process) -> list[psutil.Process]:
    return process.children(recursive=True) if process.is_running() else []


def _await_workers(page: int, wanted: int) -> None:
    def registered() -> int:
        answer = urllib3.request("GET", f"http://127.0.0.1:{page}/json/", retries=False, timeout=5)
        return int(answer.json()["aliveworkers"])

    Retrying(
        # A page is there before what it shows: then it is no JSON.
        retry=retry_if_exception_type((urllib3.exceptions.HTTPError, ValueError))
        | retry_if_result(lambda found: found < wanted),
        wait=wait_fixed(0.3),
        stop=stop_after_delay(_WITHIN_S),
    )(registered)

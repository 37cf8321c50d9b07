"""The app that scores a run's rows again, as a process beside the checks."""

import logging
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from streamweir.connections import SparkConnection
from streamweir.errors import error_of
from streamweir.scorer import package
from streamweir.scorer.command import Installation, locate, spark_submit
from streamweir.scorer.driver import ERROR_PREFIX
from streamweir.scorer.launch import environment
from streamweir.scorer.spec import Servers
from streamweir.work import work_folder

_MASTER = "local[1]"
"""Whatever master the scorer has: the rows fit one machine, and the checks want its second core."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scoring:
    """Which model scores. model: its version. time_zone: the session's, as in the stream. fraud_label: the
    label that means fraud, where the run names one."""

    pipeline: str
    model: str
    time_zone: str
    fraud_label: str = ""


def score_again(scoring: Scoring, rows: pa.Table, servers: Servers, work: Path) -> pa.Table:
    """The scores that the model gives the rows by itself, as `contracts.models.SCORES`.

    rows: the columns that a model may use. work: a folder for files. Raises the error that the app ends with.
    """
    given, made = work / "rows.parquet", work / "scores.parquet"
    pq.write_table(rows, given)
    here = Servers(servers.kafka, servers.store, SparkConnection(_MASTER, servers.spark.conf))
    env = environment(here)
    at = locate(package.build(work_folder() / "packages"), env)
    # In this process's group: whoever ends the checks ends the app.
    done = subprocess.run(
        command(scoring, given, made, spark=here.spark, at=at),
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        _log.warning("%s", done.stdout)
        raise error_of(done.returncode, _last_words(done.stdout), "scoring the rows again")
    return pq.read_table(made)


def command(
    scoring: Scoring, rows: Path, scores: Path, *, spark: SparkConnection, at: Installation
) -> list[str]:
    """The command that scores the rows of a parquet file and writes the scores as another one."""
    arguments = {
        "--pipeline": scoring.pipeline,
        "--model": scoring.model,
        "--time-zone": scoring.time_zone,
        "--rows": str(rows),
        "--scores": str(scores),
    }
    if scoring.fraud_label:
        arguments["--fraud-label"] = scoring.fraud_label
    flat = [word for pair in arguments.items() for word in pair]
    return spark_submit("score_again", flat, name=f"streamweir {scoring.pipeline} again", spark=spark, at=at)


def _last_words(output: str) -> str:
    said = [line for line in output.splitlines() if line.startswith(ERROR_PREFIX)]
    return said[-1].removeprefix(ERROR_PREFIX) if said else ""

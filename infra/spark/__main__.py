"""Run the rehearsal as a local Spark driver: `SPARK_SUBMIT_OPTS` may tell its Java to record the classes."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from streamweir.connections import SparkConnection
from streamweir.scorer import package
from streamweir.scorer.command import locate, spark_submit


def main() -> int:
    """Returns Spark's exit status; shows its log when that is not 0."""
    with tempfile.TemporaryDirectory(prefix="streamweir-rehearsal-") as folder:
        at = locate(package.build(Path(folder)), os.environ)
        argv = spark_submit("rehearsal", [folder], name="rehearsal", spark=SparkConnection("local[2]"), at=at)
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        sys.stderr.buffer.write(done.stdout)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())

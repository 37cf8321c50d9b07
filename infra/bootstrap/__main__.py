"""`make setup`: everything that Streamweir needs, from a fresh clone. Does nothing when it is all there."""

import sys
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - this is where an older Python is told so
    sys.exit(
        "setup failed: python3 on the PATH is older than 3.11; name another: make setup PYTHON=/path/to/it"
    )

from infra.bootstrap import cache, classes, jars, java, minio, processes, python_env, stamp
from infra.bootstrap.processes import SetupFailed, say

CHECKOUT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Set up unless the stamp says that nothing changed; returns the exit status."""
    try:
        if stamp.is_current(CHECKOUT):
            return 0
        python_env.check_python()
        with cache.exclusive(CHECKOUT / "var" / "setup.lock", say):
            if not stamp.is_current(CHECKOUT):
                _set_up()
    except SetupFailed as error:
        print(f"setup failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("setup was interrupted; run `make setup` to go on", file=sys.stderr)
        return 130
    return 0


def _set_up() -> None:
    before = stamp.inputs(CHECKOUT)
    # Building MinIO keeps the cores busy while packages and jars keep the network busy.
    with ThreadPoolExecutor() as pool:
        parts = {pool.submit(lambda: {"minio": minio.binary(CHECKOUT)}), pool.submit(_packages_and_jars)}
        try:
            done, _ = wait(parts, return_when=FIRST_EXCEPTION)
        except KeyboardInterrupt:
            processes.end_all()
            raise
        failed = next((part.exception() for part in done if part.exception()), None)
        if failed is not None:
            processes.end_all()
            raise failed
    stamp.write(CHECKOUT, before, {name: path for part in parts for name, path in part.result().items()})
    say("done")


def _packages_and_jars() -> dict[str, Path]:
    java_home = java.home(CHECKOUT)
    python = python_env.install(CHECKOUT)
    venv = python.parents[1]
    connectors = jars.connectors(CHECKOUT, venv, java_home)
    return {
        "java_home": java_home,
        "kafka_jars": jars.folder(CHECKOUT / jars.KAFKA, venv, java_home),
        "spark_jars": connectors,
        "spark_classes": classes.folder(CHECKOUT, python, java_home, connectors),
    }


if __name__ == "__main__":
    sys.exit(main())

"""The class archive of Spark's drivers, in the cache: a third of what a start costs is reading classes.

Java takes an archive only with the class path that it was recorded with. So Spark's jars have a place in the
cache as well, which does not belong to one clone.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.bootstrap import cache
from infra.bootstrap.processes import output, run, say

ARCHIVE = "classes.jsa"
REHEARSAL = Path("spark_apps/rehearsal.py")
_REMEDY = "the lines above say why Spark does not run here; then run `make setup` again"


def folder(checkout: Path, python: Path, java_home: Path, connectors: Path) -> Path:
    """The folder with Spark's jars and the archive, which is recorded on the first call.

    Raises SetupFailed when Spark does not run.
    """
    jars = sorted(python.parents[1].glob("lib/python3*/site-packages/pyspark/jars/*.jar"))
    said = output([java_home / "bin" / "java", "-version"]) or ""
    names = [*(jar.name for jar in jars), connectors.name, said, (checkout / REHEARSAL).read_text()]
    key = hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]
    made = cache.entry(cache.cache_root(), f"spark/{key}", lambda target: _link(jars, target / "jars"), say)
    env = {
        **os.environ,
        "JAVA_HOME": str(java_home),
        "PYSPARK_PYTHON": str(python),
        "PYSPARK_DRIVER_PYTHON": str(python),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "STREAMWEIR_SPARK_JARS": str(connectors),
        "STREAMWEIR_SPARK_CLASSES": str(made),
    }
    with cache.exclusive(cache.cache_root() / "locks" / f"spark-{key}.lock", say):
        if not (made / ARCHIVE).exists():
            _record(made, [python, "-m", "infra.spark"], env, checkout)
    return made


def _link(jars: Iterable[Path], target: Path) -> None:
    """The same files where the file system can, else copies; Java looks at their time."""
    target.mkdir()
    for jar in jars:
        try:
            os.link(jar, target / jar.name)
        except OSError:
            shutil.copy2(jar, target / jar.name)


def _record(made: Path, rehearsal: Sequence[str | Path], env: Mapping[str, str], checkout: Path) -> None:
    say("recording the classes of a Spark driver, which takes about a minute")
    with TemporaryDirectory(dir=made) as scratch:
        recorded = Path(scratch) / ARCHIVE
        # Spark's launcher hands this variable on to the driver's Java alone.
        options = f'-XX:ArchiveClassesAtExit="{recorded}" -Xlog:cds=error -Xlog:cds+dynamic=error'
        run(rehearsal, _REMEDY, {**env, "SPARK_SUBMIT_OPTS": options}, checkout)
        if recorded.exists():
            recorded.rename(made / ARCHIVE)
        else:
            say("this Java records no classes: Spark's drivers will take longer to start")

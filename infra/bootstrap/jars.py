"""Jars by a pinned list: fetched with the Ivy that PySpark ships, verified by checksum, kept in the cache."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.sax.saxutils import quoteattr

from infra.bootstrap import cache
from infra.bootstrap.processes import SetupFailed, run, run_counted, say

KAFKA = Path("infra/kafka/jars.lock")
SPARK = Path("infra/spark/jars.lock")
COMPILER = Path("infra/spark/compiler.lock")
CHECKPOINT_FILES = Path("infra/spark/ConditionalCheckpointFileManager.java")
_IVY = """<ivy-module version="2.0"><info organisation="streamweir" module="jars"/>
<configurations><conf name="default"/></configurations><dependencies>
{}
</dependencies></ivy-module>
"""
_REMEDY = (
    "check the network, then run `make setup` again; behind a mirror name your Ivy settings file in "
    "STREAMWEIR_IVY_SETTINGS"
)
_NOT_COMPILED = "the lines above say what the compiler refused: the jars of Spark and this class do not fit"


@dataclass(frozen=True)
class Jar:
    """One line of a jar list."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The name that Ivy is told to give it."""
        return f"{self.artifact}-{self.version}.jar"


def read_lock(path: Path) -> list[Jar]:
    """The jars that a list names; raises SetupFailed with the line that is not understood."""
    jars = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        words = [*line.partition(" ")[0].split(":"), line.partition(" ")[2]]
        if len(words) != 4 or not all(words):
            raise SetupFailed(f"{path} line {number} is not `group:artifact:version sha256`: {line!r}")
        jars.append(Jar(*words))
    return jars


def folder(lock: Path, venv: Path, java_home: Path) -> Path:
    """The folder that holds exactly the jars of a list, fetched on the first call."""
    return _folder(lock, venv, java_home, [], lambda _: None)


def connectors(checkout: Path, venv: Path, java_home: Path) -> Path:
    """The folder of Spark's connector jars and of our own class, which is compiled on the first call."""
    compiler, source = checkout / COMPILER, checkout / CHECKPOINT_FILES

    def compile_own(target: Path) -> None:
        with TemporaryDirectory() as scratch:
            ecj = read_lock(compiler)
            fetch(ecj, Path(scratch), venv, java_home)
            verify(ecj, Path(scratch), compiler)
            classes = Path(scratch) / "classes"
            path = os.pathsep.join(map(str, [*_pyspark(venv).glob("*.jar"), *target.glob("*.jar")]))
            argv: list[str | Path] = [java_home / "bin" / "java", "-jar", Path(scratch) / ecj[0].file_name]
            run([*argv, "--release", "17", "-d", classes, "-classpath", path, source], _NOT_COMPILED)
            shutil.make_archive(str(target / "streamweir"), "zip", classes)
            (target / "streamweir.zip").rename(target / "streamweir.jar")

    return _folder(checkout / SPARK, venv, java_home, [compiler, source], compile_own)


def _folder(
    lock: Path, venv: Path, java_home: Path, more: Iterable[Path], finish: Callable[[Path], None]
) -> Path:
    """The cache's folder for a list and what else it is made from."""
    name = lock.parent.name
    key = hashlib.sha256(b"".join(path.read_bytes() for path in (lock, *more))).hexdigest()[:12]
    jars = read_lock(lock)

    def make(target: Path) -> None:
        say(f"fetching {len(jars)} jars for {name}")
        fetch(jars, target, venv, java_home)
        verify(jars, target, lock)
        finish(target)

    return cache.entry(cache.cache_root(), f"jars/{name}-{key}", make, say)


def fetch(jars: Iterable[Jar], target: Path, venv: Path, java_home: Path) -> None:
    """Download jars into a folder, each without its dependencies."""
    ivy = next(_pyspark(venv).glob("ivy-*.jar"))
    lines = (
        f"<dependency org={quoteattr(jar.group)} name={quoteattr(jar.artifact)} rev={quoteattr(jar.version)} "
        'conf="default->default" transitive="false"/>'
        for jar in jars
    )
    settings = os.environ.get("STREAMWEIR_IVY_SETTINGS") or Path(__file__).parent / "ivysettings.xml"
    with TemporaryDirectory() as scratch:
        module = Path(scratch) / "ivy.xml"
        module.write_text(_IVY.format("\n".join(lines)))
        argv: list[str | Path] = [java_home / "bin" / "java", "-jar", ivy, "-cache", Path(scratch) / "cache"]
        argv += ["-settings", settings, "-ivy", module, "-notransitive", "-types", "jar", "bundle"]
        argv += ["-retrieve", target / "[artifact]-[revision].[ext]"]
        run_counted(argv, _REMEDY, what="jars fetched", each="[SUCCESSFUL ]", step=15)


def verify(jars: Iterable[Jar], target: Path, lock: Path) -> None:
    """Raise SetupFailed unless every jar of the list is there and has the list's checksum."""
    for jar in jars:
        path = target / jar.file_name
        if not path.is_file():
            raise SetupFailed(f"{jar.file_name} was not delivered: {_REMEDY}")
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != jar.sha256:
            raise SetupFailed(
                f"{jar.file_name} has the checksum {found}, but {lock} says {jar.sha256}: the download is "
                "damaged or was tampered with; run `make setup` again, and if it stays so, do not use this "
                "repository of jars"
            )


def _pyspark(venv: Path) -> Path:
    return next(venv.glob("lib/python3*/site-packages/pyspark/jars"))

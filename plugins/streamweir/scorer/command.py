"""The command line of a stage, for Spark or Python. It holds nothing secret: that travels by environment."""

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamweir.connections import SparkConnection, authorities
from streamweir.contracts.tables import Engine, Stage
from streamweir.errors import BadConfiguration
from streamweir.scorer.spec import ScorerSpec
from streamweir.scorer.truststore import for_java, java_options
from streamweir.variables import SPARK_CLASSES, SPARK_JARS

_DRIVER_MEMORY = "1g"
# One small heap on few cores: the serial collector needs the least memory beside it. Arrow's checks of every
# single access would take one twentieth of a scorer's time; Spark's own code makes those accesses.
_JAVA_OPTIONS = (
    "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 "
    "-Darrow.enable_unsafe_memory_access=true -Darrow.enable_null_check_for_get=false"
)

_OPTIONS, _PATH, _JARS = "spark.driver.extraJavaOptions", "spark.driver.extraClassPath", "spark.jars"
_MEMORY, _CODE = "spark.driver.memory", "spark.submit.pyFiles"
_EXECUTORS_PYTHON = "spark.pyspark.python"
_EXECUTORS_OPTIONS, _FILES = "spark.executor.extraJavaOptions", "spark.files"
JOINED = (_OPTIONS, _PATH, _JARS, _MEMORY, _CODE, _EXECUTORS_OPTIONS, _FILES)
"""Spark properties of the connection that are said in one option of the command line together with ours."""


@dataclass(frozen=True)
class Installation:
    """Where things lie here: `spark-submit`, the folder of Spark apps, the connector jars, the code's zip.

    classes: Spark's jars and the archive of a driver's classes; a local driver starts slower without.
    trusted: the authorities whom Java trusts in place of its own.
    """

    spark_submit: Path
    apps: Path
    jars: Path
    package: Path
    classes: Path | None = None
    trusted: Path | None = None


def locate(package: Path, env: Mapping[str, str]) -> Installation:
    """This installation, found without importing Spark; raises BadConfiguration when a part is missing.

    What has to be made for Java lies beside `package`.
    """
    jars = Path(env.get(SPARK_JARS, ""))
    if not env.get(SPARK_JARS) or not any(jars.glob("*.jar")):
        raise BadConfiguration(
            f"{SPARK_JARS} does not name a folder with Spark's connector jars: run `make setup`"
        )
    return Installation(
        spark_submit=_folder("pyspark") / "bin" / "spark-submit",
        apps=_folder("streamweir_spark").parent,
        jars=jars,
        package=package,
        classes=Path(env[SPARK_CLASSES]) if env.get(SPARK_CLASSES) else None,
        trusted=for_java(authorities(env), package.parent),
    )


def spark_submit(
    app: str, arguments: Sequence[str], *, name: str, spark: SparkConnection, at: Installation
) -> list[str]:
    """The command that runs `spark_apps/<app>.py` with its arguments.

    It says the connection's own properties too: many have no effect once Java runs. Only secret ones are left
    to the session.
    """
    own = {name: value for name, value in sorted(spark.shown.items()) if name not in JOINED}
    if _EXECUTORS_PYTHON in own:
        # Spark would run the driver with it, too.
        own = {"spark.pyspark.driver.python": sys.executable, **own}
    return [
        str(at.spark_submit),
        "--master", spark.master,
        "--deploy-mode", "client",
        "--name", name,
        "--driver-memory", spark.conf.get(_MEMORY, _DRIVER_MEMORY),
        *_classes(spark, at),
        "--py-files", _joined(",", str(at.package), spark.conf.get(_CODE)),
        "--conf", "spark.log.level=WARN",
        *(word for name, value in own.items() for word in ("--conf", f"{name}={value}")),
        str(at.apps / f"{app}.py"),
        *arguments,
    ]  # fmt: skip


def stage_command(
    stage: Stage, spec: ScorerSpec, holder: str, *, spark: SparkConnection, at: Callable[[], Installation]
) -> list[str]:
    """The command that runs a stage of a stream; `holder` is the one who may take over his own lease."""
    if stage.engine is Engine.PYTHON:
        return [sys.executable, "-m", stage.module, *spec.arguments(holder)]
    return scorer_command(spec, holder, spark=spark, at=at())


def scorer_command(spec: ScorerSpec, holder: str, *, spark: SparkConnection, at: Installation) -> list[str]:
    """The command that runs a stage in Spark."""
    name, arguments = f"streamweir {spec.stream}", spec.arguments(holder)
    return spark_submit(spec.stream.pipeline, arguments, name=name, spark=spark, at=at)


def _classes(spark: SparkConnection, at: Installation) -> list[str]:
    """Java's options and where a driver finds its classes."""
    options, path, jars = (spark.conf.get(name) for name in (_OPTIONS, _PATH, _JARS))
    trusting = java_options(at.trusted) if at.trusted else None
    # Where driver and executors are one process, a class path spares them copying every jar for each other.
    if spark.master.startswith("local"):
        ours, path = local_java_options(at.classes), _joined(":", class_path(at), path)
    else:
        ours, jars = _JAVA_OPTIONS, _joined(",", *map(str, sorted(at.jars.glob("*.jar"))), jars)
    return [
        "--driver-java-options", _joined(" ", ours, trusting, options),
        *(["--driver-class-path", path] if path else []),
        *(["--jars", jars] if jars else []),
        *_on_executors(spark, at),
    ]  # fmt: skip


def _on_executors(spark: SparkConnection, at: Installation) -> list[str]:
    """Java's options and the files there, which lie in an executor's working folder by their names."""
    options, files = spark.conf.get(_EXECUTORS_OPTIONS), spark.conf.get(_FILES)
    if at.trusted and not spark.master.startswith("local"):
        options = _joined(" ", java_options(Path(at.trusted.name)), options)
        files = _joined(",", str(at.trusted), files)
    return [
        *(["--conf", f"{_EXECUTORS_OPTIONS}={options}"] if options else []),
        *(["--files", files] if files else []),
    ]


def _joined(by: str, *parts: str | None) -> str:
    return by.join(filter(None, parts))


def local_java_options(classes: Path | None) -> str:
    """Java's options for a local driver. Java takes an archive that fits its class path, and else none."""
    archive = None if classes is None else classes / "classes.jsa"
    if archive is None or not archive.exists():
        return _JAVA_OPTIONS
    return f'{_JAVA_OPTIONS} -XX:SharedArchiveFile="{archive}"'


def class_path(at: Installation) -> str:
    """What a local driver looks into before Spark's own folder of jars."""
    folders = [at.jars] if at.classes is None else [at.classes / "jars", at.jars]
    return ":".join(f"{folder}/*" for folder in folders)


def _folder(package: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise BadConfiguration(
            f"the Python package {package} is not installed in {sys.prefix}: run `make setup`"
        )
    return Path(next(iter(found.submodule_search_locations)))

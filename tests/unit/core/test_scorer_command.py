"""The command line for Spark: found without Spark, free of secrets, its code in a zip named by content."""

import os
import stat
import sys
import zipfile
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from streamweir.connections import SparkConnection
from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration
from streamweir.scorer import package
from streamweir.scorer.command import Installation, class_path, locate, scorer_command
from streamweir.scorer.spec import ScorerSpec
from streamweir.scorer.truststore import for_java
from streamweir.variables import CA_FILE, SPARK_CLASSES, SPARK_JARS, WORK
from streamweir.work import work_folder
from tests.support.authorities import Authority

AT = Installation(Path("/spark/bin/spark-submit"), Path("/apps"), Path("/jars"), Path("/work/code.zip"))
SPEC = ScorerSpec(Stream("ecommerce_fraud", "s"), "run-1", "d" * 64, "", "UTC", 600, 60)


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """Two authorities in one file."""
    made, both = Authority.make(tmp_path), tmp_path / "both.pem"
    both.write_bytes(made.ca.read_bytes() + made.other.read_bytes())
    return both


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package to be packed, `packed`, in place of the real ones."""
    (tmp_path / "packed" / "inner").mkdir(parents=True)
    (tmp_path / "packed" / "__init__.py").write_text('"""Empty."""\n')
    (tmp_path / "packed" / "inner" / "module.py").write_text("VALUE = 1\n")
    (tmp_path / "packed" / "notes.txt").write_text("not code")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(package, "PURE", ("packed",))
    return tmp_path / "packed"


def test_the_same_code_makes_the_same_zip_and_other_code_another(sources: Path, tmp_path: Path) -> None:
    first = package.build(tmp_path / "a")
    second = package.build(tmp_path / "b")
    assert (first.name, first.read_bytes()) == (second.name, second.read_bytes())
    (sources / "inner" / "module.py").write_text("VALUE = 2\n")
    assert package.build(tmp_path / "a").name != first.name


def test_a_zip_that_is_there_is_not_made_again(sources: Path, tmp_path: Path) -> None:
    made = package.build(tmp_path / "a").stat()
    again = package.build(tmp_path / "a").stat()
    assert (again.st_ino, again.st_mtime_ns) == (made.st_ino, made.st_mtime_ns)


@pytest.mark.parametrize("part", [".zip", ".sha256"])
def test_a_zip_that_was_changed_since_is_not_trusted(sources: Path, tmp_path: Path, part: str) -> None:
    made = package.build(tmp_path / "a")
    as_made = made.read_bytes()
    made.with_suffix(part).write_bytes(b"somebody else's code")
    assert package.build(tmp_path / "a").read_bytes() == as_made


def test_nobody_else_may_enter_the_folder_of_the_zip(sources: Path, tmp_path: Path) -> None:
    for name in ("new", "old"):
        (tmp_path / "old").mkdir(mode=0o777, exist_ok=True)
        package.build(tmp_path / name)
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o700


def test_a_folder_of_another_user_is_refused(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(BadConfiguration, match="belongs to another user: set STREAMWEIR_WORK"):
        package.build(tmp_path)


def test_without_a_setting_the_work_folder_is_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(WORK, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = work_folder()
    assert found.name.endswith(f"-{os.getuid()}")
    assert (found.parent, stat.S_IMODE(found.stat().st_mode)) == (tmp_path, 0o700)


def test_the_zip_holds_python_only(sources: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(package.build(tmp_path / "a")) as archive:
        assert sorted(archive.namelist()) == [
            "packed/__init__.py",
            "packed/__init__.pyc",
            "packed/inner/module.py",
            "packed/inner/module.pyc",
        ]


def test_the_real_zip_holds_our_code_and_nothing_compiled_for_a_machine(tmp_path: Path) -> None:
    with zipfile.ZipFile(package.build(tmp_path)) as archive:
        names = archive.namelist()
    assert {"streamweir/errors.py", "streamweir_spark/shard.py", "minio/api.py"} <= set(names)
    assert not [name for name in names if not name.endswith((".py", ".pyc", ".pem"))]


def test_a_model_is_asked_for_only_when_there_is_one() -> None:
    assert "--model" not in scorer_command(SPEC, "h", spark=SparkConnection(), at=AT)


def test_a_cluster_gets_the_jars_sent_and_a_local_driver_finds_them(tmp_path: Path) -> None:
    for name in ("b.jar", "a.jar"):
        (tmp_path / name).touch()
    at = Installation(AT.spark_submit, AT.apps, tmp_path, AT.package)
    local = scorer_command(SPEC, "h", spark=SparkConnection("local[2]"), at=at)
    cluster = scorer_command(SPEC, "h", spark=SparkConnection("k8s://h:6443"), at=at)
    assert local[local.index("--driver-class-path") + 1] == f"{tmp_path}/*"
    assert cluster[cluster.index("--jars") + 1] == f"{tmp_path}/a.jar,{tmp_path}/b.jar"


def test_a_local_driver_starts_from_the_archive_of_its_classes_once_that_is_recorded(tmp_path: Path) -> None:
    at = locate(AT.package, {SPARK_JARS: str(_jars(tmp_path)), SPARK_CLASSES: "/classes"})
    assert "SharedArchiveFile" not in java_options(at)
    at = locate(AT.package, {SPARK_JARS: str(tmp_path), SPARK_CLASSES: str(tmp_path)})
    (tmp_path / "classes.jsa").touch()
    assert java_options(at).endswith(f' -XX:SharedArchiveFile="{tmp_path}/classes.jsa"')
    # With another class path Java would not take it.
    assert class_path(at) == f"{tmp_path}/jars/*:{tmp_path}/*"


def java_options(at: Installation) -> str:
    command = scorer_command(SPEC, "h", spark=SparkConnection("local[2]"), at=at)
    return command[command.index("--driver-java-options") + 1]


def test_sparks_own_properties_are_said_in_the_command_but_for_secret_ones() -> None:
    conf = {"spark.driver.memory": "3g", "spark.pyspark.python": "/py", "spark.ssl.keyPassword": "hush"}
    command = scorer_command(SPEC, "h", spark=SparkConnection("local[4]", conf), at=AT)
    assert command[command.index("--driver-memory") + 1] == "3g"
    assert command[command.index("spark.pyspark.python=/py") - 1] == "--conf"
    # Else Spark would start the driver with the executors' Python.
    assert f"spark.pyspark.driver.python={sys.executable}" in command
    assert "hush" not in " ".join(command)


@pytest.mark.parametrize("master", ["local[2]", "k8s://h:6443"])
def test_properties_that_the_command_says_itself_are_joined_with_its_own(master: str, tmp_path: Path) -> None:
    (tmp_path / "ours.jar").touch()
    conf = {
        "spark.driver.extraJavaOptions": "-Dtheirs=1",
        "spark.driver.extraClassPath": "/theirs",
        "spark.jars": "/theirs.jar",
        "spark.submit.pyFiles": "/theirs.zip",
    }
    at = Installation(AT.spark_submit, AT.apps, tmp_path, AT.package)
    command = scorer_command(SPEC, "h", spark=SparkConnection(master, conf), at=at)
    said = {word: command[at + 1] for at, word in enumerate(command) if word.startswith("--")}
    assert said["--driver-java-options"].endswith("-Darrow.enable_null_check_for_get=false -Dtheirs=1")
    assert said["--py-files"] == "/work/code.zip,/theirs.zip"
    local = master.startswith("local")
    assert said["--jars"] == ("/theirs.jar" if local else f"{tmp_path}/ours.jar,/theirs.jar")
    assert said["--driver-class-path"] == (f"{tmp_path}/*:/theirs" if local else "/theirs")
    assert "theirs" not in said["--conf"]


@pytest.mark.parametrize("master", ["local[2]", "k8s://h:6443"])
def test_java_trusts_whom_the_setting_names_on_every_machine(
    master: str, authority: Path, tmp_path: Path
) -> None:
    env = {SPARK_JARS: str(_jars(tmp_path)), CA_FILE: str(authority)}
    at = locate(tmp_path / "code.zip", env)
    assert at.trusted is not None
    assert at.trusted == locate(tmp_path / "code.zip", env).trusted
    conf = {"spark.executor.extraJavaOptions": "-Dtheirs=1", "spark.files": "/theirs"}
    command = scorer_command(SPEC, "h", spark=SparkConnection(master, conf), at=at)
    assert f'-Djavax.net.ssl.trustStore="{at.trusted}"' in command[command.index("--driver-java-options") + 1]
    [executors] = [word for word in command if word.startswith("spark.executor.extraJavaOptions=")]
    files = command[command.index("--files") + 1]
    if master.startswith("local"):
        assert (executors, files) == ("spark.executor.extraJavaOptions=-Dtheirs=1", "/theirs")
    else:
        # Spark puts files into an executor's working folder.
        assert files == f"{at.trusted},/theirs"
        assert f'-Djavax.net.ssl.trustStore="{at.trusted.name}"' in executors
        assert executors.endswith(" -Dtheirs=1")


def test_the_authorities_are_in_the_file_for_java(authority: Path, tmp_path: Path) -> None:
    made = for_java(str(authority), tmp_path)
    assert made is not None
    found = pkcs12.load_pkcs12(made.read_bytes(), None).additional_certs
    assert [each.certificate for each in found] == x509.load_pem_x509_certificates(authority.read_bytes())
    assert for_java("", tmp_path) is None


def test_a_file_without_certificates_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nobody")
    with pytest.raises(BadConfiguration, match=r"CA_FILE names .*ca\.pem: it holds no certificates"):
        for_java(str(tmp_path / "ca.pem"), tmp_path)
    env = {SPARK_JARS: str(_jars(tmp_path)), CA_FILE: "/nowhere.pem"}
    with pytest.raises(BadConfiguration, match=r"names /nowhere\.pem, and there is no such file"):
        locate(AT.package, env)


def test_a_missing_folder_of_jars_is_named(tmp_path: Path) -> None:
    for env in ({}, {SPARK_JARS: str(tmp_path)}):
        with pytest.raises(BadConfiguration, match=f"{SPARK_JARS}.*make setup"):
            locate(AT.package, env)


def test_an_installation_is_found_without_importing_spark(tmp_path: Path) -> None:
    found = locate(AT.package, {SPARK_JARS: str(_jars(tmp_path))})
    assert found.spark_submit.is_file()
    assert (found.apps / "ecommerce_fraud.py").is_file()


def _jars(folder: Path) -> Path:
    (folder / "a.jar").touch()
    return folder

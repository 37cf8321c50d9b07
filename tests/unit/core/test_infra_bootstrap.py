"""Set-up's own parts: the cache, the jar lists, the Java trust store, the stamp, the help."""

import os
import re
import shutil
import ssl
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from infra.bootstrap import cache, jars, java, python_env, stamp, versions
from infra.bootstrap.help import describe
from infra.bootstrap.processes import SetupFailed, run, run_counted
from streamweir.scorer.command import class_path, local_java_options, locate
from streamweir.variables import SPARK_CLASSES, SPARK_JARS

CHECKOUT = Path(__file__).parents[3]


def ignore(_: str) -> None:
    return


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"STREAMWEIR_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, "/a"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/streamweir"),
        ({}, str(Path.home() / ".cache" / "streamweir")),
    ],
)
def test_the_cache_lies_where_the_user_wants_it(env: dict[str, str], expected: str) -> None:
    assert cache.cache_root(env) == Path(expected)


def test_a_cache_entry_is_made_once(tmp_path: Path) -> None:
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "tool").write_text("x")

    first = cache.entry(tmp_path, "tools/one", make, ignore)
    assert (first / "tool").read_text() == "x"
    assert cache.entry(tmp_path, "tools/one", make, ignore) == first
    assert len(made) == 1


def test_an_interrupted_cache_entry_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.entry(tmp_path, "tools/one", fail, ignore)
    assert list((tmp_path / "tools").iterdir()) == []


def test_two_set_ups_make_an_entry_once(tmp_path: Path) -> None:
    entered, release = threading.Event(), threading.Event()
    made: list[Path] = []
    said: list[str] = []

    def make(folder: Path) -> None:
        made.append(folder)
        entered.set()
        assert release.wait(10)

    def second_says(text: str) -> None:
        # It speaks only when it has to wait, so the first may go on now.
        said.append(text)
        release.set()

    first = threading.Thread(target=cache.entry, args=(tmp_path, "one", make, ignore))
    first.start()
    assert entered.wait(10)
    assert cache.entry(tmp_path, "one", make, second_says).is_dir()
    first.join()
    assert len(made) == 1
    assert "waiting" in said[0]


def test_the_jar_lists_are_pinned_and_name_each_jar_once() -> None:
    for lock, at_least in ((jars.KAFKA, 30), (jars.SPARK, 30), (jars.COMPILER, 1)):
        listed = jars.read_lock(CHECKOUT / lock)
        assert len(listed) >= at_least
        assert len({(jar.group, jar.artifact) for jar in listed}) == len(listed)
        assert len({jar.file_name for jar in listed}) == len(listed)
        assert all(re.fullmatch(r"[0-9a-f]{64}", jar.sha256) for jar in listed)


def test_a_damaged_line_of_a_jar_list_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "jars.lock"
    lock.write_text("# a comment\ng:a:1 abc\ng:b abc\n")
    with pytest.raises(SetupFailed, match=r"line 3.*g:b abc"):
        jars.read_lock(lock)


def test_a_wrong_checksum_names_the_jar_and_what_to_do(tmp_path: Path) -> None:
    jar = jars.Jar("g", "a", "1", "0" * 64)
    (tmp_path / "a-1.jar").write_bytes(b"tampered")
    with pytest.raises(
        SetupFailed, match=r"a-1\.jar has the checksum .* tampered with; run `make setup` again"
    ):
        jars.verify([jar], tmp_path, Path("jars.lock"))
    with pytest.raises(SetupFailed, match=r"b-1\.jar was not delivered"):
        jars.verify([jars.Jar("g", "b", "1", "0" * 64)], tmp_path, Path("jars.lock"))


@pytest.mark.skipif(shutil.which("keytool") is None, reason="only a Java that is installed has keytool")
def test_java_reads_the_trust_store(tmp_path: Path) -> None:
    authorities = ssl.create_default_context().get_ca_certs(binary_form=True)[:3]
    assert authorities
    store = tmp_path / "cacerts"
    store.write_bytes(java.trust_store(authorities))
    listed = subprocess.run(
        ["keytool", "-list", "-keystore", store, "-storepass", "changeit"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert listed.stdout.count("trustedCertEntry") == len(authorities)


def test_links_into_etc_are_turned_inwards(tmp_path: Path) -> None:
    home = tmp_path / "usr/lib/jvm/java"
    (home / "bin").mkdir(parents=True)
    (home / "bin/java").touch()
    (home / "conf").mkdir()
    (home / "lib/security").mkdir(parents=True)
    (tmp_path / "etc/java").mkdir(parents=True)
    (tmp_path / "etc/java/net.properties").write_text("own")
    (home / "conf/net.properties").symlink_to("/etc/java/net.properties")
    (home / "lib/security/cacerts").symlink_to("/etc/ssl/certs/java/cacerts")
    java._localise(tmp_path)
    assert (home / "conf/net.properties").read_text() == "own"
    assert not os.path.isabs(os.readlink(home / "conf/net.properties"))
    assert (home / "lib/security/cacerts").read_bytes()[:4] == bytes.fromhex("feedfeed")


def test_the_lock_files_hold_no_address() -> None:
    for name in (
        python_env.REQUIREMENTS,
        python_env.INSTALLER_LOCK,
        python_env.BUILD_LOCK,
        Path("infra/bootstrap/go.lock"),
    ):
        text = (CHECKOUT / name).read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text


def test_every_direct_dependency_is_locked_as_asked_and_all_but_airflow_are_pinned() -> None:
    described = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    asked = [*described["project"]["dependencies"], *described["dependency-groups"]["dev"]]
    lines = (CHECKOUT / python_env.REQUIREMENTS).read_text().splitlines()
    locked = dict(line.split()[0].split("==") for line in lines if "==" in line and line[0].isalnum())
    assert len(asked) > 20
    for one in map(Requirement, asked):
        assert one.specifier.contains(locked[one.name]), one
    assert [text for text in asked if "==" not in text] == ["apache-airflow>=3.3.0,<3.4"]


def test_a_version_that_is_not_listed_is_named() -> None:
    assert versions.pinned(CHECKOUT, "minio").startswith("github.com/minio/minio@")
    with pytest.raises(SetupFailed, match="says nothing of rust"):
        versions.pinned(CHECKOUT, "rust")


def test_set_up_is_current_until_something_changes(tmp_path: Path) -> None:
    for name in (*stamp._INPUTS, *python_env._INPUTS, Path("pyproject.toml")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / name, tmp_path / name)
    tool = tmp_path / "minio"
    tool.touch()
    assert not stamp.is_current(tmp_path)
    (tmp_path / ".venv").mkdir()
    stamp.write(tmp_path, stamp.inputs(tmp_path), {"minio": tool})
    assert stamp.is_current(tmp_path)
    assert stamp.tools(tmp_path) == {"minio": tool}
    with (tmp_path / "pyproject.toml").open("a") as file:
        file.write("\n[tool.other]\nline-length = 1\n")
    assert stamp.is_current(tmp_path), "options of linters do not matter"
    with (tmp_path / jars.KAFKA).open("a") as file:
        file.write("# changed\n")
    assert not stamp.is_current(tmp_path)
    stamp.write(tmp_path, stamp.inputs(tmp_path), {"minio": tool})
    tool.unlink()
    assert not stamp.is_current(tmp_path), "the cache was emptied"


def test_a_failed_installer_becomes_one_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SetupFailed, match=r"cannot be started.*: install it"):
        run(["/no/such/installer"], "install it")
    with pytest.raises(SetupFailed, match="failed with status 3: try again"):
        run([sys.executable, "-c", "raise SystemExit(3)"], "try again")
    talk = "print('pkg a'); print('pkg b'); print('disk full'); raise SystemExit(1)"
    with pytest.raises(SetupFailed):
        run_counted([sys.executable, "-c", talk], "x", what="packages", each="pkg", step=2)
    shown = capfd.readouterr()
    assert "packages: 2" in shown.out
    assert "disk full" in shown.err


def test_a_drivers_classes_come_from_the_archive() -> None:
    tools = stamp.tools(CHECKOUT)
    env = {SPARK_JARS: str(tools["spark_jars"]), SPARK_CLASSES: str(tools["spark_classes"])}
    at = locate(CHECKOUT, env)
    spark = at.spark_submit.parents[1]
    argv = [tools["java_home"] / "bin" / "java", *local_java_options(at.classes).replace('"', "").split()]
    argv += ["-Xlog:class+load", "-cp", f"{class_path(at)}:{spark}/conf:{spark}/jars/*"]
    done = subprocess.run(
        [*argv, "org.apache.spark.deploy.SparkSubmit", "--version"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "scala.Option source: shared objects file (top)" in done.stdout


def test_bare_make_names_every_target() -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    text = describe(makefile)
    targets = set(re.findall(r"^\.PHONY: (\S+)", makefile, re.MULTILINE)) - {"help"}
    asked = {"setup", "up", "down", "status", "logs", "demo", "data", "test", "lint", "format", "clean"}
    assert targets >= asked
    assert targets == set(re.findall(r"^  (\S+) ", text, re.MULTILINE))
    assert re.search(r"^Begin$", text, re.MULTILINE)

"""The Python code that travels with a Spark application: one zip, named by its content.

A zip carries pure Python only. What is native must be there already, in the Python of the driver and of the
executors: `NATIVE` is that list.
"""

import hashlib
import importlib.util
import os
import py_compile
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

from streamweir.errors import BadConfiguration
from streamweir.work import private_folder

PURE = ("streamweir", "streamweir_spark", "certifi", "minio", "tenacity", "typing_extensions", "urllib3")
"""Import names that go into the zip."""

NATIVE = ("argon2-cffi", "numpy", "orjson", "pandas", "pyarrow", "pycryptodome")
"""Distributions that the Python of driver and executors must have: they hold compiled code. The first and the
last are what `minio` imports."""


_EPOCH = (1980, 1, 1, 0, 0, 0)
_KEPT = (".py", ".pem")


def build(folder: Path) -> Path:
    """Make the zip in `folder`, for nobody else to enter, unless it is there as made; returns its path.

    The same code gives the same name. Raises BadConfiguration when the folder is another user's.
    """
    members = dict(sorted(_members()))
    target = private_folder(folder) / f"streamweir-{_digest(members)}.zip"
    seal = target.with_suffix(".sha256")
    if not (target.exists() and seal.exists() and seal.read_text() == _sha256(target)):
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            draft = Path(scratch) / "draft.zip"
            _write(draft, members, Path(scratch))
            seal.write_text(_sha256(draft))
            draft.rename(target)
    return target


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(members: dict[str, Path]) -> str:
    digest = hashlib.sha256(sys.implementation.cache_tag.encode() if sys.implementation.cache_tag else b"")
    for name, path in members.items():
        digest.update(f"\0{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _members() -> Iterator[tuple[str, Path]]:
    for name in PURE:
        place = Path(_spec(name).origin or "")
        if place.name != "__init__.py":
            yield place.name, place
            continue
        for path in place.parent.rglob("*"):
            if path.suffix in _KEPT and path.is_file():
                yield path.relative_to(place.parent.parent).as_posix(), path


def _spec(name: str) -> ModuleSpec:
    found = importlib.util.find_spec(name)
    if found is None or not found.origin:
        raise BadConfiguration(
            f"the Python package {name} is not installed in {sys.prefix}: run `make setup`"
        )
    return found


def _write(draft: Path, members: dict[str, Path], scratch: Path) -> None:
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, path in members.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), path.read_bytes())
            if path.suffix == ".py":
                archive.writestr(zipfile.ZipInfo(f"{name}c", _EPOCH), _compiled(name, path, scratch))


def _compiled(name: str, path: Path, scratch: Path) -> bytes:
    # Without byte code every start of the driver would compile all of it again; another Python version
    # ignores it and takes the source.
    target = os.fspath(scratch / "module.pyc")
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(os.fspath(path), target, name, doraise=True, invalidation_mode=mode)
    return Path(target).read_bytes()

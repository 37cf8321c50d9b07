"""Saved Spark models as zips: packing gives the same bytes each time, unpacking trusts nothing."""

import hashlib
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamweir.errors import ModelUnusable
from streamweir.models import saved

_EPOCH = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o644 << 16


def pack(model: Path, archive: Path) -> None:
    """Zip a saved model with `metadata/` and `stages/` at the top. The same files give the same bytes.

    Hidden files (Hadoop's local checksums) are left out: the archive has a checksum of its own.
    """
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for path in sorted(model.rglob("*")):
            name = path.relative_to(model)
            if path.is_file() and not any(part.startswith(".") for part in name.parts):
                entry = zipfile.ZipInfo(name.as_posix(), _EPOCH)
                entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, _READABLE
                target.writestr(entry, path.read_bytes())


def unpack(archive: Path, folder: Path) -> Path:
    """Unzip into `folder` and return where the model's `metadata/` lies.

    Raises ModelUnusable when it is no zip, when a member would leave the folder or is a link, or when it
    holds no model. Nothing is written before every member was looked at.
    """
    try:
        with zipfile.ZipFile(archive) as source:
            members = [_with_slashes(member) for member in source.infolist()]
            for member in members:
                _refuse_outsider(member, folder)
            for member in members:
                source.extract(member, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ModelUnusable(_why_no_zip(archive, error)) from error
    return saved.root(folder)


def refuse_missing(path: Path) -> None:
    """Raise ModelUnusable when nothing is there."""
    if not path.exists():
        raise ModelUnusable(
            f"the path {path} does not exist: give a folder or zip with a saved PipelineModel"
        )


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """The model in a folder or zip; what was unzipped is removed afterwards.

    Raises ModelUnusable. What is raised while it is open names the path as well.
    """
    refuse_missing(path)
    try:
        if path.is_dir():
            _refuse_links(path)
            yield saved.root(path)
        else:
            with tempfile.TemporaryDirectory(prefix="streamweir-model-") as folder:
                yield unpack(path, Path(folder))
    except ModelUnusable as error:
        raise ModelUnusable(f"{path}: {error}") from error


def replace_folder(source: Path, target: Path) -> None:
    """Put a folder in another's place."""
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)


def sha256(path: Path) -> str:
    """The file's checksum in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _why_no_zip(archive: Path, error: Exception) -> str:
    if tarfile.is_tarfile(archive):
        return "it is a tar archive, not a zip: unpack it and give the folder, or zip the folder"
    if saved.is_pointer(archive):
        return f"it is {saved.POINTER}"
    return f"it cannot be unzipped ({error}): zip the model again"


def _refuse_links(folder: Path) -> None:
    for path in folder.rglob("*"):
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ModelUnusable(
                f"{path.relative_to(folder)} leads out of the model's folder: put the file itself there"
            )


def _with_slashes(member: zipfile.ZipInfo) -> zipfile.ZipInfo:
    # Some programs on Windows write backslashes, which elsewhere are no separators but part of a name.
    member.filename = member.filename.replace("\\", "/")
    return member


def _refuse_outsider(member: zipfile.ZipInfo, folder: Path) -> None:
    name = member.filename
    inside = (folder / name).resolve().is_relative_to(folder.resolve())
    if name.startswith("/") or ".." in name.split("/") or not inside:
        raise ModelUnusable(f"the zip's member {member.filename[:80]!r} would be written outside its folder")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise ModelUnusable(f"the zip's member {member.filename[:80]!r} is a link: zip the files themselves")

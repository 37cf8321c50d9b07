"""Saved Spark models as zips: packing gives the same bytes each time, unpacking trusts nothing."""

import hashlib
import json
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streamweir.errors import ModelUnusable

_EPOCH = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o644 << 16
_MAC_RUBBISH = "__MACOSX"
_SPARK_ML = ("org.apache.spark.ml.", "pyspark.ml.")
_PIPELINE = ("org.apache.spark.ml.PipelineModel", "pyspark.ml.pipeline.PipelineModel")


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
            for member in source.infolist():
                _refuse_outsider(member, folder)
            source.extractall(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ModelUnusable(f"{archive.name} cannot be unzipped ({error}): zip the model again") from error
    return model_root(folder)


def model_root(folder: Path) -> Path:
    """The folder with `metadata/`: this one, or the only one in it; raises ModelUnusable otherwise."""
    inner = [path for path in folder.iterdir() if path.name != _MAC_RUBBISH and not path.name.startswith(".")]
    for candidate in (folder, inner[0] if len(inner) == 1 else folder):
        if (candidate / "metadata").is_dir():
            return candidate
    raise ModelUnusable(
        f"{folder.name} holds no saved Spark model: it needs metadata/ and stages/ at its top, "
        "as PipelineModel.save() makes them"
    )


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """The model in a folder or zip; what was unzipped is removed afterwards. Raises ModelUnusable."""
    if path.is_dir():
        _refuse_links(path)
        yield model_root(path)
        return
    if not path.is_file():
        raise ModelUnusable(f"there is no model at {path}: give a folder or zip with a saved PipelineModel")
    with tempfile.TemporaryDirectory(prefix="streamweir-model-") as folder:
        yield unpack(path, Path(folder))


def replace_folder(source: Path, target: Path) -> None:
    """Put a folder in another's place."""
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)


def stages(model: Path) -> list[dict[str, Any]]:
    """The metadata of all stages, nested ones included, in order, the model's own first.

    Raises ModelUnusable when it is no PipelineModel, when a file is not readable, or when a stage's class is
    not of Spark ML: loading it would run code that travels with the model.
    """
    found = [_metadata(path) for path in sorted(model.rglob("metadata"), key=_in_order) if path.is_dir()]
    own = _metadata(model / "metadata")
    if own["class"] not in _PIPELINE:
        raise ModelUnusable(f"the model is a {own['class']}: save a PipelineModel that holds it")
    for stage in found:
        if not stage["class"].startswith(_SPARK_ML):
            raise ModelUnusable(f"stage {stage['uid']} is a {stage['class']}, which is not part of Spark ML")
    return found


def sha256(path: Path) -> str:
    """The file's checksum in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _in_order(path: Path) -> list[tuple[int, str]]:
    # Spark numbers the stages' folders: 0_StringIndexer_ab12, ..., 10_GBTClassifier_cd34.
    return [(int(found[0]) if (found := re.match(r"\d+", part)) else -1, part) for part in path.parts]


def _metadata(folder: Path) -> dict[str, Any]:
    for part in sorted(folder.glob("part-*")):
        try:
            value = json.loads(part.read_text().partition("\n")[0] or "{}")
        except (ValueError, OSError) as error:
            raise ModelUnusable(
                f"{folder.parent.name}/metadata of the model is not readable: {error}"
            ) from error
        if isinstance(value, dict) and {"class", "uid"} <= value.keys():
            return value
    raise ModelUnusable(f"{folder.parent.name}/metadata of the model names no class: save the model again")


def _refuse_links(folder: Path) -> None:
    for path in folder.rglob("*"):
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ModelUnusable(f"{path} leads out of the model's folder: put the file itself there")


def _refuse_outsider(member: zipfile.ZipInfo, folder: Path) -> None:
    name = member.filename.replace("\\", "/")
    inside = (folder / name).resolve().is_relative_to(folder.resolve())
    if name.startswith("/") or ".." in name.split("/") or not inside:
        raise ModelUnusable(f"the zip's member {member.filename[:80]!r} would be written outside its folder")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise ModelUnusable(f"the zip's member {member.filename[:80]!r} is a link: zip the files themselves")

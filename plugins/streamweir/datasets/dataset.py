"""What a dataset is: files by their checksums, and a fingerprint that names exactly these."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from streamweir.contracts.streams import DATASETS, ObjectKey
from streamweir.errors import DatasetUnusable

SHORTEST_FINGERPRINT = 8
_FINGERPRINT = re.compile(rf"[0-9a-f]{{{SHORTEST_FINGERPRINT},64}}")
_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Findings:
    """What a check found in a file that by itself makes no dataset unusable.

    warnings: sentences. unsorted: a sentence on the first row that is out of order, where the order matters.
    event_types: how many events there are of each type, where types are counted. untaught: a sentence why
    nothing can be trained on it, where it is what models are trained on.
    """

    warnings: tuple[str, ...] = ()
    unsorted: str | None = None
    event_types: Mapping[str, int] = field(default_factory=dict)
    untaught: str | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Findings":
        """The findings as dataset.json holds them."""
        return cls(**{**value, "warnings": tuple(value.get("warnings", ()))})


@dataclass(frozen=True)
class DatasetFile:
    """A file: its name in the store, sha256, bytes, rows without the header, and what a check found in it.

    history: models are trained on it. live_too: a run reads it all the same; it reads all that is no history.
    """

    name: str
    sha256: str
    size: int
    rows: int
    history: bool
    live_too: bool = False
    findings: Findings = field(default_factory=Findings)

    def __post_init__(self) -> None:
        if not _FILE_NAME.fullmatch(self.name):
            raise DatasetUnusable(
                f"{self.name!r} is not a name for a file of a dataset: it leaves its folder"
            )


@dataclass(frozen=True)
class Dataset:
    """A dataset of a pipeline. `source` says where it came from; it is no part of the fingerprint."""

    pipeline: str
    files: tuple[DatasetFile, ...]
    source: str

    @property
    def fingerprint(self) -> str:
        """64 hexadecimal digits that stand for the names and bytes of all files."""
        return _fingerprint(self.files)

    @property
    def history_fingerprint(self) -> str | None:
        """The same for the files that models are trained on; None without them."""
        history = [file for file in self.files if file.history]
        return _fingerprint(history) if history else None

    @property
    def live(self) -> list[str]:
        """The names of the files that a run reads."""
        return [file.name for file in self.files if file.live_too or not file.history]

    @property
    def root(self) -> ObjectKey:
        """Where its files lie."""
        return root_of(self.pipeline, self.fingerprint)

    def file(self, name: str) -> DatasetFile:
        """The file of this name; raises DatasetUnusable when the dataset has none."""
        for file in self.files:
            if file.name == name:
                return file
        raise DatasetUnusable(f"dataset {self.fingerprint} has no {name}")

    def to_json(self) -> dict[str, Any]:
        """The value as dataset.json and the task record hold it."""
        return {
            "pipeline": self.pipeline,
            "fingerprint": self.fingerprint,
            "history_fingerprint": self.history_fingerprint,
            "files": [asdict(file) for file in self.files],
            "source": self.source,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Dataset":
        """The inverse of `to_json`; raises DatasetUnusable when files and fingerprint disagree."""
        files = tuple(_file(file) for file in value["files"])
        dataset = cls(pipeline=value["pipeline"], files=files, source=value["source"])
        if dataset.fingerprint != value["fingerprint"]:
            raise DatasetUnusable(f"dataset.json of {value['fingerprint']} describes other files; remove it")
        return dataset


def root_of(pipeline: str, fingerprint: str) -> ObjectKey:
    """Where the files of the dataset with this fingerprint lie; raises DatasetUnusable for what is none."""
    if not is_fingerprint(fingerprint):
        raise DatasetUnusable(f"{fingerprint!r} is not the fingerprint of a dataset")
    return all_of(pipeline) / fingerprint


def all_of(pipeline: str) -> ObjectKey:
    """Where the datasets of a pipeline lie."""
    return ObjectKey(DATASETS, pipeline)


def is_fingerprint(text: str) -> bool:
    """Whether this may be a fingerprint or its beginning."""
    return _FINGERPRINT.fullmatch(text) is not None


def sha256_of(path: Path) -> str:
    """The checksum of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _file(value: Mapping[str, Any]) -> DatasetFile:
    # A dataset that was stored by an earlier version has no findings.
    return DatasetFile(**{**value, "findings": Findings.from_json(value.get("findings", {}))})


def _fingerprint(files: Iterable[DatasetFile]) -> str:
    lines = sorted(f"{file.sha256}  {file.name}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()

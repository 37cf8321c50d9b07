"""Putting datasets into the object store and getting them out again."""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import streamweir.datagen as datagen
from streamweir.contracts.streams import ObjectKey
from streamweir.datasets.checks import CheckedFile, Wishes, check, warn
from streamweir.datasets.dataset import Dataset, DatasetFile, all_of, is_fingerprint, root_of, sha256_of
from streamweir.errors import BadConfiguration, DatasetUnusable
from streamweir.objectstore import ObjectStore, to_json
from streamweir.progress import Progress, no_progress

DESCRIPTION = "dataset.json"
_GENERATED = "generated"


def ensure(
    store: ObjectStore,
    pipeline: str,
    source: str,
    *,
    seed: int = datagen.DEFAULT_SEED,
    needs_history: bool = True,
    wishes: Wishes | None = None,
    progress: Progress = no_progress,
    **settings: float,
) -> Dataset:
    """The dataset in the store that `source` names, put there when it is not there yet.

    source: "" for the generated one (seed and the generator's settings choose it), a folder of CSV files, or
    a fingerprint or its first 8 or more digits. needs_history: whether a model will be trained on it.
    wishes: the run's. Raises DatasetUnusable with file, line and column before anything is uploaded.
    """
    if not source:
        dataset = _generated(store, pipeline, seed, datagen.settings_of(pipeline, settings), progress)
        return _judged(dataset, wishes, needs_history=needs_history)
    fingerprint = named(store, pipeline, source)
    if fingerprint is None:
        return upload(
            store,
            pipeline,
            Path(source),
            source,
            needs_history=needs_history,
            wishes=wishes,
            progress=progress,
        )
    dataset = load(store, pipeline, fingerprint)
    untaught = any(file.findings.untaught for file in dataset.files)
    if needs_history and dataset.history_fingerprint is None and not untaught:
        raise DatasetUnusable(
            f"dataset {dataset.fingerprint} has no history to train a model on: give a model, "
            "or a dataset with its history files"
        )
    return _judged(dataset, wishes, needs_history=needs_history)


def named(store: ObjectStore, pipeline: str, source: str) -> str | None:
    """The whole fingerprint of the stored dataset that `source` names; None for a folder and for nothing.

    Raises DatasetUnusable for anything else.
    """
    if not source or Path(source).is_dir():
        return None
    if not is_fingerprint(source):
        raise DatasetUnusable(
            f"dataset {source!r} is neither a folder nor the fingerprint of a stored dataset"
        )
    return _completed(store, pipeline, source)


def upload(
    store: ObjectStore,
    pipeline: str,
    folder: Path,
    source: str,
    *,
    needs_history: bool = True,
    wishes: Wishes | None = None,
    progress: Progress = no_progress,
) -> Dataset:
    """Check a folder's files and put them into the store.

    Only the findings are renewed of what it holds already. Raises DatasetUnusable before all uploading.
    """
    checked = check(pipeline, folder, needs_history=needs_history, wishes=wishes)
    dataset = Dataset(pipeline, tuple(_described(file) for file in checked), source)
    described = dataset.root / DESCRIPTION
    if store.exists(described):
        return _renewed(store, dataset)
    with progress("uploading the dataset", sum(file.size for file in dataset.files), "bytes") as advance:
        for file, known in zip(checked, dataset.files, strict=True):
            store.upload(dataset.root / known.name, file.path)
            advance(known.size)
    # Last of all: a dataset without its description is not there, and an interrupted upload is done again.
    store.put_if_absent(described, to_json(dataset.to_json()))
    return dataset


def load(store: ObjectStore, pipeline: str, fingerprint: str) -> Dataset:
    """The description of a stored dataset; raises DatasetUnusable when there is none of this fingerprint."""
    value = store.get_json(root_of(pipeline, fingerprint) / DESCRIPTION)
    if value is None:
        raise DatasetUnusable(f"no dataset {fingerprint} of {pipeline} is in the object store")
    dataset = Dataset.from_json(value)
    if dataset.fingerprint != fingerprint or dataset.pipeline != pipeline:
        raise DatasetUnusable(f"dataset.json of {fingerprint} describes another dataset; remove it")
    return dataset


def download(store: ObjectStore, dataset: Dataset, folder: Path, names: Iterable[str] | None = None) -> Path:
    """Put a dataset's files (or those with the given names) into a folder; returns the folder.

    A file that is there with the right checksum stays. Raises DatasetUnusable when the store's bytes are not
    those that were put there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = dataset.files if names is None else [dataset.file(name) for name in names]
    for file in files:
        target = folder / file.name
        if not (target.is_file() and _is(target, file)):
            _fetch(store, dataset.root / file.name, file, target)
    return folder


def _judged(dataset: Dataset, wishes: Wishes | None, *, needs_history: bool) -> Dataset:
    """The dataset; it was checked when it was stored, and what was found is judged by this run's wishes."""
    findings = {f"dataset {dataset.fingerprint}, {file.name}": file.findings for file in dataset.files}
    warn(dataset.pipeline, findings, wishes, needs_history=needs_history)
    return dataset


def _fetch(store: ObjectStore, key: ObjectKey, file: DatasetFile, target: Path) -> None:
    # A folder of its own: two processes may fetch the same file at once.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as own:
        fetched = Path(own) / file.name
        store.download(key, fetched)
        if not _is(fetched, file):
            raise DatasetUnusable(
                f"{key} does not have the checksum {file.sha256} it was stored with; remove the dataset"
            )
        os.replace(fetched, target)


def _renewed(store: ObjectStore, dataset: Dataset) -> Dataset:
    """The stored dataset with the findings of this check: an earlier version may have looked less closely."""
    known = load(store, dataset.pipeline, dataset.fingerprint)
    renewed = replace(known, files=dataset.files)
    if renewed != known:
        store.put_json(dataset.root / DESCRIPTION, renewed.to_json())
    return renewed


def _is(path: Path, file: DatasetFile) -> bool:
    return path.stat().st_size == file.size and sha256_of(path) == file.sha256


def _described(file: CheckedFile) -> DatasetFile:
    return DatasetFile(
        name=file.name,
        sha256=sha256_of(file.path),
        size=file.path.stat().st_size,
        rows=file.rows,
        history=file.history,
        live_too=file.live_too,
        findings=file.findings,
    )


def _generated(
    store: ObjectStore, pipeline: str, seed: int, settings: Mapping[str, float], progress: Progress
) -> Dataset:
    remembered = all_of(pipeline) / _GENERATED / f"{_recipe(pipeline, seed, settings)}.json"
    known = store.get_json(remembered)
    if known is not None and store.exists(root_of(pipeline, known["fingerprint"]) / DESCRIPTION):
        return load(store, pipeline, known["fingerprint"])
    with tempfile.TemporaryDirectory(prefix="streamweir-data-") as own:
        folder = Path(own)
        datagen.generator(pipeline)(folder, seed=seed, progress=progress, **settings)
        source = f"generated from seed {seed}, {settings[datagen.BATCHES]} batches"
        # What lacks is said of the stored dataset, by its name.
        dataset = upload(store, pipeline, folder, source, needs_history=False, progress=progress)
    store.put_json(remembered, {"fingerprint": dataset.fingerprint, "source": source})
    return dataset


def _recipe(pipeline: str, seed: int, settings: Mapping[str, float]) -> str:
    """Names what a generated dataset depends on: the arguments, the generator's code and numpy's streams."""
    digest = hashlib.sha256(repr((pipeline, seed, sorted(settings.items()), version("numpy"))).encode())
    for module in sorted(Path(datagen.__file__).parent.rglob("*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest()


def _completed(store: ObjectStore, pipeline: str, beginning: str) -> str:
    root = all_of(pipeline)
    described = [key.key.split("/")[-2] for key in store.list(root) if key.key.endswith(f"/{DESCRIPTION}")]
    found = [fingerprint for fingerprint in described if fingerprint.startswith(beginning)]
    if not found:
        raise DatasetUnusable(f"no dataset {beginning} of {pipeline} is in the object store, and no folder")
    if len(found) > 1:
        raise BadConfiguration(
            f"{beginning} begins {len(found)} datasets: {', '.join(found)}; give more digits"
        )
    return found[0]

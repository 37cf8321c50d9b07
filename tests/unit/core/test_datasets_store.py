"""Datasets in the store: named by content, uploaded once, verified when they come back."""

import functools
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from streamweir import datagen
from streamweir.contracts.streams import ObjectKey
from streamweir.datagen import generator
from streamweir.datasets.dataset import Dataset, DatasetFile
from streamweir.datasets.store import download, ensure, load, upload
from streamweir.errors import BadConfiguration, DatasetUnusable
from streamweir.progress import no_progress
from tests.support.file_store import FileStore

PIPELINE = "ecommerce_fraud"
SMALL: dict[str, Any] = {"batches": 2, "history_batches": 10}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("made")
    generator(PIPELINE)(target, seed=5, progress=no_progress, **SMALL)
    return target


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "data")


@pytest.fixture
def store() -> FileStore:
    return FileStore()


def test_a_folder_is_stored_under_the_fingerprint_of_its_content(store: FileStore, folder: Path) -> None:
    dataset = ensure(store, PIPELINE, str(folder))
    assert len(dataset.fingerprint) == 64
    assert len(dataset.files) == 9
    for file in dataset.files:
        stored = store.get(ObjectKey("datasets", f"{PIPELINE}/{dataset.fingerprint}/{file.name}"))
        assert stored == (folder / file.name).read_bytes()
    assert dataset.file("new_browsing_behaviour.csv").rows == 400
    assert load(store, PIPELINE, dataset.fingerprint) == dataset
    assert Dataset.from_json(json.loads(json.dumps(dataset.to_json()))) == dataset


def test_the_same_content_is_uploaded_once_wherever_it_lies(
    store: FileStore, folder: Path, tmp_path: Path
) -> None:
    first = ensure(store, PIPELINE, str(folder))
    uploads = list(store.uploads)
    moved = folder.rename(tmp_path / "moved")
    assert ensure(store, PIPELINE, str(moved)) == first
    assert store.uploads == uploads


def test_one_changed_byte_is_another_dataset_with_the_same_history(store: FileStore, folder: Path) -> None:
    first = ensure(store, PIPELINE, str(folder))
    path = folder / "new_transactions.csv"
    path.write_text(path.read_text().replace("Success", "Fail", 1))
    second = ensure(store, PIPELINE, str(folder))
    assert second.fingerprint != first.fingerprint
    assert second.history_fingerprint == first.history_fingerprint
    labels = folder / "fraud_transaction.csv"
    labels.write_text(labels.read_text().replace(",0\n", ",1\n", 1))
    assert ensure(store, PIPELINE, str(folder)).history_fingerprint != first.history_fingerprint


def test_an_interrupted_upload_is_done_again(store: FileStore, folder: Path) -> None:
    dataset = ensure(store, PIPELINE, str(folder))
    store.delete(dataset.root / "dataset.json")
    store.delete(dataset.root / "product.csv")
    assert ensure(store, PIPELINE, str(folder)) == dataset
    assert store.exists(dataset.root / "product.csv")


def test_nothing_is_uploaded_of_an_unusable_folder(store: FileStore, folder: Path) -> None:
    (folder / "fraud_transaction.csv").unlink()
    with pytest.raises(DatasetUnusable, match=r"holds no fraud_transaction\.csv"):
        ensure(store, PIPELINE, str(folder))
    assert store.objects == {}


def test_a_dataset_is_found_by_its_fingerprint_or_the_beginning_of_it(store: FileStore, folder: Path) -> None:
    dataset = ensure(store, PIPELINE, str(folder))
    assert ensure(store, PIPELINE, dataset.fingerprint) == dataset
    assert ensure(store, PIPELINE, dataset.fingerprint[:8]) == dataset
    with pytest.raises(DatasetUnusable, match="neither a folder nor the fingerprint"):
        ensure(store, PIPELINE, dataset.fingerprint[:7])
    with pytest.raises(DatasetUnusable, match="no dataset"):
        ensure(store, PIPELINE, "0" * 12)


def test_a_beginning_of_two_fingerprints_is_not_enough(store: FileStore, folder: Path) -> None:
    dataset = ensure(store, PIPELINE, str(folder))
    twin = dataset.fingerprint[:8] + "0" * 56
    store.put_json(ObjectKey("datasets", f"{PIPELINE}/{twin}/dataset.json"), {})
    with pytest.raises(BadConfiguration, match="begins 2 datasets"):
        ensure(store, PIPELINE, dataset.fingerprint[:8])


def test_a_stored_dataset_without_history_needs_a_model(store: FileStore, folder: Path) -> None:
    (folder / "transactions.csv").unlink()
    dataset = ensure(store, PIPELINE, str(folder), needs_history=False)
    assert dataset.history_fingerprint is None
    assert ensure(store, PIPELINE, dataset.fingerprint, needs_history=False) == dataset
    with pytest.raises(DatasetUnusable, match="has no history"):
        ensure(store, PIPELINE, dataset.fingerprint)


def test_a_generated_dataset_is_made_once_per_seed_and_size(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    real = generator(PIPELINE)

    @functools.wraps(real)
    def counted(folder: Path, **options: Any) -> None:
        made.append(options["seed"])
        real(folder, **options)

    monkeypatch.setattr(datagen, "generator", lambda name: counted)
    first = ensure(store, PIPELINE, "", seed=1, **SMALL)
    assert ensure(store, PIPELINE, "", seed=1, **SMALL) == first
    assert made == [1]
    assert ensure(store, PIPELINE, "", seed=2, **SMALL).fingerprint != first.fingerprint
    assert ensure(store, PIPELINE, "", seed=1, batches=3, history_batches=10) != first
    assert made == [1, 2, 1]
    assert first.source == "generated from seed 1, 2 batches"


def test_files_come_back_verified_and_are_fetched_once(
    store: FileStore, folder: Path, tmp_path: Path
) -> None:
    dataset = ensure(store, PIPELINE, str(folder))
    target = download(store, dataset, tmp_path / "down")
    assert {path.name for path in target.iterdir()} == {file.name for file in dataset.files}
    assert (target / "customer.csv").read_bytes() == (folder / "customer.csv").read_bytes()
    store.downloads.clear()
    (target / "category.csv").write_text("spoiled")
    download(store, dataset, target)
    assert [name.rsplit("/", 1)[1] for name in store.downloads] == ["category.csv"]
    only = download(store, dataset, tmp_path / "one", names=["customer.csv"])
    assert os.listdir(only) == ["customer.csv"]


def test_changed_bytes_in_the_store_are_noticed(store: FileStore, folder: Path, tmp_path: Path) -> None:
    dataset = ensure(store, PIPELINE, str(folder))
    store.put(dataset.root / "customer.csv", b"other bytes")
    with pytest.raises(DatasetUnusable, match="does not have the checksum"):
        download(store, dataset, tmp_path / "down")
    assert not (tmp_path / "down" / "customer.csv").exists()


@pytest.mark.parametrize("name", ["../evil.csv", "/etc/passwd", "..", "a/b.csv", ""])
def test_a_name_that_leaves_the_folder_is_refused(store: FileStore, folder: Path, name: str) -> None:
    with pytest.raises(DatasetUnusable, match="leaves its folder"):
        DatasetFile(name, "0" * 64, 1, 1, history=False)
    dataset = upload(store, PIPELINE, folder, "here")
    described = dataset.to_json()
    described["files"][0]["name"] = name
    store.put_json(dataset.root / "dataset.json", described)
    with pytest.raises(DatasetUnusable, match="leaves its folder"):
        load(store, PIPELINE, dataset.fingerprint)


@pytest.mark.parametrize("fingerprint", ["../models", "XYZ", "", "0" * 65])
def test_what_is_no_fingerprint_is_never_looked_up(store: FileStore, fingerprint: str) -> None:
    with pytest.raises(DatasetUnusable, match="is not the fingerprint"):
        load(store, PIPELINE, fingerprint)


def test_a_description_of_other_files_is_refused(store: FileStore, folder: Path) -> None:
    dataset = ensure(store, PIPELINE, str(folder))
    described = dataset.to_json()
    described["files"] = described["files"][1:]
    store.put_json(dataset.root / "dataset.json", described)
    with pytest.raises(DatasetUnusable, match="describes other files"):
        load(store, PIPELINE, dataset.fingerprint)

"""Datasets on a real object store, through the API and the command line."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streamweir.connections import StoreConnection
from streamweir.datagen import generator
from streamweir.datasets.dataset import Dataset
from streamweir.datasets.store import download, ensure, load
from streamweir.errors import DatasetUnusable
from streamweir.objectstore import ObjectStore
from streamweir.progress import no_progress

PIPELINE = "ecommerce_fraud"
SEED = 987_654_321  # of nobody else's dataset, so that it can be removed afterwards


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("data") / "csv"
    generator(PIPELINE)(target, seed=SEED, batches=3, history_batches=20, progress=no_progress)
    return target


@pytest.fixture
def dataset(store: ObjectStore, folder: Path) -> Iterator[Dataset]:
    found = ensure(store, PIPELINE, str(folder))
    yield found
    store.delete_folder(found.root)


def test_a_dataset_survives_the_round_trip_byte_by_byte(
    store: ObjectStore, dataset: Dataset, folder: Path, tmp_path: Path
) -> None:
    assert load(store, PIPELINE, dataset.fingerprint) == dataset
    assert ensure(store, PIPELINE, dataset.fingerprint[:10]) == dataset
    with ThreadPoolExecutor(2) as pool:  # the replay and the live plot fetch at the same time
        list(pool.map(lambda _: download(store, dataset, tmp_path / "down"), range(2)))
    names = sorted(path.name for path in (tmp_path / "down").iterdir())
    assert names == sorted(path.name for path in folder.iterdir())
    assert all((tmp_path / "down" / name).read_bytes() == (folder / name).read_bytes() for name in names)


def test_bytes_that_changed_in_the_store_are_refused(
    store: ObjectStore, dataset: Dataset, tmp_path: Path
) -> None:
    store.put(dataset.root / "product.csv", b"id\n1\n")
    with pytest.raises(DatasetUnusable, match="does not have the checksum"):
        download(store, dataset, tmp_path)


def command(store_connection: StoreConnection, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streamweir", "dataset", *words],
        env={**os.environ, **store_connection.to_env()},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_line_uploads_and_prints_the_fingerprint(
    store_connection: StoreConnection, store: ObjectStore, dataset: Dataset, folder: Path
) -> None:
    store.delete_folder(dataset.root)
    done = command(store_connection, "ensure", str(folder))
    assert (done.returncode, done.stdout.strip()) == (0, dataset.fingerprint)
    assert load(store, PIPELINE, dataset.fingerprint) == dataset


def test_the_command_line_names_the_fault_and_uploads_nothing(
    store_connection: StoreConnection, store: ObjectStore, folder: Path, tmp_path: Path
) -> None:
    broken = shutil.copytree(folder, tmp_path / "broken")
    lines = (broken / "customer.csv").read_text(encoding="utf-8").splitlines()
    lines[4] = lines[3]
    (broken / "customer.csv").write_text("\n".join(lines), encoding="utf-8")
    done = command(store_connection, "ensure", str(broken))
    assert done.returncode == DatasetUnusable.exit_code
    again = repr(lines[3].split(",")[0])
    sentence = f"customer.csv line 5, column customer_id: {again} was there before, and it is the key"
    assert done.stderr.strip() == f"error: {broken}/{sentence}"
    assert "Traceback" not in done.stderr

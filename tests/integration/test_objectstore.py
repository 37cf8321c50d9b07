"""The object store on a real MinIO: conditional writes, refusals, folders."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streamweir.connections import StoreConnection
from streamweir.contracts.streams import ObjectKey
from streamweir.errors import BadConfiguration, DependencyUnreachable
from streamweir.objectstore import ObjectStore


@pytest.fixture
def prefix() -> ObjectKey:
    return ObjectKey("streams", f"tests/{uuid.uuid4().hex}")


def test_only_the_first_creator_wins(store: ObjectStore, prefix: ObjectKey) -> None:
    first = store.put_if_absent(prefix / "lease", b"a")
    assert first is not None
    assert store.put_if_absent(prefix / "lease", b"b") is None
    assert store.get_with_etag(prefix / "lease") == (b"a", first)


def test_a_replacement_needs_the_etag_that_it_saw(store: ObjectStore, prefix: ObjectKey) -> None:
    first = store.put_if_absent(prefix / "lease", b"a") or ""
    second = store.put_if_match(prefix / "lease", b"b", first)
    assert second is not None
    assert store.put_if_match(prefix / "lease", b"c", first) is None
    assert store.put_if_match(prefix / "nothing", b"c", first) is None
    assert store.get(prefix / "lease") == b"b"


def test_a_folder_survives_the_round_trip(store: ObjectStore, prefix: ObjectKey, tmp_path: Path) -> None:
    (tmp_path / "up" / "deep").mkdir(parents=True)
    (tmp_path / "up" / "deep" / "ä b.txt").write_text("x")
    (tmp_path / "up" / "page.html").write_text("<p>")
    store.upload_folder(prefix, tmp_path / "up")
    store.download_folder(prefix, tmp_path / "down")
    assert (tmp_path / "down" / "deep" / "ä b.txt").read_text() == "x"
    assert [key.key.removeprefix(f"{prefix.key}/") for key in store.list(prefix)] == [
        "deep/ä b.txt",
        "page.html",
    ]
    store.delete_folder(prefix)
    assert store.list(prefix) == []


def test_a_missing_object_is_none_and_not_an_error(store: ObjectStore, prefix: ObjectKey) -> None:
    assert store.get(prefix / "nothing") is None
    assert store.get_json(prefix / "nothing") is None
    assert not store.exists(prefix / "nothing")


def test_threads_that_read_side_by_side_keep_their_connections(
    store: ObjectStore, prefix: ObjectKey, caplog: pytest.LogCaptureFixture
) -> None:
    store.put(prefix / "x", b"x" * 100_000)
    with ThreadPoolExecutor(8) as pool:
        assert set(map(len, pool.map(store.get, [prefix / "x"] * 64))) == {100_000}
    assert "Connection pool is full" not in caplog.text


def test_a_refused_account_is_told_from_a_dead_server(
    store: ObjectStore, store_connection: StoreConnection, prefix: ObjectKey
) -> None:
    wrong = ObjectStore(StoreConnection(store_connection.endpoint, "nobody", "wrong-password", secure=False))
    with pytest.raises(BadConfiguration, match="refused"):
        wrong.get(prefix / "x")
    nowhere = ObjectStore(StoreConnection("127.0.0.1:1", "nobody", "wrong-password", secure=False))
    with pytest.raises(DependencyUnreachable, match="out of reach"):
        nowhere.get(prefix / "x")


def test_a_list_may_begin_after_a_key_and_many_objects_go_at_once(
    store: ObjectStore, prefix: ObjectKey
) -> None:
    keys = [prefix / f"{number:04d}.json" for number in range(1_200)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.put(key, b"{}"), keys))
    assert store.list(prefix, after=keys[1_100]) == keys[1_101:]
    assert store.list(prefix, after=keys[-1]) == []
    store.delete_all([*keys[:-1], prefix / "never.json"])
    assert store.list(prefix) == [keys[-1]]
    store.delete_all([])
    store.delete_folder(prefix, last=keys[-1])
    assert store.list(prefix) == []

"""What is remembered of ids: what a dict would, in few blocks, and nothing beyond the retention."""

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamweir_spark.ids import ID_BYTES, Block, Ids

RETENTION = 6
# Some end with zeros, or differ only there: numpy cuts them off texts of a fixed width.
NAMES = [
    bytes(ID_BYTES),
    b"a".ljust(ID_BYTES, b"\0"),
    b"a".ljust(ID_BYTES - 1, b"\0") + b"b",
    b"z" * ID_BYTES,
]
names = st.sampled_from(NAMES) | st.binary(min_size=ID_BYTES, max_size=ID_BYTES)
micro_batches = st.lists(st.lists(st.tuples(names, st.integers(0, 5)), max_size=8), max_size=30)


def id_of(number: int) -> bytes:
    return number.to_bytes(ID_BYTES)


def score(ids: Ids, numbers: Iterable[int], ts: int) -> list[bool]:
    asked = [id_of(number) for number in numbers]
    ids.look_up(asked)
    return [ids.first_time(id, ts) for id in asked]


@pytest.mark.parametrize("largest", [1, 5, 1 << 20])
@given(micro_batches)
def test_they_are_remembered_as_a_dict_would(largest: int, read: list[list[tuple[bytes, int]]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamweir_spark.ids._LARGEST", largest)
        scored_at: dict[bytes, int] = {}
        ids, now = Ids(RETENTION), 0
        for number, rows in enumerate(read):
            ids.look_up([name for name, _ in rows])
            for name, later in rows:
                now += later
                # A row may be late by 3 at most.
                ts = now - later * 3 // 5
                again = name in scored_at and ts - scored_at[name] <= RETENTION
                assert ids.first_time(name, ts) == (not again)
                if not again:
                    scored_at[name] = ts
            blocks = ids.dump(now - 3)
            assert all(block.ids.tolist() == sorted(set(block.ids.tolist())) for block in blocks)
            if number % 2:
                ids = Ids(RETENTION, [Block(block.data) for block in blocks])


def test_there_are_few_blocks_and_an_id_is_written_again_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamweir_spark.ids._LARGEST", 1 << 12)
    ids, written, known = Ids(RETENTION), 0, set[str]()
    for number in range(1_000):
        assert all(score(ids, range(number * 10, number * 10 + 10), 0))
        blocks = ids.dump(0)
        new = [block for block in blocks if block.digest not in known]
        assert len(new) == 1
        written += len(new[0])
        known.update(block.digest for block in blocks)
        assert len(blocks) <= 10_000 // (1 << 11) + 12
    assert sum(map(len, blocks)) == 10_000
    assert written <= 10 * 10_000
    assert not any(score(ids, range(10_000), RETENTION))
    assert all(score(Ids(RETENTION, blocks), range(10_000), RETENTION + 1))


def test_what_was_scored_before_the_retention_takes_no_space() -> None:
    ids, sizes = Ids(RETENTION), list[int]()
    for ts in range(200):
        score(ids, range(ts * 50, ts * 50 + 50), ts)
        sizes.append(sum(map(len, ids.dump(ts))))
    assert min(sizes[20:]) >= 50 * (RETENTION + 1)
    assert max(sizes[20:]) <= 3 * 50 * (RETENTION + 1)
    assert ids.dump(199 + 2 * RETENTION) == ()


def test_a_micro_batch_whose_ids_are_all_too_old_leaves_none() -> None:
    ids = Ids(RETENTION)
    assert score(ids, [1, 2], 5) == [True, True]
    assert ids.dump(6 + RETENTION) == ()
    assert score(ids, [1], 6 + RETENTION) == [True]


def test_of_an_id_in_two_blocks_the_last_time_counts() -> None:
    ids = Ids(RETENTION)
    score(ids, [1, 2, 3], 0)
    assert len(ids.dump(0)) == 1
    assert score(ids, [1], RETENTION + 1) == [True]
    assert len(ids.dump(RETENTION)) == 2
    assert score(ids, [1], 2 * RETENTION) == [False]


def test_a_micro_batch_without_ids_leaves_the_blocks_as_they_are() -> None:
    ids = Ids(RETENTION)
    score(ids, [3, 1, 2], 4)
    before = ids.dump(4)
    score(ids, [1, 3], 5)
    assert ids.dump(5) == before == Ids(RETENTION, before).dump(None)
    assert before[0].ids.tolist() == [np.bytes_(id_of(number)) for number in (1, 2, 3)]


def test_an_id_that_was_not_looked_up_is_not_judged() -> None:
    with pytest.raises(KeyError):
        Ids(RETENTION).first_time(id_of(1), 0)

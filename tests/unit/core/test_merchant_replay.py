"""The merchants' dataset: what is generated, what is refused, and how it is cut into chunks and put."""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from streamweir.claims import Claim, fetch
from streamweir.contracts.merchant_patterns import PIPELINE, chunk_key
from streamweir.contracts.merchant_patterns.dataset import IMPORTANCE, TRANSACTIONS
from streamweir.contracts.streams import Stream
from streamweir.datagen.merchant_patterns import BAD_SHARE, generate
from streamweir.datasets.merchant_patterns import check
from streamweir.errors import BadConfiguration, DatasetUnusable
from streamweir.liveplot.merchant_patterns import count
from streamweir.replay.batches import Recipe
from streamweir.replay.deliveries import deliveries
from streamweir.replay.merchant_patterns import Announced, recording, value
from streamweir.replay.plan import Plan
from tests.support.memory_store import MemoryStore

HEADER = b"step,customer,age,gender,zipcodeOri,merchant,zipMerchant,category,amount,fraud"
ROWS = [b"%d,'C%d','4','F','1','M1','1','es_food',%d.5,0" % (n // 3, n, n) for n in range(25)]
PLAN = Plan(
    **{"run": "r", "pipeline": PIPELINE.name, "stream": "s", "dataset": "f" * 64, "start_ts": 1_000},
    **{"interval_s": 1, "speed": 0, "batches": None, "batch_rows": 10, "first_sequence": 7, "late": {}},
    **{"offsets": {}, "planned_at": ""},
)  # type: ignore[arg-type]


def write(folder: Path, rows: list[bytes], end: bytes = b"\r\n", header: bytes = HEADER) -> Path:
    (folder / TRANSACTIONS).write_bytes(end.join([header, *rows]) + end)
    (folder / IMPORTANCE).write_text("Source,Target,Weight,typeTrans,fraud\n'C1','M1',2.5,'es_food',0\n")
    return folder


def put(folder: Path, store: Any, plan: Plan = PLAN, **more: Any) -> list[dict[str, Any]]:
    """The bodies of the messages."""
    made = recording(folder, batch_rows=10, **more).made_for(plan, store)
    found = [batch.rows["chunks"] for batch in made.batches()]
    assert all(isinstance(one, Announced) for one in found)
    return [orjson.loads(value(one, 0)) for one in found]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_the_chunks_are_the_bytes_of_the_file_behind_the_header(tmp_path: Path, end: bytes) -> None:
    store = MemoryStore()
    bodies = put(write(tmp_path, ROWS, end), store)
    assert [(one["chunk"], one["rows"], one["first_row"], one["last_row"]) for one in bodies] == [
        (7, 10, 1, 10),
        (8, 10, 11, 20),
        (9, 5, 21, 25),
    ]
    objects = [fetch(store, Claim.read(orjson.dumps(one)), 10**6) for one in bodies]
    assert all(one.startswith(HEADER + end) for one in objects)
    whole = (tmp_path / TRANSACTIONS).read_bytes()
    assert b"".join(one.removeprefix(HEADER + end) for one in objects) == whole.removeprefix(HEADER + end)
    assert [one["sha256"] for one in bodies] == [hashlib.sha256(one).hexdigest() for one in objects]
    assert bodies[0]["key"] == "streams/merchant_patterns/s/chunks/chunk_000007.csv"


def test_empty_lines_and_a_missing_last_line_end_make_no_row(tmp_path: Path) -> None:
    write(tmp_path, [ROWS[0], b"", *ROWS[1:9], b"", b"", *ROWS[9:12]])
    path = tmp_path / TRANSACTIONS
    path.write_bytes(path.read_bytes().rstrip(b"\r\n"))
    assert [one["rows"] for one in put(tmp_path, MemoryStore())] == [10, 2]
    assert [one["rows"] for one in put(tmp_path, MemoryStore(), limit=1)] == [10]
    assert check(tmp_path, needs_history=False)[0].rows == 12


def test_a_resumed_run_finds_its_chunks_and_other_bytes_are_refused(tmp_path: Path) -> None:
    store = MemoryStore()
    first = put(write(tmp_path, ROWS), store)
    assert put(tmp_path, store) == first
    made = recording(tmp_path, batch_rows=10).made_for(PLAN, store)
    assert [batch.index for batch in made.batches(2)] == [2]
    key = chunk_key(Stream(PIPELINE.name, "s"), 8)
    store.put(key, b"others")
    with pytest.raises(BadConfiguration, match=rf"{key} is there with other bytes"):
        put(tmp_path, store)
    assert store.get(key) == b"others"


def test_no_chunk_is_delayed(tmp_path: Path) -> None:
    made = recording(write(tmp_path, ROWS), batch_rows=10)
    with pytest.raises(BadConfiguration, match="late: the order of chunks decides"):
        made.made_for(replace(PLAN, late={0: 5}), MemoryStore())  # type: ignore[arg-type]


def test_a_run_is_sent_with_its_claims_and_a_flush(tmp_path: Path) -> None:
    store: Any = MemoryStore()
    made = recording(write(tmp_path, ROWS), batch_rows=10)
    assert isinstance(made, Recipe)
    assert (made.rows, list(made.seconds)) == (25, [0, 1, 2])
    sent = list(deliveries(made.made_for(PLAN, store).batches(), PLAN, PIPELINE, value))
    assert [(one.sequence, one.ts, one.kind.value) for one in sent] == [
        (7, 1_000, "batch"),
        (8, 1_001, "batch"),
        (9, 1_002, "batch"),
        (10, 1_063, "flush"),
    ]
    assert [count([orjson.loads(one.values["chunks"])], {}) for one in sent[:3]] == [10, 10, 5]
    assert sent[3].values["chunks"] == b"[]"


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        (TRANSACTIONS, "step,customer\n1,2\n", r"transactions\.csv line 1: column age is missing"),
        (TRANSACTIONS, HEADER.decode() + "\n", r"transactions\.csv line 2: there are no rows"),
        (IMPORTANCE, "Source,Target\n'C','M'\n", r"customer_importance\.csv line 1: column Weight is"),
        (IMPORTANCE, "Source,Target,Weight\n'C','M',NaN\n", "line 2, column Weight: 'NaN' is not a decimal"),
        (IMPORTANCE, "Source,Target,Weight\n'C','M',1\n'','M',1\n", "line 3, column Source: the value is"),
        (IMPORTANCE, "customer,merchant,weight\nC,M,much\n", "line 2, column weight: 'much' is not"),
        (IMPORTANCE, "Source,Target,Weight\n", "line 2: there are no rows"),
    ],
)  # fmt: skip
def test_a_dataset_that_cannot_be_used_is_refused(tmp_path: Path, name: str, text: str, problem: str) -> None:
    write(tmp_path, ROWS)
    (tmp_path / name).write_text(text)
    with pytest.raises(DatasetUnusable, match=problem):
        check(tmp_path, needs_history=False)


def test_a_missing_file_is_named_and_both_spellings_of_the_importance_will_do(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    (tmp_path / IMPORTANCE).write_text("weight,merchant,customer\n-0.5,M1,C1\n")
    assert [(one.name, one.rows) for one in check(tmp_path, needs_history=True)] == [
        (TRANSACTIONS, 25),
        (IMPORTANCE, 1),
    ]
    (tmp_path / IMPORTANCE).unlink()
    with pytest.raises(DatasetUnusable, match=r"holds no customer_importance\.csv"):
        check(tmp_path, needs_history=False)


def test_rows_that_nobody_can_read_are_no_reason_to_refuse(tmp_path: Path) -> None:
    write(tmp_path, [*ROWS, b"\xff", b",".join([b"x"] * 200), b'"'])
    assert check(tmp_path, needs_history=False)[0].rows == 28


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    generate(folder, seed=5, batches=20, chunk_rows=1_000, customers=500)
    return folder


def test_the_same_seed_gives_the_same_bytes(generated: Path, tmp_path: Path) -> None:
    def digests(folder: Path) -> list[str]:
        return [
            hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (TRANSACTIONS, IMPORTANCE)
        ]

    settings: dict[str, int] = {"batches": 20, "chunk_rows": 1_000, "customers": 500}
    generate(tmp_path, seed=5, **settings)
    assert digests(tmp_path) == digests(generated)
    generate(tmp_path, seed=6, **settings)
    assert not set(digests(tmp_path)) & set(digests(generated))


def rows_of(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(), newline="")))


def test_a_generated_dataset_has_the_shape_of_the_real_one(generated: Path) -> None:
    check(generated, needs_history=False)
    assert (generated / TRANSACTIONS).read_bytes().count(b"\r\n") == 20_001
    names, *every = rows_of(generated / TRANSACTIONS)
    sound = [row for row in every if len(row) == len(names) and row[1] != "''"]
    assert 0 < len(every) - len(sound) < 4 * BAD_SHARE * len(every)
    steps = [int(row[0]) for row in sound]
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (0, 179)
    merchants = Counter(row[5] for row in sound)
    assert len(merchants) == 50
    assert [n / len(sound) for _, n in merchants.most_common(2)] == pytest.approx([0.45, 0.3], abs=0.02)
    genders = {(row[1], row[3]) for row in sound}
    assert len(genders) == len({customer for customer, _ in genders})
    assert {gender for _, gender in genders} >= {"'F'", "'M'"}


def test_weights_are_many_for_a_pair_and_have_nothing_to_do_with_amounts(generated: Path) -> None:
    _, *importance = rows_of(generated / IMPORTANCE)
    pairs = Counter((row[0], row[1]) for row in importance)
    assert max(pairs.values()) > 10
    customers = {row[1] for row in rows_of(generated / TRANSACTIONS)[1:] if len(row) == 10}
    without = customers - {row[0] for row in importance} - {"''"}
    assert 5 < len(without) < 60
    amounts = Counter(row[8] for row in rows_of(generated / TRANSACTIONS)[1:] if len(row) == 10)
    assert not set(Counter(row[2] for row in importance)) <= set(amounts)


Spoiler = Callable[[list[str]], bool]


@pytest.mark.parametrize(
    "is_spoilt",
    [
        lambda row: len(row) == 4,
        lambda row: len(row) == 200,
        lambda row: len(row) == 10 and row[8].startswith("-"),
        lambda row: len(row) == 10 and row[8] == "n/a",
        lambda row: len(row) == 10 and row[8] == "12.34567",
        lambda row: len(row) == 10 and row[1] == "''",
    ],
)
def test_every_kind_of_bad_row_is_among_the_generated_ones(tmp_path: Path, is_spoilt: Spoiler) -> None:
    generate(tmp_path, seed=1, batches=40, chunk_rows=1_000, customers=100)
    assert any(map(is_spoilt, rows_of(tmp_path / TRANSACTIONS)[1:]))

"""What the suites of the merchants let pass, and what each of them finds."""

import io
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamweir.arrow import schema_of
from streamweir.claims import Claim, Content
from streamweir.commits import BEGINNING, Remainder
from streamweir.contracts.merchant_patterns import DETECTIONS, FILE_ROWS, HELD, PIPELINE, detections_folder
from streamweir.contracts.merchant_patterns.dataset import IMPORTANCE, TRANSACTIONS
from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.datagen.merchant_patterns import generate
from streamweir.duck import sorting
from streamweir.errors import DatasetUnusable
from streamweir.replay.csvfile import text_rows
from streamweir.writers.csv_files import CsvFiles
from streamweir_quality.carried import Carried
from streamweir_quality.checks import CRITICAL, WARNING
from streamweir_quality.inputs import Inputs
from streamweir_quality.merchant_patterns import subjects
from streamweir_quality.messages import Message
from streamweir_quality.recompute import left_tables, recompute_subjects
from streamweir_quality.replayed import with_objects
from streamweir_quality.runner import Outcome, validate
from streamweir_quality.schema import schema_subject
from streamweir_spark.core import Received
from streamweir_spark.merchant_patterns.detections import Detections
from tests.oracle import merchant_patterns as oracle
from tests.support.checked_run import new_folder, replayed_as, table_files, table_of
from tests.support.made_up_tables import conform
from tests.support.memory_store import MemoryStore
from tests.unit.core.merchants import START, chunk_of, message, run
from tests.unit.quality.made_up_inputs import recomputed, with_frame

Edit = Callable[[pd.DataFrame], Any]
OPTIONS = {
    "upgrade_min_transactions": 1_500,
    "upgrade_share": 0.1,
    "child_min_transactions": 15,
    "dei_min_female": 3,
}
FEW = {"upgrade_min_transactions": 50, "child_min_transactions": 2, "dei_min_female": 1}
PLAINLY: dict[str, Any] = {"upgrade_above": 1_500, "share": "0.1", "child_from": 15, "female_above": 3}
STREAM = Stream("merchant_patterns", "s")
CHUNK_ROWS, CHUNKS = 400, 15
LONG_AGO = pd.Timestamp("2020-01-01", tz="UTC")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("merchants")
    generate(folder, seed=7, batches=CHUNKS, chunk_rows=CHUNK_ROWS, customers=200)
    return folder


@pytest.fixture(scope="module")
def sent(folder: Path) -> list[Received]:
    """Two runs; a chunk of the first one cannot be read, and a row is put back between them."""
    lines = (folder / TRANSACTIONS).read_bytes().splitlines()[1:]
    chunks = [lines[at : at + CHUNK_ROWS] for at in range(0, len(lines), CHUNK_ROWS)]
    first = [message(number, rows, run="one") for number, rows in enumerate(chunks[:8])]
    broken = message(8, run="one", value=b"step,customer\n1,2\n", count=1)
    flush = message(9, kind=Kind.FLUSH, run="one", ts=START + 70)
    row = b'[{"ts": %d, "customer": "C", "merchant": "M3000000", "gender": "F", "amount": "1"}]' % START
    again = message(10, kind=Kind.REDRIVE, run="one", ts=START + 71, value=row, count=1)
    end = message(11, kind=Kind.REDRIVE, run="one", ts=START + 140, value=b"[]", count=0)
    second = [
        message(number, rows, run="two", ts=START + 200 + number)
        for number, rows in enumerate(chunks[8:], start=12)
    ]
    last = message(12 + len(second), kind=Kind.FLUSH, run="two", ts=START + 999)
    return [*first, broken, flush, again, end, *second, last]


@pytest.fixture(scope="module")
def sound(folder: Path, sent: list[Received]) -> Inputs:
    """The second run, worked out from the beginning of the stream."""
    return inputs_of(folder, sent, "two")


def inputs_of(folder: Path, sent: list[Received], run_id: str, **options: Any) -> Inputs:
    options = options or OPTIONS
    result = run(sent, text_rows(folder / IMPORTANCE), **options)
    store = MemoryStore()
    detections = Detections(store, STREAM, "Asia/Kolkata", lambda: None)
    detections.begin(BEGINNING)
    _, tables = detections.figures(None, pa.table({}), None, result.closed)
    detections.write()
    every = tables[DETECTIONS.name]
    assert isinstance(every, pa.Table)
    own = every.filter(pa.compute.equal(every["run"], run_id))
    rejected = [
        {name: one._asdict().get(name) for name in REJECTED.names}
        for one in result.outputs
        if one.kind == "rejected" and one.run == run_id
    ]
    reasons = Counter()
    for one in rejected:
        reasons[one["reason"]] += one["rows"]
    return Inputs(
        pipeline=PIPELINE,
        tables=table_files(
            {
                DETECTIONS.name: conform(own.select(DETECTIONS.names), DETECTIONS),
                REJECTED.name: conform(pa.Table.from_pylist(rejected, schema_of(REJECTED)), REJECTED),
            }
        ),
        ledger={"totals": {"chunks": {"used": 1, **reasons}}},
        dataset=folder,
        card=None,
        version=None,
        first=False,
        parameters=options,
        replayed=replayed_as(run_id, {"chunks": map(as_message, sent)}),
        store=store,
        stream=STREAM,
    )


def said(one: Received) -> Headers:
    headers = Headers.decode(one.headers)
    assert headers is not None
    return headers


def as_message(one: Received) -> Message:
    return Message(one.partition, one.offset, said(one), one.value or b"")


def outcomes_of(found: Any) -> list[Outcome]:
    return [outcome for suite in validate(found) for outcome in suite.outcomes]


def failures(inputs: Inputs) -> set[str]:
    """The sentences of critical expectations that failed."""
    failed = [outcome for outcome in outcomes_of(subjects(inputs)) if not outcome.success]
    return {outcome.sentence for outcome in failed if outcome.severity == CRITICAL}


def edited(inputs: Inputs, edit: Edit) -> Inputs:
    frame = inputs.frame(DETECTIONS.name)
    edit(frame)
    return with_frame(inputs, DETECTIONS.name, frame)


def differing(inputs: Inputs) -> list[str]:
    (subject,) = recomputed(inputs)
    found: list[str] = subject.frame.difference.dropna().tolist()
    return found


def test_a_sound_run_passes_everything_and_equals_its_batch(sound: Inputs) -> None:
    found = sound.frame(DETECTIONS.name)
    assert set(found.patternId) == {"PatId1", "PatId2", "PatId3"}
    assert len(found) > 20
    assert found.number.min() > 1
    outcomes = outcomes_of([*subjects(sound), schema_subject(sound), *recomputed(sound)])
    assert [outcome for outcome in outcomes if not outcome.success] == []
    assert {"files of detections", "rows of the files", "detections again as a batch"} <= {
        outcome.suite for outcome in outcomes
    }


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_batch_of_other_seeds_equals_the_detections(tmp_path: Path, seed: int) -> None:
    generate(tmp_path, seed=seed, batches=CHUNKS, chunk_rows=CHUNK_ROWS, customers=200)
    lines = (tmp_path / TRANSACTIONS).read_bytes().splitlines()[1:]
    chunks = [lines[at : at + CHUNK_ROWS] for at in range(0, len(lines), CHUNK_ROWS)]
    flush = message(CHUNKS, kind=Kind.FLUSH, run="one")
    sent = [*(message(number, rows, run="one") for number, rows in enumerate(chunks)), flush]
    made = inputs_of(tmp_path, sent, "one")
    assert set(made.frame(DETECTIONS.name).patternId) == {"PatId1", "PatId2", "PatId3"}
    assert differing(made) == []


def test_the_first_run_is_its_batch_as_well(folder: Path, sent: list[Received]) -> None:
    first = inputs_of(folder, sent[:12], "one")
    assert len(first.frame(DETECTIONS.name)) > 5
    assert "malformed" in set(first.frame(REJECTED.name).reason)
    assert differing(first) == []
    assert failures(first) == set()


@pytest.mark.parametrize("cut", [9, 10, 12])
def test_a_run_is_worked_out_from_what_an_earlier_one_left(
    folder: Path, sent: list[Received], sound: Inputs, cut: int
) -> None:
    """cut: how many messages the first run's validation had seen; a row was put back later, or before."""
    first = inputs_of(folder, sent[:12], "one")
    early = replace(
        first, replayed=replayed_as("one", {"chunks": map(as_message, sent[:12])}, left_before=cut)
    )
    with sorting(new_folder()) as sql:
        list(recompute_subjects(early, sql))
        left = {name: rows.to_arrow_table() for name, (rows, _) in left_tables(early, sql).items()}
    assert min(len(rows) for rows in left.values()) > 5
    carried = Carried(cut, START + cut, tables=table_files(left))
    second = replace(sound, replayed=replayed_as("two", {"chunks": map(as_message, sent[cut:])}, carried))
    assert differing(second) == []


def test_other_rules_find_others(sound: Inputs) -> None:
    for name, value in (("upgrade_share", 0.3), ("child_mean_below", 30), ("dei_min_female", 9)):
        assert differing(replace(sound, parameters={**OPTIONS, name: value})), name


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("chunk", 3),
        ("customerName", "C1"),
        ("MerchantId", "M1"),
        ("patternId", "PatId2"),
        ("ActionType", "UP"),
    ],
)
def test_a_detection_that_the_batch_does_not_have_is_told(sound: Inputs, column: str, value: Any) -> None:
    at = next(n for n, row in enumerate(table_of(sound, DETECTIONS.name).to_pylist()) if row[column] != value)
    (told,) = differing(edited(sound, lambda frame: frame.__setitem__(column, [
        value if number == at else other for number, other in enumerate(frame[column])
    ])))  # fmt: skip
    assert f"{column} is {value} in the stream" in told


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda frame: frame.drop(index=5, inplace=True), "the detections are numbered without gaps"),
        (lambda frame: turn(frame), "a chunk's detections are numbered by"),
        (lambda frame: set_at(frame, "ActionType", "NOTHING"), "ActionType is the pattern's"),
        (lambda frame: set_at(frame, "customerName", ""), "customerName is empty for PatId3, and only there"),
        (lambda frame: set_at(frame, "patternId", "PatId4"), "patternId is one of three"),
        (lambda frame: set_at(frame, "detectionTime", LONG_AGO), "no detection was made before"),
        (lambda frame: set_at(frame, "chunk", 999), "0 rows differ"),
    ],
)
def test_a_wrong_detection_is_found(sound: Inputs, edit: Edit, sentence: str) -> None:
    assert [said for said in failures(edited(sound, edit)) if said.startswith(sentence)]


def turn(frame: pd.DataFrame) -> None:
    frame["number"] = frame.number[::-1].to_numpy()


def set_at(frame: pd.DataFrame, column: str, value: Any) -> None:
    frame.loc[next(iter(frame.index[frame.patternId != "PatId3"])), column] = value


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda text: text.rsplit("\n", 2)[0] + "\n", "the files hold every detection once"),
        (lambda text: text.replace("CHILD", "UPGRADE"), "0 rows differ"),
    ],
)
def test_a_wrong_file_is_found(sound: Inputs, spoil: Callable[[str], str], sentence: str) -> None:
    store = MemoryStore()
    store.objects = dict(sound.store.objects)  # type: ignore[union-attr]
    name = max(name for name in store.objects if name.endswith(".csv"))
    store.objects[name] = spoil(store.objects[name].decode()).encode()
    assert sentence in failures(replace(sound, store=store))


def test_a_short_file_that_is_not_the_last_is_found(sound: Inputs) -> None:
    store = MemoryStore()
    files = CsvFiles(store, detections_folder(STREAM), DETECTIONS, FILE_ROWS)
    rows = [tuple(row.values()) for row in table_of(sound, DETECTIONS.name).to_pylist()]
    half, waiting = len(rows) // 2, Remainder(rows[0][0])
    for part in (rows[:half], rows[half:]):
        waiting = files.write(waiting, part, lambda: None, rest=True)
    (told,) = [one for one in outcomes_of(subjects(replace(sound, store=store))) if not one.success]
    assert (told.sentence, told.severity) == ("every file but a run's last holds 50 rows", WARNING)


def test_it_is_told_how_long_each_pattern_held(folder: Path, sent: list[Received]) -> None:
    """Looked at anew after each chunk, by the plain telling of the specification."""
    # The first run by itself; its last chunk cannot be read.
    made = inputs_of(folder, sent[:10], "one")
    recomputed(made)
    store: Any = made.store
    found = pq.read_table(io.BytesIO(store.get(Run(STREAM, "one").table_file(HELD.name)))).to_pylist()
    chunks = oracle.readable(folder, CHUNK_ROWS)[:8]
    # Nothing but what holds after the chunk: as if all chunks up to it were one.
    after = [
        {
            found[1:]
            for found in oracle.detections([list(chain(*chunks[: n + 1]))], oracle.weights(folder), **PLAINLY)
        }
        for n in range(len(chunks))
    ]
    rows = table_of(made, DETECTIONS.name).to_pylist()
    named = [(row["patternId"], row["MerchantId"], row["customerName"]) for row in rows]
    assert found == [
        {"number": row["number"], "chunks": sum(one in some for some in after), "holds": one in after[-1]}
        for row, one in zip(rows, named, strict=True)
    ]
    assert len({row["holds"] for row in found}) == 2


@pytest.mark.parametrize("counts", [(400, 400), (7, 400, 400, 7), (400, 7), (7, 7, 400)])
def test_an_object_counts_once_however_it_was_announced_before(folder: Path, counts: tuple[int, ...]) -> None:
    """counts: the rows that the announcements say, of an object with 400."""
    data = chunk_of((folder / TRANSACTIONS).read_bytes().splitlines()[1 : CHUNK_ROWS + 1])
    claim = Claim.of(ObjectKey("datasets", "drop/a.csv"), data)
    flush = message(len(counts), kind=Kind.FLUSH, run="one")
    sent, worked = (
        [*(message(n, value=value, count=count, run="one") for n, count in enumerate(counts)), flush]
        for value in (orjson.dumps(claim.to_json()), Content.of(claim, data))
    )
    made = inputs_of(folder, worked, "one", **FEW)
    made.store.put(claim.key, data)  # type: ignore[union-attr]
    read = with_objects(map(as_message, sent), made.store)  # type: ignore[arg-type]
    made = replace(made, replayed=replayed_as("one", {"chunks": read}))
    assert set(made.frame(DETECTIONS.name).chunk) == {counts.index(400)}
    assert len(made.frame(REJECTED.name).query("row == -1")) == len(counts) - 1
    assert differing(made) == []
    assert failures(made) == set()


def test_the_batch_reads_the_objects_that_the_messages_name() -> None:
    store: Any = MemoryStore()
    key = ObjectKey("streams", "merchant_patterns/s/chunks/chunk_000000.csv")
    store.put(key, b"the chunk")
    claim, none = orjson.dumps(Claim.of(key, b"the chunk").to_json()), b"no claim"
    sent = [as_message(message(number, value=value, count=1)) for number, value in enumerate((claim, none))]
    flush = as_message(message(2, kind=Kind.FLUSH, value=b"[]"))
    found = list(with_objects([*sent, flush], store))
    assert [one.value for one in found] == [b"the chunk", none, b"[]"]
    # Partition by partition, the repeat first: the one that was sent first is the chunk.
    again = as_message(message(1, value=claim, count=1))
    assert [one.value for one in with_objects([again, sent[0]], store)] == [b"the chunk", claim]
    store.put(key, b"another")
    with pytest.raises(DatasetUnusable, match=rf"{key} was announced and has other bytes now"):
        list(with_objects(sent, store))

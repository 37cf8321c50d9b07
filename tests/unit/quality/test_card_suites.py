"""What the suites of `card_fraud` let pass, and what each of them finds."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamweir.arrow import arrow_schema
from streamweir.contracts.card_fraud import MODEL_COLUMNS, PIPELINE, SCORED, TRANSACTIONS_TOPIC
from streamweir.contracts.messages import Headers
from streamweir.contracts.rejected import BY_MODEL, REJECTED
from streamweir.datasets.checks import check
from streamweir.duck import sorting
from streamweir.models.card import Card
from streamweir.replay.card_fraud import recording, value
from streamweir_quality.card_fraud import subjects
from streamweir_quality.card_fraud.recompute import recompute
from streamweir_quality.checks import CRITICAL
from streamweir_quality.inputs import Inputs
from streamweir_quality.messages import Message
from streamweir_quality.model_again import sample
from streamweir_quality.recompute import recompute_subjects
from streamweir_quality.runner import Outcome, validate
from streamweir_quality.schema import schema_subject
from streamweir_spark.core import Output
from tests.support.card_files import at, write_cards
from tests.support.checked_run import new_folder, replayed_as, table_files, table_of
from tests.support.made_up_tables import conform
from tests.unit.core.test_card_scoring import START, judged, message, row
from tests.unit.quality.made_up_inputs import recomputed, with_frame

Edit = Callable[[pd.DataFrame], Any]
COUNT = 60
CARD = Card(
    source="trained", threshold=0.5, fraud_share={"labelled": 0.1, "predicted": 0.1, "low": 0.0, "high": 0.3}
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """Sixty transactions; some cannot be scored, one comes twice, one is refused by the model."""
    folder = write_cards(tmp_path_factory.mktemp("cards"), at(*map(str, range(COUNT))))
    values: list[Any] = [row(number, Class=int(number % 9 == 0)) for number in range(COUNT)]
    values[7]["V3"], values[8]["Class"], values[11] = "", "", b"{"
    values += [row(5)]
    sent = [message(place, value) for place, value in enumerate(values)]
    return inputs_of(folder, sent, judged(sent))


def test_a_second_run_of_the_same_file_on_the_stream_equals_its_batch(tmp_path: Path) -> None:
    folder = write_cards(tmp_path, at("0", "1", "2"))
    before = [message(place, row(place), run="r0") for place in range(3)]
    own = [message(3 + place, row(number)) for place, number in enumerate((0, 1, 2, 1))]
    outputs = [output for output in judged([*before, *own]) if output.run == "r1"]
    inputs = inputs_of(folder, [*before, *own], outputs)
    assert inputs.rows(SCORED.name) == 3
    assert [said for _, severity, said in failed(inputs) if severity == CRITICAL] == []


def inputs_of(folder: Path, sent: list[Any], outputs: list[Output]) -> Inputs:
    scored = [scored_row(output) for output in outputs if output.kind == "scored"]
    rejected = [
        {name: output._asdict().get(name) for name in REJECTED.names}
        for output in outputs
        if output.kind == "rejected"
    ]
    counts = Counter(output.reason for output in outputs)
    total = {"scored": len(scored), **{reason: rows for reason, rows in counts.items() if reason}}
    said = [Headers.decode(one.headers) for one in sent]
    messages = [
        Message(one.partition, one.offset, head, one.value)
        for one, head in zip(sent, said, strict=True)
        if head is not None
    ]
    return Inputs(
        pipeline=PIPELINE,
        tables=table_files(
            {
                SCORED.name: conform(pa.Table.from_pylist(scored), SCORED),
                REJECTED.name: conform(pa.Table.from_pylist(rejected), REJECTED),
            }
        ),
        ledger={"totals": {"transactions": total}},
        dataset=folder,
        card=CARD,
        version="v1",
        first=True,
        parameters={},
        replayed=replayed_as("r1", {"transactions": messages}),
    )


def scored_row(output: Output) -> dict[str, Any]:
    values = output.values or ()
    number, label = values[0], values[-1]
    probability = 0.9 if label else 0.1
    moment = datetime.fromtimestamp(1_700_000_000, UTC)
    return {
        "transaction_id": number,
        "event_time": moment,
        "Amount": values[-2],
        "Class": label,
        "fraud_prob": probability,
        "prediction": int(probability >= CARD.threshold),
        "is_alert": probability >= CARD.threshold,
        "model_version": "v1",
        "scored_at": moment,
        "batch_index": output.batch_index,
    }


def outcomes(inputs: Inputs) -> list[Outcome]:
    validated = validate([*subjects(inputs), *recomputed(inputs), schema_subject(inputs)])
    return [outcome for suite in validated for outcome in suite.outcomes]


def failed(inputs: Inputs) -> list[tuple[str, str, str]]:
    return [(one.suite, one.severity, one.sentence) for one in outcomes(inputs) if not one.success]


def edited(inputs: Inputs, edit: Edit) -> Inputs:
    frame = inputs.frame(SCORED.name)
    edit(frame)
    return with_frame(inputs, SCORED.name, frame)


def test_a_sound_run_passes_everything(sound: Inputs) -> None:
    found = outcomes(sound)
    assert len(found) > 25
    assert failed(sound) == []
    assert {"scored", "scored again as a batch", "alerts and training", "rejected"} <= {
        one.suite for one in found
    }


def test_stream_and_batch_read_the_same_times(tmp_path: Path) -> None:
    sound = ("2023-11-14 22:13:20 UTC", "1700000000", "1700000000000.0", "2023-11-15T00:13:20+0200")
    none = (
        "2023-11-14",
        "17",
        "soon",
        "2023-11-14 22:13:20UTC",
        "0001-01-01 00:00:00",
        "infinity",
        1700000000,
        None,
    )
    folder = write_cards(tmp_path, at(*map(str, range(len(sound + none)))))
    sent = [message(number, row(number, event_time=text)) for number, text in enumerate(sound + none)]
    inputs = inputs_of(folder, sent, judged(sent))
    assert inputs.frame(SCORED.name).transaction_id.tolist() == list(range(len(sound)))
    assert [sentence for _, severity, sentence in failed(inputs) if severity == CRITICAL] == []


def test_classes_that_are_quoted_or_boolean_are_read_by_stream_batch_and_suites(tmp_path: Path) -> None:
    classes = {
        1: ("1", "'1'", '"1.0"', "TRUE", "Yes", "1e0", "'1e0'", "+01.", True, 1.0),
        0: ("'0'", '"0"', "False", "'no'", "0.00", "'-.0E3'", False, -0.0),
        None: ("''1''", "'1\"", " 1", "+-1", "1e", "t", "ye\u017f", "\u0661", "1\n", 2, ["1"], ""),
    }
    said = [(label, text) for label, texts in classes.items() for text in texts]
    folder = write_cards(tmp_path, at(*map(str, range(len(said)))))
    sent = [message(number, row(number, Class=text)) for number, (_, text) in enumerate(said)]
    inputs = inputs_of(folder, sent, judged(sent))
    labels = dict(inputs.frame(SCORED.name)[["transaction_id", "Class"]].itertuples(index=False))
    assert labels == {number: label for number, (label, _) in enumerate(said) if label is not None}
    found = [(suite, severity, said) for suite, severity, said in failed(inputs) if severity == CRITICAL]
    assert found == []


NUMBERS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "+", "-", " "]),
    st.sampled_from(["0", "1", "01", "1.", ".0", "1.000", "0.1", "2", ".", "1_0"]),
    st.sampled_from(["", "e0", "E+00", "e-00", "e1", "e400", "e-400", "e"]),
)
WORDS = st.sampled_from(["true", "YES", "False", "nO", "t", "ye\u017f"]) | st.text(
    "01.eE+-'\"\n\u0661", max_size=5
)
CLASSES = st.builds(
    lambda text, before, after: before + text + after,
    NUMBERS | WORDS,
    *[st.sampled_from(["", "", "'", '"'])] * 2,
)


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(CLASSES, min_size=1, max_size=25))
def test_check_replay_stream_and_batch_agree_on_every_text_of_a_class(texts: list[str]) -> None:
    with TemporaryDirectory() as made:
        folder = write_cards(Path(made), [{"Time": "0", "Class": text} for text in ["1", "x", *texts]])
        (file,) = check(PIPELINE.name, folder, needs_history=False)
        sent = [message(at, orjson.loads(one)) for at, one in enumerate(replayed(folder))]
    inputs = inputs_of(folder, sent, judged(sent))
    labels = dict(inputs.frame(SCORED.name)[["transaction_id", "Class"]].itertuples(index=False))
    with sorting(new_folder()) as sql:
        again = recompute(inputs, sql)[SCORED.name].select("transaction_id", "Class").fetchall()
    assert dict(again) == labels
    assert labels[0] == 1
    share = f"; {len(sent) - len(labels)} of {len(sent)} values that were tried"
    assert [share in warning for warning in file.findings.warnings] == [True]


def replayed(folder: Path) -> Iterator[bytes]:
    """The values of the messages that the replay makes of the file."""
    for batch in recording(folder).batches():
        for rows in batch.rows.values():
            yield value(rows, START)


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda frame: frame.drop(index=3, inplace=True), "as many rows as the ledger counts"),
        (lambda frame: frame.__setitem__("transaction_id", 3), "0 rows differ"),
        (
            lambda frame: frame.__setitem__(["transaction_id", "batch_index"], [3, 3]),
            "transaction_id and batch_index come together only once",
        ),
        (lambda frame: frame.__setitem__("fraud_prob", 1.5), "fraud_prob lies in [0, 1]"),
        (lambda frame: frame.__setitem__("prediction", 2), "prediction is 0 or 1"),
        (lambda frame: frame.__setitem__("is_alert", True), "exactly where the threshold 0.5 is reached"),
        (lambda frame: frame.__setitem__("model_version", "v0"), "model_version is the run's model"),
        (lambda frame: frame.__setitem__("Amount", 1.0), "0 rows differ"),
        (lambda frame: frame.__setitem__("batch_index", 1), "0 rows differ"),
    ],
)
def test_a_wrong_table_is_found(sound: Inputs, edit: Edit, sentence: str) -> None:
    found = failed(edited(sound, edit))
    assert any(sentence in said for _, severity, said in found if severity == CRITICAL), found


def with_threshold(inputs: Inputs, asked: float | None, on_card: float | None) -> Inputs:
    card = replace(CARD, threshold=on_card)
    return replace(inputs, card=card, parameters={"threshold": asked})


@pytest.mark.parametrize(("asked", "on_card"), [(0.05, 0.5), (0.05, None), (None, 0.05)])
def test_alerts_follow_the_threshold_that_decides_whatever_the_model_predicts(
    sound: Inputs, asked: float | None, on_card: float | None
) -> None:
    # Every fraud_prob is 0.1 or 0.9: all reach 0.05, and the model itself predicts fraud for some.
    decided = with_threshold(sound, asked, on_card)
    assert {said for _, severity, said in failed(decided) if severity == CRITICAL} == {
        "is_alert is true exactly where the threshold 0.05 is reached"
    }
    loud = edited(decided, lambda frame: frame.__setitem__("is_alert", True))
    assert [said for _, severity, said in failed(loud) if severity == CRITICAL] == []


def test_without_a_threshold_alerts_follow_the_models_own_prediction(sound: Inputs) -> None:
    own = with_threshold(sound, None, None)
    assert failed(own) == []
    changed = edited(own, lambda frame: frame.__setitem__("prediction", 1))
    assert {said for _, _, said in failed(changed)} == {
        "is_alert is true exactly where the model's own prediction is 1"
    }


def test_the_share_that_training_saw_says_nothing_of_another_threshold(sound: Inputs) -> None:
    few = replace(CARD, fraud_share={**CARD.fraud_share, "high": 0.01})
    asked = replace(sound, card=few, parameters={"threshold": 0.4})
    assert failed(asked) == []


def test_more_alerts_than_training_saw_are_a_warning(sound: Inputs) -> None:
    few = replace(CARD, fraud_share={**CARD.fraud_share, "high": 0.01})
    assert [(suite, severity) for suite, severity, _ in failed(replace(sound, card=few))] == [
        ("alerts and training", "warning")
    ]


def test_what_only_the_model_refuses_is_no_difference(sound: Inputs) -> None:
    scored = table_of(sound, SCORED.name)
    gone = scored.filter(pa.array([number != 20 for number in scored["transaction_id"].to_pylist()]))
    (place,) = [one for one in sound.replayed.of(TRANSACTIONS_TOPIC) if one.headers.sequence == 20]
    refused = {
        **dict.fromkeys(REJECTED.names),
        "topic": "transactions",
        "partition": place.partition,
        "offset": place.offset,
        "row": -1,
        "rows": 1,
        "reason": "unscorable",
        "detail": f"Amount is missing, which {BY_MODEL} refuses",
    }
    lines = [*table_of(sound, REJECTED.name).to_pylist(), refused]
    total = sound.ledger["totals"]["transactions"]
    counted = {**total, "scored": total["scored"] - 1, "unscorable": total["unscorable"] + 1}
    inputs = replace(
        sound,
        tables=table_files(
            {SCORED.name: gone, REJECTED.name: conform(pa.Table.from_pylist(lines), REJECTED)}
        ),
        ledger={"totals": {"transactions": counted}},
    )
    assert failed(inputs) == []


def test_the_model_is_given_every_scored_transaction_a_second_time_as_numbers(sound: Inputs) -> None:
    with sorting(new_folder()) as sql:
        list(recompute_subjects(sound, sql))
        found = sample(sound, sql, 1_000)
    assert found is not None
    assert found.rows.drop_columns("batch_index").schema.equals(arrow_schema(MODEL_COLUMNS))
    assert str(found) == "57 of 57 rows"
    scored = sorted(table_of(sound, SCORED.name)["transaction_id"].to_pylist())
    given = found.rows.drop_columns("batch_index").sort_by("transaction_id").to_pylist()
    assert [one.pop("transaction_id") for one in given] == scored
    assert given == [
        dict.fromkeys(given[0], 0.5)
        | {"event_time": datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC), "Time": 0.0, "Amount": 9.99}
    ] * len(scored)

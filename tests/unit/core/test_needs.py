"""What a model asks of a row, and how a refusal reads."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamweir.contracts.tables import Column, Type
from streamweir_spark.needs import ModelNeeds

NEEDS = ModelNeeds(
    categories={
        "payment_method": frozenset({"OVO", "Gopay"}),
        "total_amount": frozenset({"1.0E7", "5.5", "x"}),
    },
    present=frozenset({"age"}),
    ranges={"num_purchase": (0.0, 10.0)},
)
GOOD = {"payment_method": "OVO", "total_amount": 10_000_000.0, "age": 0, "num_purchase": 10}


def test_a_row_that_the_model_takes_has_no_problem() -> None:
    assert NEEDS.problem(GOOD) is None


def test_a_model_without_needs_takes_every_row() -> None:
    assert ModelNeeds().problem({}) is None


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("payment_method", "Bitcoin", "payment_method is 'Bitcoin', which the model was not trained on"),
        ("payment_method", None, "payment_method is None, which the model was not trained on"),
        ("total_amount", 5.4, "total_amount is 5.4, which the model was not trained on"),
        ("age", None, "age is missing, which the model refuses"),
        ("age", float("nan"), "age is missing, which the model refuses"),
        ("num_purchase", 11, "num_purchase is 11, outside the model's range 0 to 10"),
        ("num_purchase", None, "num_purchase is None, outside the model's range 0 to 10"),
    ],
)
def test_a_problem_names_column_and_value(column: str, value: object, sentence: str) -> None:
    assert NEEDS.problem({**GOOD, column: value}) == sentence


VALUES = {
    "payment_method": st.sampled_from(["OVO", "Gopay", "Bitcoin", None]),
    "total_amount": st.sampled_from([10_000_000.0, 5.5, 5, 5.4, "x", None]),
    "age": st.sampled_from([0, 0.5, None, float("nan")]),
    "num_purchase": st.sampled_from([0, 10, 10.5, -1, "5", None]),
}


@given(
    st.lists(
        st.sampled_from(sorted(GOOD)).flatmap(
            lambda name: VALUES[name].map(lambda value: GOOD | {name: value})
        ),
        max_size=3,
    )
)
def test_rows_meet_the_needs_when_none_has_a_problem(rows: list[dict]) -> None:
    rows = [GOOD, *rows]
    columns = {name: [row[name] for row in rows] for name in GOOD}
    assert NEEDS.met_by(columns) == all(NEEDS.problem(row) is None for row in rows)


def test_an_absent_column_is_a_problem() -> None:
    absent = {key: value for key, value in GOOD.items() if key != "payment_method"}
    assert NEEDS.problem(absent) is not None
    assert not NEEDS.met_by({name: [value] for name, value in absent.items()})


def test_a_hostile_value_does_not_make_the_sentence_long() -> None:
    problem = NEEDS.problem({**GOOD, "payment_method": "x" * 10_000})
    assert problem is not None
    assert len(problem) < 200


def test_made_up_rows_fulfil_the_needs() -> None:
    columns = [
        Column("payment_method", Type.STRING),
        Column("total_amount", Type.DOUBLE),
        Column("age", Type.INT),
        Column("num_purchase", Type.INT),
    ]
    probes = NEEDS.probes(columns)
    assert [NEEDS.problem(probe) for probe in probes] == [None] * len(probes)
    assert [probe["age"] for probe in probes] == [1, 0, 100, 10_000]
    assert {probe["num_purchase"] for probe in probes} == {0, 1, 10}


def test_needs_travel_to_the_workers() -> None:
    assert pickle.loads(pickle.dumps(NEEDS)) == NEEDS

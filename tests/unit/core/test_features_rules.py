"""The features of a transaction, rule by rule."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamweir.contracts.ecommerce_fraud import MODEL_COLUMNS
from streamweir.contracts.tables import Type
from streamweir_spark.core import Received
from streamweir_spark.ecommerce_fraud.domain import Domain
from streamweir_spark.ecommerce_fraud.features import Customer, LocalClock, customers_of, time_of_day
from streamweir_spark.needs import ModelNeeds
from tests.unit.core.ecommerce_stream import (
    CUSTOMERS,
    START,
    batch,
    browsing,
    domain,
    message,
    rejected,
    run,
    run_apart,
    scored,
    transaction,
)

# About a change of the clock: in Melbourne, in Newfoundland at a minute past, in Liberia by odd seconds.
CHANGES = [
    change + timedelta(microseconds=offset)
    for change in (datetime(2024, 4, 6, 16), datetime(2006, 10, 29, 2, 31), datetime(1972, 1, 7, 0, 44, 30))
    for offset in (-1, 0, 60_000_000)
]


def features_of(*messages: Received, dom: Domain | None = None) -> dict[str, Any]:
    """The one scored row of a stream."""
    dom = dom or domain()
    (row,) = scored(run(messages, dom), dom)
    return row


def test_a_scored_row_has_the_contracts_columns_with_values_of_their_types() -> None:
    row = features_of(*batch(3 - 3, [browsing()], [transaction()]))
    kinds = {Type.STRING: str, Type.INT: int, Type.DOUBLE: float, Type.TIMESTAMP: int}
    assert {name: type(row[name]) for name in (column.name for column in MODEL_COLUMNS)} == {
        column.name: kinds[column.type] for column in MODEL_COLUMNS
    }
    assert row["event_ts"] == START * 1_000_000
    assert row["created_at"] == 1_704_067_210_000_000
    assert (row["shipment_location_lat"], row["promo_code"], row["clear_payment"]) == (-8.5, "", "1")


def test_ratios_are_shares_among_the_events_with_a_known_level() -> None:
    events = ["AP", "ATC", "CO", "VC", "VP", "VI", "SER", "SCR", "HP", "CL", "??", "ap"]
    row = features_of(*batch(0, [browsing(event=event) for event in events], [transaction()]))
    assert (row["L1_ratio"], row["L2_ratio"], row["session_events"]) == (30.0, 40.0, 12)


def test_without_any_browsing_row_ratios_are_zero_and_the_transaction_is_scored() -> None:
    row = features_of(*batch(0, [browsing("other")], [transaction(time="2024-01-01 02:00:00")]))
    assert (row["L1_ratio"], row["L2_ratio"], row["session_events"]) == (0.0, 0.0, 0)
    assert row["time_of_day"] == "afternoon"


def test_events_of_unknown_level_alone_give_zero_ratios_but_count_as_events() -> None:
    row = features_of(*batch(0, [browsing(event="??")], [transaction()]))
    assert (row["L1_ratio"], row["L2_ratio"], row["session_events"]) == (0.0, 0.0, 1)


@pytest.mark.parametrize(("behind", "seen"), [(600, 1), (601, 0)])
def test_browsing_rows_count_up_to_the_lookback_of_the_clock(behind: int, seen: int) -> None:
    first = batch(0, [browsing()], ts=START)
    assert features_of(*first, *batch(1, [], [transaction()], ts=START + behind))["session_events"] == seen


def test_a_browsing_row_from_the_future_of_a_delayed_transaction_does_not_count() -> None:
    first = batch(0, [browsing()], ts=START + 1)
    assert features_of(*first, *batch(1, [], [transaction()], ts=START))["session_events"] == 0


@pytest.mark.parametrize(("time", "seen"), [("2024-01-01 00:00:10", 1), ("2024-01-01 00:00:10.000001", 0)])
def test_nothing_from_after_the_transaction_counts(time: str, seen: int) -> None:
    assert features_of(*batch(0, [browsing(time=time)], [transaction()]))["session_events"] == seen


def test_rows_of_a_later_batch_do_not_count_though_they_are_read_first() -> None:
    early = message("transactions", 0, [transaction()])
    late = message("transactions", 1, [])
    seen = [message("browsing", 0, []), message("browsing", 1, [browsing()], ts=START)]
    assert features_of(*seen, early, late)["session_events"] == 0


def test_late_browsing_rows_do_not_count() -> None:
    messages = [
        *batch(0, ts=START + 61),
        *batch(1, [browsing()], ts=START),
        *batch(2, [browsing()], ts=START + 1),
        *batch(3, [], [transaction()], ts=START + 61),
    ]
    assert features_of(*messages)["session_events"] == 1
    (reject,) = rejected(run(messages))
    assert (reject.reason, reject.topic, reject.sequence, reject.row) == ("late", "browsing", 1, 0)
    assert reject.raw == b'{"event_time":"2024-01-01 00:00:00","event_type":"HP","session_id":"s"}'


def test_a_late_transaction_is_listed_whole() -> None:
    (reject,) = rejected(run([*batch(0, ts=START + 61), *batch(1, [], [transaction("x")], ts=START)]))
    assert (reject.reason, reject.id) == ("late", "x")
    assert json.loads(reject.raw or b"") == transaction("x") | {"ts": START}


def test_rows_that_a_transaction_can_still_reach_are_never_forgotten() -> None:
    """60 s late at most, 600 s back at most: 660 s behind the largest ts is the end."""
    seen = [*batch(0, [browsing()], ts=START - 1), *batch(1, [browsing()] * 2, ts=START)]
    dom = domain()
    micro_batches = [seen, batch(2, ts=START + 660), batch(3, [], [transaction()], ts=START + 600)]
    (row,) = scored(run_apart(micro_batches, dom, 1), dom)
    assert row["session_events"] == 2


@pytest.mark.parametrize(
    ("hour", "name"),
    [(0, "night"), (5, "night"), (6, "morning"), (11, "morning"), (12, "afternoon"), (17, "afternoon"),
     (18, "evening"), (23, "evening")],
)  # fmt: skip
def test_the_day_has_four_parts(hour: int, name: str) -> None:
    assert time_of_day(hour) == name


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        # Melbourne is 11 hours ahead in summer, 10 in winter; the change is on 7 April, 03:00 local time.
        ("2024-01-01 19:00:00", "morning"),
        ("2024-01-01 18:59:59.999999", "night"),
        ("2024-07-01 19:30:00", "night"),
        ("2024-07-01 20:00:00", "morning"),
        ("2024-04-06 19:30:00", "night"),
        ("2024-04-05 19:30:00", "morning"),
        ("2024-10-05 19:00:00", "morning"),
        ("2024-10-04 19:00:00", "night"),
        ("2024-01-01T12:00:00+11:00", "afternoon"),
    ],
)
def test_time_of_day_is_the_session_time_zones_with_its_summer_time(created: str, expected: str) -> None:
    assert features_of(*batch(0, [], [transaction(time=created)]))["time_of_day"] == expected


@given(
    st.lists(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)) | st.sampled_from(CHANGES), max_size=5),
    st.sampled_from(["Australia/Melbourne", "Asia/Kolkata", "America/St_Johns", "Africa/Monrovia", "UTC"]),
)
def test_the_clock_is_the_zones_at_any_time(times: list[datetime], zone: str) -> None:
    epoch = datetime(1970, 1, 1)
    local = [time.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) for time in times]
    micros, expected = (
        [(time - epoch) // timedelta(microseconds=1) for time in some] for some in (times, local)
    )
    assert LocalClock(zone)(np.array(micros, np.int64)).tolist() == expected


def test_time_of_day_is_that_of_the_middle_between_the_first_and_last_event() -> None:
    seen = [browsing(time=f"2024-01-01 {clock}") for clock in ("06:00:00", "00:10:00", "02:00:00")]
    row = features_of(*batch(0, seen, [transaction(time="2024-01-01 07:30:00")]))
    assert row["time_of_day"] == "afternoon"  # 03:05 UTC is 14:05; created_at is 18:30.


@pytest.mark.parametrize(
    ("customer", "created", "age"),
    [
        ("7", "2024-06-14 13:59:59", 33),
        ("7", "2024-06-14 14:00:00", 34),  # 15 June in Melbourne
        ("7", "1990-06-14 14:00:00", 0),
        ("29", "2023-02-28 12:00:00", 22),
        ("29", "2023-02-28 13:00:00", 23),  # 1 March in Melbourne
        ("29", "2024-02-28 12:00:00", 23),
        ("29", "2024-02-28 13:00:00", 24),  # 29 February in Melbourne
    ],
)
def test_age_is_counted_in_the_session_time_zone(customer: str, created: str, age: int) -> None:
    assert features_of(*batch(0, [], [transaction(time=created, customer_id=customer)]))["age"] == age


def test_the_customer_gives_gender_and_year_of_joining() -> None:
    row = features_of(*batch(0, [], [transaction(customer_id="29")]))
    assert (row["gender"], row["first_join_year"]) == ("M", 2021)


@pytest.mark.parametrize(
    ("products", "count"),
    [
        ("[]", 0),
        ("[{'product_id': 1, 'quantity': 3, 'item_price': 5}]", 3),
        ("[ {'product_id':-2,'quantity':5,'item_price':1},{'product_id':2,'quantity':2,'item_price':0}]", 7),
        ("[{'product_id': 1, 'quantity': 9223372036854775807, 'item_price': 5}]", 2**63 - 1),
    ],
)  # fmt: skip
def test_num_purchase_is_the_sum_of_the_quantities(products: str, count: int) -> None:
    assert features_of(*batch(0, [], [transaction(product_metadata=products)]))["num_purchase"] == count


HUGE = "{'product_id': 1, 'quantity': 9223372036854775807, 'item_price': 5}"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"customer_id": "8"}, "customer_id '8' is not a known customer"),
        ({"created_at": "01/02/2024"}, "created_at '01/02/2024' is not a time"),
        ({"promo_amount": "NaN"}, "promo_amount 'NaN' is not a decimal number"),
        ({"promo_amount": "1_0"}, "promo_amount '1_0' is not a decimal number"),
        ({"shipment_fee": ""}, "shipment_fee '' is not a decimal number"),
        ({"shipment_location_lat": "Infinity"}, "shipment_location_lat 'Infinity' is not"),
        ({"shipment_location_long": "1e999"}, "shipment_location_long '1e999' is too large"),
        ({"total_amount": " 1"}, "total_amount ' 1' is not a decimal number"),
        ({"product_metadata": ""}, "product_metadata '' is not a list of products"),
        ({"product_metadata": "[" * 900 + "]" * 900}, "product_metadata (a list) is not a product"),
        ({"product_metadata": "[{'product_id': 1}]"}, "product_metadata quantity 'None' is not"),
        ({"product_metadata": f"[{HUGE}, {HUGE}]"}, "too many to count"),
        ({"payment_method": "Cash"}, "payment_method is 'Cash', which the model was not trained on"),
    ],
)
def test_an_unscorable_transaction_is_rejected_with_column_and_value(
    change: dict[str, str], sentence: str
) -> None:
    dom = domain(ModelNeeds(categories={"payment_method": frozenset({"Gopay"})}))
    outputs = run(batch(0, [], [transaction("a") | change, transaction("b")]), dom)
    (reject,) = rejected(outputs)
    assert (reject.reason, reject.id, reject.row, reject.rows) == ("unscorable", "a", 0, 1)
    assert sentence in (reject.detail or "")
    assert json.loads(reject.raw or b"") == transaction("a") | change | {"ts": START}
    assert [row["id"] for row in scored(outputs, dom)] == ["b"]


@pytest.mark.parametrize("name", ["promo_amount", "product_metadata", "total_amount"])
def test_a_transaction_without_a_number_or_its_products_is_unscorable(name: str) -> None:
    row = {key: value for key, value in transaction().items() if key != name}
    (reject,) = rejected(run(batch(0, [], [row])))
    assert (reject.reason, reject.detail) == ("unscorable", f"{name} is missing")


def test_a_customer_without_dates_is_scored_unless_the_model_asks_for_them() -> None:
    customers = {"7": Customer("F", None, None)}
    row = features_of(*batch(0, [], [transaction()]), dom=Domain(customers, ModelNeeds()))
    assert (row["age"], row["first_join_year"]) == (None, None)
    (reject,) = rejected(
        run(batch(0, [], [transaction()]), Domain(customers, ModelNeeds(present=frozenset({"age"}))))
    )
    assert (reject.reason, reject.detail) == ("unscorable", "age is missing, which the model refuses")


def test_a_transaction_that_was_scored_before_is_a_duplicate() -> None:
    messages = [
        *batch(0, [], [transaction("a"), transaction("a"), transaction("a", "other")]),
        *batch(1, [], [transaction("b"), transaction("a")]),
    ]
    outputs = run(messages)
    assert [(o.sequence, o.row, o.reason, o.id) for o in rejected(outputs)] == [
        (0, 1, "duplicate", "a"),
        (1, 1, "duplicate", "a"),
    ]
    assert [(o.sequence, o.row) for o in outputs if o.kind == "scored"] == [(0, 0), (0, 2), (1, 0)]


def test_ids_that_join_to_the_same_text_are_not_duplicates() -> None:
    outputs = run(batch(0, [], [transaction("bc", "a"), transaction("c", "ab"), transaction("1:c", "ab")]))
    assert not rejected(outputs)


def test_what_was_rejected_was_not_scored_and_makes_no_duplicate() -> None:
    bad = transaction("a") | {"total_amount": "x"}
    outputs = run([*batch(0, [], [bad, transaction("a"), bad]), *batch(1, [], [transaction("a")])])
    assert [o.reason for o in rejected(outputs)] == ["unscorable", "unscorable", "duplicate"]


def test_the_first_reason_wins() -> None:
    """malformed before late before unscorable before duplicate."""
    spoilt = transaction("a") | {"total_amount": "x"}
    nameless = spoilt | {"transaction_id": ""}
    messages = [
        *batch(0, [], [transaction("a")], ts=START + 100),
        *batch(1, [], [nameless, spoilt, transaction("a")], ts=START),
        *batch(2, [], [spoilt, transaction("a")], ts=START + 100),
    ]
    assert [o.reason for o in rejected(run(messages))] == [
        "malformed", "late", "late", "unscorable", "duplicate"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seen", "bought"), [("90264.0", "90264"), ("90264", "90264.0"), ("90264.0", "90264.0")]
)
def test_ids_that_a_spreadsheet_wrote_are_the_ids_that_they_say(seen: str, bought: str) -> None:
    rows = [transaction("5", bought, customer_id="7.0"), transaction("5.0", seen)]
    outputs = run([*batch(0, [browsing(seen), browsing("a.0")]), *batch(1, [browsing(bought)], rows)])
    (row,) = scored(outputs, domain())
    assert (row["session_events"], row["session_id"], row["customer_id"]) == (2, "90264", "7")
    assert [o.reason for o in rejected(outputs)] == ["duplicate"]


def test_customers_are_read_from_their_file() -> None:
    row = {"customer_id": "7", "gender": "F", "birthdate": "1990-06-15", "first_join_date": "2019-03-01"}
    assert customers_of([row])["7"] == CUSTOMERS["7"]
    assert customers_of([row | {"customer_id": "7.0"}]) == {"7": CUSTOMERS["7"]}


@pytest.mark.parametrize("text", ["", "15/6/1990", "1990-02-30", "NA", "0000-01-01", "1990-06-15 "])
def test_a_text_that_is_no_date_counts_as_none(text: str) -> None:
    row = {"customer_id": "7", "gender": "F", "birthdate": text, "first_join_date": text}
    assert customers_of([row])["7"] == Customer("F", None, None)

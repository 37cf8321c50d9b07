"""Payments in chunks: what is read, which patterns hold after each, in which order they are reported."""

import csv
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamweir.claims import Claim, Content
from streamweir.contracts.merchant_patterns import Rules
from streamweir.contracts.merchant_patterns.dataset import parse_amount, parse_weight, plain
from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.streams import ObjectKey
from streamweir.datagen.merchant_patterns import generate
from streamweir.errors import BadConfiguration, DatasetUnusable
from streamweir.replay.csvfile import text_rows
from streamweir_spark.core import State
from streamweir_spark.merchant_patterns.domain import Domain
from streamweir_spark.merchant_patterns.patterns import percentile_disc
from streamweir_spark.merchant_patterns.reader import READER, Payments
from tests.oracle import merchant_patterns as oracle
from tests.unit.core.merchants import HEADER, START, chunk_of, message, payment, run, run_apart

FEW: dict[str, Any] = {
    "upgrade_min_transactions": 3,
    "upgrade_share": 0.5,
    "child_min_transactions": 3,
    "child_mean_below": 10,
    "dei_min_female": 1,
}
PLAINLY = {"upgrade_above": 3, "share": "0.5", "child_from": 3, "child_mean": "10", "female_above": 1}


def weight(customer: str, merchant: str, weighs: str) -> dict[str, str]:
    return {"Source": f"'{customer}'", "Target": f"'{merchant}'", "Weight": weighs}


def test_a_pattern_is_reported_once_at_the_first_chunk_after_which_it_holds_and_may_cease() -> None:
    cheap, dear = payment("C1", "M1", "9.99"), payment("C1", "M1", "100")
    found = run(
        [message(0, [cheap] * 2), message(1, [cheap]), message(2, [dear] * 9), message(3, [cheap] * 99)],
        **FEW,
    )
    assert found.detections == [(1, "PatId2", "M1", "C1")]
    assert found.used() == 111
    # With the dear ones first it does not hold until much later.
    other = run(
        [message(0, [cheap] * 2), message(1, [dear] * 9), message(2, [cheap]), message(3, [cheap] * 99)],
        **FEW,
    )
    assert other.detections == []


def test_the_mean_of_a_child_is_compared_exactly() -> None:
    # In doubles 0.1 + 0.2 is more than 0.3.
    rows = [payment("C1", "M1", amount) for amount in ("0.1", "0.2", "0.3")]
    assert run([message(0, rows)], **FEW | {"child_mean_below": 0.2}).detections == []
    assert run([message(0, rows)], **FEW | {"child_mean_below": 0.2001}).detections != []
    assert run([message(0, rows[:2])], **FEW).detections == []


def test_a_merchant_needs_more_female_customers_than_the_limit_and_fewer_than_male_ones() -> None:
    female = [payment(f"F{n}", "M1", gender="F") for n in range(2)]
    male = [payment(f"H{n}", "M1", gender="M") for n in range(3)]
    other = [payment(f"U{n}", "M1", gender="U") for n in range(9)]
    assert run([message(0, [*female, *male])], **FEW).detections == [(0, "PatId3", "M1", "")]
    assert run([message(0, [*female, *male[:2], *male[:2], *other])], **FEW).detections == []
    assert run([message(0, [*female[:1], *male])], **FEW).detections == []


def test_the_weight_of_a_pair_is_the_mean_of_its_rows_or_their_total() -> None:
    rows = [payment(one, "M1") for one in ("C1", "C1", "C2", "C2", "C3")]
    # C1 weighs 2 by the mean, and 6 in total; C2 weighs 3 both ways.
    importance = [*[weight("C1", "M1", "2")] * 3, weight("C2", "M1", "3"), weight("C9", "M9", "0.1")]
    assert run([message(0, rows)], importance, **FEW).detections == [(0, "PatId1", "M1", "C1")]
    total = run([message(0, rows)], importance, upgrade_weight="total", **FEW)
    assert total.detections == [(0, "PatId1", "M1", "C2")]


def test_a_customer_without_weight_is_never_upgraded_and_counts_among_the_busy_ones() -> None:
    rows = [payment(one, "M1") for one in ("C1", "C1", "C1", "C2", "C2", "C3")]
    assert run([message(0, rows)], [weight("C2", "M1", "1")], **FEW).detections == [(0, "PatId1", "M1", "C2")]
    assert run([message(0, rows)], [weight("C3", "M1", "1")], **FEW).detections == []
    assert run([message(0, rows)], [], **FEW).detections == []
    assert run([message(0, rows[:3])], [weight("C1", "M1", "1")], **FEW).detections == []


@pytest.mark.parametrize(
    ("count", "share", "place"),
    [
        (100, "0.99", 99),
        (100, "0.01", 1),
        (101, "0.01", 2),
        (1, "0.01", 1),
        (10, "0", 1),
        (10, "1", 10),
        (100, "0.07", 7),
    ],
)
def test_a_percentile_is_the_smallest_value_with_at_least_the_share(
    count: int, share: str, place: int
) -> None:
    assert percentile_disc(range(1, count + 1), Fraction(share)) == place
    assert oracle.percentile_disc(range(1, count + 1), Fraction(share)) == place


def test_a_preset_stands_above_other_values_and_a_share_is_as_it_is_written() -> None:
    assert Rules.of({"preset": "assignment_v1", "upgrade_share": 0.5, "upgrade_weight": "total"}) == Rules.of(
        {"upgrade_share": 0.1}
    )
    assert Rules.of({}).share == Fraction(1, 100)
    for wrong in ({"preset": "v2"}, {"upgrade_weight": "median"}):
        with pytest.raises(BadConfiguration, match=r"v2|median"):
            Rules.of(wrong)


def test_detections_of_a_chunk_come_by_pattern_merchant_and_customer() -> None:
    rows = [payment(one, where, "1") for one in ("C2", "C1") for where in ("M2", "M1") for _ in range(3)]
    found = run([message(0, rows)], [weight("C2", "M2", "1"), weight("C1", "M1", "1")], **FEW).detections
    assert found == [
        *((0, "PatId1", *pair) for pair in (("M1", "C1"), ("M2", "C2"))),
        *((0, "PatId2", merchant, customer) for merchant in ("M1", "M2") for customer in ("C1", "C2")),
    ]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (payment("C1", "M1", "-1"), "'-1' is not an amount"),
        (payment("C1", "M1", "1.23456"), "'1.23456' is not an amount"),
        (payment("C1", "M1", "NaN"), "'NaN' is not an amount"),
        (payment("C1", "M1", ""), "'' is not an amount"),
        (payment("C1", "M1", "1e3"), "'1e3' is not an amount"),
        (payment("", "M1"), "there is no customer"),
        (payment("C1", ""), "there is no merchant"),
        (b"0,'C1','4'", "the row has 3 values for 10 columns"),
        (b",".join([b"0"] * 200), "the row has 200 values for 10 columns"),
        (b'0,"C1', "the row is no CSV"),
        (b"0,'C\xff','4','F','1','M1','1','x',1,0", "codec can't decode"),
    ],
)
def test_a_row_that_cannot_be_read_is_malformed_and_the_rest_counts(row: bytes, problem: str) -> None:
    good = payment("C1", "M1", "48.9")
    found = run([message(0, [good, row, good])], **FEW)
    [(place, detail)] = found.rejected()
    assert (place, found.used()) == (1, 2)
    assert problem in (detail or "")
    raw = next(one.raw for one in found.outputs if one.kind == "rejected")
    assert orjson.loads(raw or b"")["ts"] == START


@pytest.mark.parametrize("amount", ["0", "10", "48.9", "0.0001", "00.5", "999999999999999.9999"])
def test_an_amount_is_exact(amount: str) -> None:
    assert parse_amount(amount) == Fraction(amount) * 10_000


def test_quotes_belong_to_the_values_in_the_file_only() -> None:
    assert [plain(text) for text in ("'C1'", "C1", "''", "'", "'a'b'")] == ["C1", "C1", "", "'", "a'b"]
    rows = [payment("C1", "M1", "1").replace(b"'C1'", name) for name in (b"'C1'", b"C1", b"\"'C1'\"")]
    assert run([message(0, rows)], **FEW).detections == [(0, "PatId2", "M1", "C1")]
    assert parse_weight("-1.50") == parse_weight("-1.5") < parse_weight("-1.4999") < 0
    for wrong in ("NaN", "", "high", "1e3", "1,5", "inf"):
        with pytest.raises(ValueError, match="is not a decimal number"):
            parse_weight(wrong)


def test_line_ends_and_columns_may_be_others() -> None:
    rows = [payment("C1", "M1", "1")] * 3
    moved = b"amount,gender,merchant,customer,more\r\n" + b"1,'F','M1','C1',x\r\n\r\n" * 3
    for value in (
        chunk_of(rows),
        chunk_of(rows, b"\r\n"),
        chunk_of(rows)[:-1],
        b"\xef\xbb\xbf" + chunk_of(rows),
        moved,
    ):
        found = run([message(0, value=value, count=3)], **FEW)
        assert (found.detections, found.used()) == ([(0, "PatId2", "M1", "C1")], 3)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (HEADER.replace(b"amount", b"paid") + b"\n" + payment("C1", "M1"), "has column amount 0 times"),
        (HEADER + b",gender\n" + payment("C1", "M1") + b",F", "has column gender 2 times"),
        (chunk_of([payment("C1", "M1")] * 2), "has 2 rows where its header says 1"),
        (b"\xff\n1", "header line cannot be read"),
        (b"\n", "has column customer 0 times"),
    ],
)
def test_a_chunk_that_cannot_be_read_is_rejected_as_a_whole(value: bytes, problem: str) -> None:
    found = run([message(0, value=value, count=1), message(1, [payment("C1", "M1")] * 3)], **FEW)
    [(place, detail)] = found.rejected()
    assert (place, found.used()) == (-1, 3)
    assert problem in (detail or "")


NAME_TEXTS = st.sampled_from(
    ["'C1'", "C1", "\"'C1'\"", "C2", " C2", "", "''", "'", "NULL", "nan", "é", "\x00", "C\r3", '"', "\xff"]
)
AMOUNT_TEXTS = st.sampled_from(
    [
        "1",
        "2.5",
        "0.0001",
        "214748.3647",
        "214748.3648",
        "999999999999999.9999",
        "",
        "x",
        "-1",
        "1e3",
        "1.23456",
    ]
)
CELLS = [NAME_TEXTS] * 8 + [AMOUNT_TEXTS, NAME_TEXTS]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.tuples(*CELLS), st.tuples(*CELLS[2:]), st.tuples(*CELLS, NAME_TEXTS))))
def test_a_chunk_is_summed_up_as_row_by_row(cells: list[tuple[str, ...]]) -> None:
    # The last of the names stands for a byte that is no UTF-8.
    lines = [",".join(row).encode().replace("\xff".encode(), b"\xff") for row in cells]
    lines = [line for line in lines if line.rstrip(b"\r")]
    headers = Headers("run", 0, 0, START, Kind.BATCH, len(lines))
    by_shard, rejects = READER.read("chunks", headers, chunk_of(lines), 1)
    found = Payments(*by_shard[0]).sums  # type: ignore[misc]
    expected: dict[tuple[str, str], tuple[int, Fraction, bool, bool]] = {}
    for place, line in enumerate(lines):
        if (payment := row_by_row(line)) is None:
            assert place in {one.row for one in rejects}
            continue
        pair, gender, amount = payment
        number, total, female, male = expected.get(pair, (0, Fraction(0), False, False))
        expected[pair] = number + 1, total + amount, female or gender == "F", male or gender == "M"
    assert len(rejects) + sum(number for number, *_ in expected.values()) == len(lines)
    pairs = [
        (found.merchants[m], found.customers[c]) for m, c in zip(found.merchant, found.customer, strict=True)
    ]
    told = zip(found.number, found.total, found.female, found.male, strict=True)
    assert {
        pair: (number, Fraction(int(total), 10_000), female, male)
        for pair, (number, total, female, male) in zip(pairs, told, strict=True)
    } == expected
    assert [set(found.merchants), set(found.customers)] == [{pair[n] for pair in expected} for n in (0, 1)]


def row_by_row(line: bytes) -> tuple[tuple[str, str], str, Fraction] | None:
    """Merchant and customer, gender and amount of a line, as the specification says; None when it is none."""
    try:
        text = line.decode().rstrip("\r")
        [values] = csv.reader([text], strict=True) if '"' in text else [text.split(",")]
    except (ValueError, csv.Error):
        return None
    if len(values) != 10:
        return None
    customer, gender, merchant = (
        one[1:-1] if len(one) > 1 and one[0] == one[-1] == "'" else one
        for one in (values[1], values[3], values[5])
    )
    is_amount = re.fullmatch(r"[0-9]+(\.[0-9]{1,4})?", values[8])
    return (
        ((merchant, customer), gender, Fraction(values[8])) if customer and merchant and is_amount else None
    )


def test_sums_that_64_bits_cannot_hold_are_exact() -> None:
    most, least = "999999999999999.9999", "0.0001"
    sent = [message(n, [payment("C1", "M1", one) for one in (most, most, least)]) for n in range(200)]
    sent.append(message(200, [payment("C1", "M1", least)]))
    mean = (400 * Fraction(most) + 201 * Fraction(least)) / 601
    assert mean * 601 > 2**63 / 10_000
    assert run(sent, **FEW | {"child_mean_below": str(mean)}).detections == []
    above = run(sent, **FEW | {"child_mean_below": str(mean + Fraction(1, 10**9))})
    assert above.detections == [(200, "PatId2", "M1", "C1")]


def test_a_state_of_another_version_is_refused_with_a_remedy() -> None:
    domain = Domain(Rules.of({}))
    with pytest.raises(BadConfiguration, match="take another stream id"):
        # As format 1 was: merchants, reported, waiting.
        domain.load(State(([], set(), {})))


def claimed(rows: Sequence[bytes], key: str = "drop/a.csv") -> Content:
    """A chunk's object as it is fetched."""
    data = chunk_of(rows)
    return Content.of(Claim.of(ObjectKey("datasets", key), data), data)


def test_an_object_that_is_announced_twice_counts_once() -> None:
    twice, other = (
        claimed([payment("C1", "M1", "1")] * 2),
        claimed([payment("C1", "M1", "1")] * 2, "drop/b.csv"),
    )
    sent = [message(n, value=one, count=2) for n, one in enumerate((twice, twice))]
    # Each in a micro-batch of its own: a restart does not forget the first.
    found = run_apart([[one] for one in sent], **FEW)
    assert (found.used(), found.detections) == (2, [])
    [line] = [one for one in found.outputs if one.kind == "rejected"]
    assert (line.reason, line.row, line.rows, line.sequence) == ("malformed", -1, 2, 1)
    assert line.detail == "object datasets/drop/a.csv was announced before, by message 0 of the stream"
    # Equal bytes under another key are another chunk.
    again = run_apart([[one] for one in (*sent, message(2, value=other, count=2))], **FEW)
    assert (again.used(), again.detections) == (4, [(2, "PatId2", "M1", "C1")])


def test_an_object_that_is_announced_again_with_other_bytes_ends_the_stream() -> None:
    sent = [message(n, value=claimed([payment("C1", "M1", f"{n}")]), count=1) for n in range(2)]
    with pytest.raises(
        DatasetUnusable, match=r"datasets/drop/a\.csv is announced a second time, .* another stream id"
    ):
        run(sent, **FEW)


def test_an_object_whose_first_announcement_is_wrong_counts_with_the_next_one_that_is_right() -> None:
    chunk = claimed([payment("C1", "M1", "1")] * 3)
    # It has three rows.
    sent = [message(n, value=chunk, count=count) for n, count in enumerate((7, 3, 3, 7))]
    found = run_apart([[one] for one in sent], **FEW)
    assert (found.used(), found.detections) == (3, [(1, "PatId2", "M1", "C1")])
    rejected = [one for one in found.outputs if one.kind == "rejected"]
    assert [(one.sequence, one.row, one.rows, one.reason) for one in rejected] == [
        (0, -1, 7, "malformed"),
        (2, -1, 3, "malformed"),
        (3, -1, 7, "malformed"),
    ]
    assert found.used() + sum(one.rows or 0 for one in rejected) == 7 + 3 + 3 + 7
    assert [one.detail for one in rejected] == [
        "the chunk has 3 rows where its header says 7",
        "object datasets/drop/a.csv was announced before, by message 1 of the stream",
        "the chunk has 3 rows where its header says 7",
    ]


def test_other_bytes_end_the_stream_also_when_the_first_ones_could_not_be_read() -> None:
    data = b"step,customer\n1,2\n"
    unread = Content.of(Claim.of(ObjectKey("datasets", "drop/a.csv"), data), data)
    sent = [message(n, value=one, count=1) for n, one in enumerate((unread, claimed([payment("C1", "M1")])))]
    with pytest.raises(DatasetUnusable, match=r"with other bytes than by message 0 of the stream"):
        run_apart([[one] for one in sent], **FEW)


def put_back(sequence: int, rows: Sequence[dict[str, Any]]) -> Any:
    value = orjson.dumps([{"ts": START, **row} for row in rows])
    return message(sequence, kind=Kind.REDRIVE, value=value, count=len(rows))


def test_a_mended_row_takes_part_from_the_next_chunk_on() -> None:
    row = {"customer": "'C1'", "merchant": "'M1'", "gender": "'F'", "amount": "1"}
    sent = [
        message(0, [payment("C1", "M1", "1")] * 2),
        put_back(1, [row, row | {"amount": "x"}]),
        put_back(2, []),
    ]
    assert run(sent, **FEW).detections == []
    found = run([*sent, message(3, [payment("C9", "M9")])], **FEW)
    assert found.detections == [(3, "PatId2", "M1", "C1")]
    assert (found.used(), [place for place, _ in found.rejected()]) == (4, [1])


def test_a_late_chunk_is_rejected_with_all_its_rows() -> None:
    found = run(
        [message(0, [payment("C1", "M1")]), message(1, [payment("C1", "M1")] * 2, ts=START - 100)], **FEW
    )
    late = [one for one in found.outputs if one.reason == "late"]
    assert (found.used(), [one.rows for one in late]) == (1, [2])


NAMES = st.sampled_from(["C1", "C2", "C3", "C4"])
PAYMENTS = st.builds(
    payment,
    NAMES,
    st.sampled_from(["M1", "M2"]),
    st.sampled_from(["0", "5", "9.9999", "10", "30.25"]),
    st.sampled_from("FMU"),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(PAYMENTS, max_size=8), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_what_is_found_does_not_depend_on_micro_batches_nor_on_the_order_of_reading(
    chunks: list[list[bytes]], random: Random
) -> None:
    importance = [weight(f"C{n}", f"M{m}", str((n * m) % 3 + 1)) for n in (1, 2, 3) for m in (1, 2)]
    sent = [message(number, rows) for number, rows in enumerate(chunks)]
    whole = run(sent, importance, **FEW)
    # Each partition is read in its order; how they mix is by chance.
    partitions = [[one for one in sent if one.partition == number] for number in (0, 1)]
    mixed = []
    while any(partitions):
        mixed.append(random.choice([one for one in partitions if one]).pop(0))
    at = sorted(random.choices(range(len(mixed) + 1), k=2))
    parts = [mixed[: at[0]], mixed[at[0] : at[1]], mixed[at[1] :]]
    assert run_apart(parts, importance, **FEW).detections == whole.detections
    rows = [[_row(row) for row in chunk] for chunk in chunks]
    weights = {
        (one["Target"].strip("'"), one["Source"].strip("'")): Fraction(one["Weight"]) for one in importance
    }
    assert whole.detections == oracle.detections(rows, weights, **PLAINLY)


def _row(row: bytes) -> dict[str, str]:
    return oracle.named(HEADER.decode().split(","), row.decode().split(","))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_generated_dataset_has_every_pattern_as_the_oracle_finds_it(tmp_path: Path, seed: int) -> None:
    generate(tmp_path, seed=seed, batches=12, chunk_rows=500, customers=150)
    options = {
        "upgrade_min_transactions": 900,
        "upgrade_share": 0.02,
        "child_min_transactions": 15,
        "dei_min_female": 3,
    }
    lines = (tmp_path / "transactions.csv").read_bytes().splitlines()[1:]
    sent = [message(number, lines[at : at + 500]) for number, at in enumerate(range(0, len(lines), 500))]
    found = run(sent, text_rows(tmp_path / "customer_importance.csv"), **options)
    assert {pattern for _, pattern, _, _ in found.detections} == {"PatId1", "PatId2", "PatId3"}
    assert found.used() + len(found.rejected()) == 6_000
    expected = oracle.detections(
        oracle.readable(tmp_path, 500),
        oracle.weights(tmp_path),
        upgrade_above=900,
        share="0.02",
        child_from=15,
        female_above=3,
    )
    assert found.detections == expected


def test_what_a_chunk_costs_does_not_depend_on_the_chunks_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    count = Domain._holding

    def counting(self: Domain, touched: Any) -> Any:
        looked.append(len(touched))
        return count(self, touched)

    monkeypatch.setattr(Domain, "_holding", counting)
    run([message(number, [payment(f"C{number}", f"M{n}") for n in range(5)]) for number in range(40)], **FEW)
    assert looked == [5] * 40

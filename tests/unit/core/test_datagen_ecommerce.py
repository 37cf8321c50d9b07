"""The generated e-commerce dataset: the same bytes from the same seed, and the quirks of real data."""

import csv
import hashlib
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import average_precision_score

from streamweir.contracts.ecommerce_fraud import EVENT_LEVELS, dataset
from streamweir.datagen import DEFAULT_SEED, draws, generator, settings_of
from streamweir.errors import BadConfiguration
from streamweir.progress import no_progress
from streamweir.values import parse_date, parse_products, parse_time

WEEK_US = 7 * 24 * 3600 * 1_000_000
DIGEST = "ce17f825a71ba8997644b6e635766e442f792e84a44e2c7409e08ab8bca81c5d"
"""Of the files of `make`, as every Python and processor must write them."""
Rows = list[dict[str, str]]


def make(folder: Path, *, seed: int = DEFAULT_SEED, batches: int = 12, history_batches: int = 40) -> Path:
    generator("ecommerce_fraud")(
        folder, seed=seed, batches=batches, history_batches=history_batches, progress=no_progress
    )
    return folder


def read(folder: Path, file: dataset.File) -> Rows:
    with (folder / file.name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def digest(folder: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("data"), **settings_of("ecommerce_fraud"))


@pytest.fixture(scope="module")
def files(folder: Path) -> dict[str, Rows]:
    return {file.name: read(folder, file) for file in dataset.FILES}


def test_a_seed_gives_known_bytes_whatever_the_hash_seed_and_the_locale(tmp_path: Path) -> None:
    options = ("--seed", "42", "--batches", "12", "--set", "history_batches=40")
    environment = {**os.environ, "PYTHONHASHSEED": "7", "LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu"}
    command = [sys.executable, "-m", "streamweir.datagen", *options, "--folder", str(tmp_path / "there")]
    path = os.pathsep.join(entry for entry in sys.path if entry)
    subprocess.run(command, check=True, env={**environment, "PYTHONPATH": path}, capture_output=True)
    assert digest(make(tmp_path / "here")) == digest(tmp_path / "there") == DIGEST


def test_another_seed_gives_other_rows(tmp_path: Path) -> None:
    one, other = make(tmp_path / "one", batches=1), make(tmp_path / "other", batches=1, seed=43)
    for file in (*dataset.LIVE_FILES, *dataset.HISTORY_FILES, dataset.CUSTOMERS, dataset.PRODUCTS):
        assert (one / file.name).read_bytes() != (other / file.name).read_bytes()


def test_more_live_rows_leave_shop_and_history_alone(tmp_path: Path) -> None:
    short, long = make(tmp_path / "short", batches=1), make(tmp_path / "long", batches=30)
    for file in (*dataset.STATIC_FILES, *dataset.HISTORY_FILES):
        assert (short / file.name).read_bytes() == (long / file.name).read_bytes()
    assert len(read(short, dataset.BROWSING)) == 200
    assert len(read(long, dataset.BROWSING)) == 30 * 200


def test_every_file_has_its_columns_in_order(folder: Path) -> None:
    for file in dataset.FILES:
        header = (folder / file.name).read_text(encoding="utf-8").split("\n", 1)[0]
        assert header == ",".join(column.name for column in file.columns)


def test_the_default_size_is_that_of_the_specification(files: dict[str, Rows]) -> None:
    assert len(files["new_browsing_behaviour.csv"]) == 60_000
    assert len(files["browsing_behaviour.csv"]) == 150_000
    assert 5_500 <= len(files["new_transactions.csv"]) <= 6_500
    assert 14_000 <= len(files["transactions.csv"]) <= 16_000
    assert (len(files["customer.csv"]), len(files["product.csv"])) == (5_000, 2_000)


def test_times_come_in_two_formats_and_live_rows_in_order(files: dict[str, Rows]) -> None:
    plain, iso = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    for name, column, form in (
        ("new_browsing_behaviour.csv", "event_time", plain),
        ("new_transactions.csv", "created_at", plain),
        ("browsing_behaviour.csv", "event_time", iso),
        ("transactions.csv", "created_at", iso),
    ):
        assert all(re.fullmatch(form, row[column]) for row in files[name]), name
    for name, column in (
        ("new_browsing_behaviour.csv", "event_time"),
        ("new_transactions.csv", "created_at"),
    ):
        times = [row[column] for row in files[name]]
        assert times == sorted(times)


def test_history_sessions_span_weeks_and_are_not_always_in_order(files: dict[str, Rows]) -> None:
    sessions = defaultdict(list)
    for row in files["browsing_behaviour.csv"]:
        sessions[row["session_id"]].append(parse_time(row["event_time"]))
    unordered = sum(times != sorted(times) for times in sessions.values())
    assert 0.05 < unordered / len(sessions) < 0.8
    assert sum(max(times) - min(times) > 2 * WEEK_US for times in sessions.values()) > 10


def test_amounts_add_up_exactly(files: dict[str, Rows]) -> None:
    seen = Counter()
    for row in [*files["new_transactions.csv"], *files["transactions.csv"]]:
        products = parse_products(row["product_metadata"])
        seen[len(products)] += 1
        total = sum(line.quantity * Decimal(line.item_price) for line in products)
        assert total + Decimal(row["shipment_fee"]) - Decimal(row["promo_amount"]) == Decimal(
            row["total_amount"]
        )
        assert row["promo_code"] or row["promo_amount"] == "0"
    assert seen[0] > 10
    assert seen[3] > 10


def test_product_lists_are_written_as_python_does(files: dict[str, Rows]) -> None:
    item = r"\{'product_id': \d+, 'quantity': [1-9]\d*, 'item_price': \d+\}"
    form = re.compile(rf"\[(?:{item}(?:, {item})*)?\]")
    assert all(form.fullmatch(row["product_metadata"]) for row in files["new_transactions.csv"])


def test_texts_have_the_gaps_of_real_data(files: dict[str, Rows]) -> None:
    products = files["product.csv"]
    assert {"", "NA"} <= {row["usage"] for row in products} & {row["baseColour"] for row in products}
    assert any(row["productDisplayName"] == "" for row in products)
    without = sum(row["promo_code"] == "" for row in files["new_transactions.csv"])
    assert 0.4 < without / len(files["new_transactions.csv"]) < 0.9
    assert any(not row["first_name"].isascii() for row in files["customer.csv"])


def test_codes_are_those_of_the_specification(files: dict[str, Rows]) -> None:
    assert {row["event_type"] for row in files["new_browsing_behaviour.csv"]} == set(EVENT_LEVELS)
    transactions = files["new_transactions.csv"]
    assert {row["payment_method"] for row in transactions} == {
        "Credit Card", "Gopay", "OVO", "Debit Card", "LinkAja"
    }  # fmt: skip
    assert {row["payment_status"] for row in transactions} == {"Success", "Fail"}
    assert {row["clear_payment"] for row in transactions} == {"1", "0"}


def test_keys_are_unique_and_references_resolve(files: dict[str, Rows]) -> None:
    keys = {}
    for name, column in (
        ("customer.csv", "customer_id"),
        ("product.csv", "id"),
        ("category.csv", "category_id"),
    ):
        values = [row[column] for row in files[name]]
        keys[name] = set(values)
        assert len(values) == len(keys[name])
    transactions = [*files["new_transactions.csv"], *files["transactions.csv"]]
    assert len({row["transaction_id"] for row in transactions}) == len(transactions)
    sold = {str(line.product_id) for row in transactions for line in parse_products(row["product_metadata"])}
    assert sold <= keys["product.csv"]
    assert {row["category_id"] for row in files["product.csv"]} <= keys["category.csv"]
    for name in (
        "new_browsing_behaviour.csv",
        "new_transactions.csv",
        "transactions.csv",
        "customer_session.csv",
    ):
        assert {row["customer_id"] for row in files[name]} <= keys["customer.csv"]
    for row in files["customer.csv"]:
        assert parse_date(row["birthdate"]) < parse_date(row["first_join_date"])


def test_history_knows_the_customer_of_every_session(files: dict[str, Rows]) -> None:
    owner = {row["session_id"]: row["customer_id"] for row in files["customer_session.csv"]}
    assert len(owner) == len(files["customer_session.csv"])
    assert all(owner[row["session_id"]] == row["customer_id"] for row in files["transactions.csv"])
    assert all(row["session_id"] in owner for row in files["browsing_behaviour.csv"])


def test_fraud_is_rare_and_honest_transactions_are_listed_or_not(files: dict[str, Rows]) -> None:
    labels = {row["transaction_id"]: row["is_fraud"] for row in files["fraud_transaction.csv"]}
    transactions = [row["transaction_id"] for row in files["transactions.csv"]]
    assert set(labels) < set(transactions)
    assert set(labels.values()) == {"0", "1"}
    share = sum(labels.get(identity) == "1" for identity in transactions) / len(transactions)
    assert 0.0145 < share < 0.0185


def test_many_transactions_have_several_browsing_rows_and_some_none(files: dict[str, Rows]) -> None:
    rows = Counter(row["session_id"] for row in files["new_browsing_behaviour.csv"])
    counts = [rows[row["session_id"]] for row in files["new_transactions.csv"]]
    assert sum(count > 1 for count in counts) / len(counts) > 0.8
    assert 0.03 < sum(count == 0 for count in counts) / len(counts) < 0.15


def test_fraud_is_learnable_but_not_separable(files: dict[str, Rows]) -> None:
    features, labels = _examples(files)
    cut = int(len(labels) * 0.6)
    forest = RandomForestClassifier(100, min_samples_leaf=3, random_state=0)
    forest.fit(features[:cut], labels[:cut])
    precision = average_precision_score(labels[cut:], forest.predict_proba(features[cut:])[:, 1])
    assert 0.4 < precision < 0.85


def _examples(files: dict[str, Rows]) -> tuple[np.ndarray, np.ndarray]:
    sessions = defaultdict(list)
    for row in files["browsing_behaviour.csv"]:
        sessions[row["session_id"]].append((parse_time(row["event_time"]), EVENT_LEVELS[row["event_type"]]))
    joined = {row["customer_id"]: int(row["first_join_date"][:4]) for row in files["customer.csv"]}
    fraud = {row["transaction_id"] for row in files["fraud_transaction.csv"] if row["is_fraud"] == "1"}
    examples = sorted(files["transactions.csv"], key=lambda row: row["created_at"])
    features = []
    for row in examples:
        at = parse_time(row["created_at"])
        levels = [level for time, level in sessions[row["session_id"]] if time <= at]
        features.append([
            len(levels),
            levels.count(1) / max(len(levels), 1),
            at // 3_600_000_000 % 24,
            sum(line.quantity for line in parse_products(row["product_metadata"])),
            joined[row["customer_id"]],
            *(float(row[name]) for name in NUMBERS),
            row["payment_status"] == "Success",
            row["payment_method"] in ("Credit Card", "Debit Card"),
        ])  # fmt: skip
    return np.array(features, dtype=float), np.array([row["transaction_id"] in fraud for row in examples])


NUMBERS = (
    "promo_amount", "shipment_fee", "shipment_location_lat", "shipment_location_long", "total_amount",
    "clear_payment",
)  # fmt: skip


def test_dealing_is_exact_and_picking_is_not() -> None:
    rng = draws.source(1)
    assert Counter(draws.deal(rng, (1, 2, 7), 1_000).tolist()) == {0: 100, 1: 200, 2: 700}
    assert draws.spread(rng, (3, 3, 5), 1_000).min() == 3
    assert 0.6 < np.mean(draws.pick(rng, (3, 7), 10_000)) < 0.8


def test_an_unknown_pipeline_is_named() -> None:
    with pytest.raises(BadConfiguration, match="no pipeline is called 'nothing'"):
        generator("nothing")

"""The generated card transactions: the same bytes from the same seed, in the shape of creditcard.csv."""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow.csv as pc
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import average_precision_score

from streamweir.contracts.card_fraud.dataset import FILE
from streamweir.datagen import generator, parse_settings, settings_of
from streamweir.datasets.checks import check
from streamweir.errors import BadConfiguration
from streamweir.progress import no_progress
from tests.support.card_files import NAMES

DIGEST = "8e383782c04ac406a717c611ea26a855115da4727022ce6465f86d13477e5f72"
"""Of the file that `make` writes, as every Python and processor must write it."""


def make(folder: Path, *, seed: int = 42, **settings: float) -> Path:
    asked = settings_of("card_fraud", {"batches": 500, **settings})
    generator("card_fraud")(folder, seed=seed, progress=no_progress, **asked)
    return folder / FILE


def columns(path: Path) -> dict[str, np.ndarray]:
    table = pc.read_csv(path)
    return {name: table[name].to_numpy() for name in table.column_names}


def test_a_seed_gives_known_bytes_and_another_seed_others(tmp_path: Path) -> None:
    assert hashlib.sha256(make(tmp_path / "one").read_bytes()).hexdigest() == DIGEST
    assert make(tmp_path / "two").read_bytes() == (tmp_path / "one" / FILE).read_bytes()
    assert make(tmp_path / "three", seed=43).read_bytes() != (tmp_path / "one" / FILE).read_bytes()


def test_it_has_the_shape_of_the_real_file(tmp_path: Path) -> None:
    found = columns(make(tmp_path, batches=20_000))
    assert tuple(found) == NAMES
    assert found["Time"][0] == 0
    assert (np.diff(found["Time"]) >= 0).all()
    assert 160_000 < found["Time"][-1] < 172_800
    assert (found["Amount"] >= 0).all()
    spreads = [found[f"V{number}"].std() for number in range(1, 29)]
    assert spreads[0] > 4 * spreads[-1]
    night, noon = (((found["Time"] // 3600) % 24 == hour).sum() for hour in (3, 12))
    assert 3 * night < noon
    assert check("card_fraud", tmp_path, needs_history=True)[0].rows == 20_000


@pytest.mark.parametrize(("share", "frauds"), [(0.0017, 34), (0.05, 1000), (0, 0)])
def test_the_share_of_frauds_is_a_setting(tmp_path: Path, share: float, frauds: int) -> None:
    assert columns(make(tmp_path, batches=20_000, fraud_share=share))["Class"].sum() == frauds


def test_frauds_can_be_found_but_not_all_of_them(tmp_path: Path) -> None:
    found = columns(make(tmp_path, batches=20_000, fraud_share=0.01))
    inputs = np.column_stack([found[name] for name in NAMES[1:-1]])
    model = RandomForestClassifier(30, n_jobs=2, random_state=0).fit(inputs[:12_000], found["Class"][:12_000])
    area = average_precision_score(found["Class"][12_000:], model.predict_proba(inputs[12_000:])[:, 1])
    assert 0.5 < area < 0.95


def test_a_share_that_is_none_and_an_unknown_setting_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match=r"fraud_share is 1\.5"):
        make(tmp_path, fraud_share=1.5)
    with pytest.raises(BadConfiguration, match="has no setting history_batches; it has batches, fraud_share"):
        make(tmp_path, history_batches=3)


def test_settings_are_written_as_name_and_number() -> None:
    assert parse_settings(["fraud_share=0.01", "batches=7"]) == {"fraud_share": 0.01, "batches": 7}
    with pytest.raises(BadConfiguration, match="'fraud_share=much' is not name=number"):
        parse_settings(["fraud_share=much"])

"""Whose log is shown."""

from pathlib import Path

import pytest

from infra.__main__ import show_logs
from infra.layout import Layout
from streamweir.errors import BadConfiguration


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path)
    scorer = made.work / "scorers" / "card_fraud.prod"
    for folder in (made.logs, scorer):
        folder.mkdir(parents=True)
    (made.logs / "kafka.log").write_text("a broker's line\n")
    (scorer / "scorer.log").write_text("a scorer's line\n")
    return made


@pytest.mark.parametrize(
    ("asked", "shown"),
    [("", "a broker's line\n"), ("kafka", "a broker's line\n"), ("card_fraud.prod", "a scorer's line\n")],
)
def test_a_log_is_shown_by_its_service_or_stream(
    layout: Layout, capfd: pytest.CaptureFixture[str], asked: str, shown: str
) -> None:
    show_logs(layout, asked, 40, follow=False)
    assert capfd.readouterr().out == shown


def test_a_log_that_is_not_there_is_told_with_those_that_are(layout: Layout) -> None:
    with pytest.raises(BadConfiguration, match=r"there are: kafka, card_fraud\.prod"):
        show_logs(layout, "minio", 40, follow=False)

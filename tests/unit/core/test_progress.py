"""Progress in a terminal and elsewhere."""

import io

import pytest

from streamweir import progress
from streamweir.progress import console_progress, no_progress, told_to


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_elsewhere_it_is_plain_lines_the_last_one_with_the_total() -> None:
    out = io.StringIO()
    with console_progress("replaying", 1_000, "rows", out) as advance:
        for _ in range(10):
            advance(100)
    lines = out.getvalue().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("replaying: 1,000 of 1,000 rows, ")


def test_lines_come_at_their_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0)
    out = io.StringIO()
    with console_progress("counting", None, "files", out) as advance:
        advance(1)
        advance(2)
    assert [line.split(",")[0] for line in out.getvalue().splitlines()] == [
        "counting: 1 files",
        "counting: 3 files",
        "counting: 3 files",
    ]


def test_told_to_a_log_each_line_is_a_message() -> None:
    said: list[str] = []
    with told_to(said.append)("replaying", 10, "rows") as advance:
        advance(10)
    assert len(said) == 1
    assert said[0].startswith("replaying: 10 of 10 rows, ")


def test_in_a_terminal_it_is_a_bar_with_counts_and_rate() -> None:
    out = Terminal()
    with console_progress("replaying", 10, "rows", out) as advance:
        advance(10)
    assert "10/10" in out.getvalue()
    assert "rows" in out.getvalue()
    assert "/s" in out.getvalue()


def test_an_error_passes_through() -> None:
    with pytest.raises(ZeroDivisionError), console_progress("x", 1, "rows", io.StringIO()):
        _ = 1 / 0
    with no_progress("x", 1, "rows") as advance:
        advance(1)

"""Two versions side by side: in which order they are measured, what their ratio is, what is counted."""

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tenacity import retry, retry_if_not_result, stop_after_delay, wait_fixed

from streamweir.contracts.ecommerce_fraud import EVENT_LEVELS, LOOKBACK_S
from streamweir.errors import RunFailed
from tests.bench.versions.by_hand import Sessions
from tests.bench.versions.cpu import CpuWatch
from tests.bench.versions.ratios import BASE, THIS, Figure, order, ratios, table
from tests.bench.versions.version import PORTS, Version


def test_both_are_measured_in_every_round_and_each_is_first_in_turn() -> None:
    pairs = order(4)
    assert all(set(pair) == {BASE, THIS} for pair in pairs)
    assert [pair[0] for pair in pairs] == [BASE, THIS, BASE, THIS]


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    # In the second round the machine was slow for both: the ratio of that round is as good as the others.
    measured = [(100.0, 200.0), (10.0, 30.0), (90.0, 225.0)]
    (found,) = ratios(
        [{BASE: [Figure("rate", base)], THIS: [Figure("rate", this)]} for base, this in measured]
    )
    assert (found.base, found.this) == (90.0, 200.0)
    assert (found.low, found.ratio, found.high) == (2.0, 2.5, 3.0)
    assert "| rate | 90.00 | 200 | **2.50** | 2.00 .. 3.00 |" in table([found]).splitlines()


def test_lines_keep_the_order_in_which_they_were_measured() -> None:
    figures = [Figure("wall", 1.0), Figure("CPU", 2.0)]
    assert [one.line for one in ratios([{BASE: figures, THIS: figures[::-1]}])] == ["wall", "CPU"]


@pytest.mark.parametrize(
    ("this", "said"),
    [
        ([Figure("other", 1.0)], "measured"),
        ([Figure("rate", 1.0), Figure("rate", 1.0)], "twice"),
        ([Figure("rate", 0.0)], "SIZE"),
    ],
)
def test_what_was_not_measured_by_both_once_has_no_ratio(this: list[Figure], said: str) -> None:
    with pytest.raises(RunFailed, match=said):
        ratios([{BASE: [Figure("rate", 1.0)], THIS: this}])


def test_the_hand_written_process_counts_a_sessions_events_within_the_lookback() -> None:
    draw, sessions, seen = random.Random(1), Sessions(), []
    types = [*EVENT_LEVELS, "unknown"]
    scores = set()
    for ts in range(0, 3 * LOOKBACK_S, 30):
        rows = [{"session_id": str(draw.randrange(5)), "event_type": draw.choice(types)} for _ in range(9)]
        sessions.see(ts, rows)
        seen += [(ts, row["session_id"], EVENT_LEVELS.get(row["event_type"])) for row in rows]
        near = [level for at, session, level in seen if session == "3" and at >= ts - LOOKBACK_S]
        counts = (near.count(1), near.count(2), near.count(3))
        score = sessions.score({"session_id": "3", "total_amount": "250.5"})
        wanted = -1 + 0.01 * counts[0] - 0.02 * counts[1] + 0.005 * counts[2] + 0.2505
        assert score == pytest.approx(wanted)
        scores.add(score)
    assert len(scores) > 10, "the counts move"


def test_the_cpu_time_of_a_child_that_has_ended_is_counted() -> None:
    burns = "import time\nwhile time.process_time() < 0.5: pass"
    parent = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burns!r}]); "
        "print('ended', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"ended\n"
        began = time.time()
        with CpuWatch(process.pid) as watch:
            _until(lambda: watch.between(began, time.time()) >= 0.5)
        process.stdin.close()


def _version(folder: Path, program: str) -> Version:
    """A checkout whose programs all do the same, and note how they were called."""
    python = folder / "checkout" / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(
        f'#!/bin/sh\necho "$* $STREAMWEIR_KAFKA_PORT$STREAMWEIR_SEED" >> {folder}/calls\n{program}\n'
    )
    python.chmod(0o755)
    return Version("base", folder / "checkout", folder / "var", dict(zip(PORTS, range(1, 6), strict=True)))


def test_a_stack_is_brought_down_when_its_block_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A setting of this process is not for the other version.
    monkeypatch.setenv("STREAMWEIR_SEED", "7")
    with pytest.raises(KeyboardInterrupt), _version(tmp_path, "").up():
        raise KeyboardInterrupt
    assert (tmp_path / "calls").read_text().splitlines() == ["-m infra up 1", "-m infra down 1"]


def test_a_program_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    version = _version(tmp_path, 'echo "no port is free" >&2; exit 4')
    with pytest.raises(RunFailed, match=r"base: infra ended with 4:\n(?s:.*)no port is free"), version.up():
        pass


@retry(retry=retry_if_not_result(bool), stop=stop_after_delay(60), wait=wait_fixed(0.05))
def _until(look: Callable[[], bool]) -> bool:
    return look()

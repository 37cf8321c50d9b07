"""Duplicates of an id of which the model could not score a row: the same rule, whatever the micro-batches."""

from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from streamweir_spark.doubts import DoubtedRow, Doubts

RETENTION, LATENESS = 10, 3


class Sent(NamedTuple):
    """A row as it is sent: has_score is what the model will say of it."""

    id: str
    ts: int
    has_score: bool


def naive(rows: Sequence[Sent]) -> list[str]:
    """What becomes of each row, by the rule alone."""
    scored: dict[str, int | None] = {}
    found = []
    for row in rows:
        known = scored.get(row.id)
        if known is not None and row.ts - known <= RETENTION:
            found.append("duplicate")
            continue
        scored[row.id] = row.ts if row.has_score else None
        found.append("scored" if row.has_score else "unscorable")
    return found


class Scorer:
    """A shard's memory, which takes every row that it lets pass for scored, and the doubts behind it."""

    def __init__(self) -> None:
        self.memory: dict[str, int] = {}
        self.stored: list[list[object]] = []
        self.found: dict[int, str] = {}
        self.largest = 0

    def micro_batch(self, rows: Sequence[tuple[int, Sent]]) -> None:
        doubts = Doubts.of(self.stored, RETENTION)
        mine = [((row.id,), self._judged(number, row)) for number, row in rows]
        odd = doubts.known.keys() | {key for key, row in mine if row.passed and not row.content[0]}
        for key, row in mine:
            if key not in odd:
                self.found[row.at[0]] = "scored" if row.passed else "duplicate"
        doubts.wait((key, row) for key, row in mine if key in odd)
        for tried, duplicates in doubts.turns():
            self.found |= {row.at[0]: "duplicate" for row in duplicates}
            for key, row in tried:
                self.found[row.at[0]] = "scored" if row.content[0] else "unscorable"
                doubts.tell(key, row, scored=bool(row.content[0]))
        oldest = self.largest - LATENESS
        self.stored = doubts.stored(oldest)
        self.memory = {name: ts for name, ts in self.memory.items() if ts >= oldest - RETENTION}

    def _judged(self, number: int, row: Sent) -> DoubtedRow:
        self.largest = max(self.largest, row.ts)
        before = self.memory.get(row.id)
        passed = before is None or row.ts - before > RETENTION
        if passed:
            self.memory[row.id] = row.ts
        return DoubtedRow((number, 0), row.ts, (row.has_score,), None if passed else {"reason": "duplicate"})


steps = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.integers(0, 3), st.booleans()), max_size=30
)


@given(steps, st.sets(st.integers(0, 30)))
def test_every_row_is_judged_by_the_rule_wherever_a_micro_batch_ends(
    drawn: list[tuple[str, int, int, bool]], ends: set[int]
) -> None:
    clock, rows = 100, []
    for name, later, behind, has_score in drawn:
        clock += later
        rows.append(Sent(name, clock - behind, has_score))
    scorer, waiting = Scorer(), list[tuple[int, Sent]]()
    for number, row in enumerate(rows):
        waiting.append((number, row))
        if number in ends:
            scorer.micro_batch(waiting)
            waiting = []
    scorer.micro_batch(waiting)
    assert [scorer.found[number] for number in range(len(rows))] == naive(rows)


def test_an_id_is_forgotten_once_no_row_can_be_its_duplicate() -> None:
    doubts = Doubts.of([[100, None, "a"], [101, 99, "b"]], RETENTION)
    assert doubts.stored(110) == [[100, None, "a"], [101, 99, "b"]]
    assert doubts.stored(111) == [[101, 99, "b"]]
    assert doubts.stored(112) == []

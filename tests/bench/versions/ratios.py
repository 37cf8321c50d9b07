"""What two versions measured, as medians and ratios: pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from streamweir.errors import RunFailed

THIS, BASE = "this version", "base"


@dataclass(frozen=True)
class Figure:
    """One thing that was measured once. line: what it is, with its unit."""

    line: str
    value: float


@dataclass(frozen=True)
class Ratio:
    """A line's medians of both versions, and the median of the rounds' ratios, this version to base.

    low, high: the smallest and the largest of those.
    """

    line: str
    base: float
    this: float
    ratio: float
    low: float
    high: float


Round = dict[str, list[Figure]]
"""Version -> what it measured in one round."""


def order(rounds: int) -> list[tuple[str, str]]:
    """Which version is measured first and which second, round by round.

    In turn, so that neither always has the quieter or the warmer machine.
    """
    return [(BASE, THIS) if number % 2 == 0 else (THIS, BASE) for number in range(rounds)]


def ratios(rounds: Sequence[Round]) -> list[Ratio]:
    """A ratio per line, in the order in which they were measured.

    Raises RunFailed when a line was not measured once by both versions in every round, or was 0.
    """
    measured = [{name: _by_line(name, one[name]) for name in (BASE, THIS)} for one in rounds]
    lines = list(measured[0][BASE])
    for one in measured:
        for name, values in one.items():
            if set(values) != set(lines):
                raise RunFailed(f"{name} measured {sorted(values)} in a round, not {sorted(lines)}")
    return [_ratio(line, [(one[BASE][line], one[THIS][line]) for one in measured]) for line in lines]


def table(found: Iterable[Ratio]) -> str:
    """The ratios as a table of Markdown."""
    head = (("measured", "base", "this version", "ratio", "from .. to"), ("--",) * 5)
    rows = (
        (
            one.line,
            _number(one.base),
            _number(one.this),
            f"**{one.ratio:.2f}**",
            f"{one.low:.2f} .. {one.high:.2f}",
        )
        for one in found
    )
    return "\n".join(f"| {' | '.join(row)} |" for row in (*head, *rows)) + "\n"


def _by_line(name: str, figures: Sequence[Figure]) -> dict[str, float]:
    values = {figure.line: figure.value for figure in figures}
    if len(values) < len(figures):
        raise RunFailed(f"{name} measured a line twice in one round: {[figure.line for figure in figures]}")
    for line, value in values.items():
        if value <= 0:
            raise RunFailed(f"{name} measured {value:g} for {line}: take a larger SIZE")
    return values


def _ratio(line: str, pairs: Sequence[tuple[float, float]]) -> Ratio:
    each = [this / base for base, this in pairs]
    base, this = (median(values) for values in zip(*pairs, strict=True))
    return Ratio(line, base, this, median(each), min(each), max(each))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"

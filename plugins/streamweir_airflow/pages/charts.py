"""Lines over time as pictures that a page holds: where the points lie in a box; the template draws it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 600, 120
_EDGE = 4
"""Around the points, so that a line at the top is seen whole."""


class Chart(NamedTuple):
    """A line. label: what is drawn. points: as an SVG's polyline takes them, one text for each stretch
    without a gap. top: the value at the upper edge; the lower one is 0. last: the newest value. ends: what is
    written at either end.
    """

    label: str
    points: Sequence[str]
    top: str
    last: str
    ends: tuple[str, str]


def line(
    label: str,
    points: Sequence[tuple[float, float | None]],
    ends: tuple[str, str],
    form: Callable[[float], str],
) -> Chart | None:
    """The line through points (x, value), by x; a value of None leaves a gap. form: writes a value.

    None where fewer than two values are known.
    """
    known = [value for _, value in points if value is not None]
    if len(known) < 2:
        return None
    left, right, top = points[0][0], points[-1][0], max(*known, 0)
    stretches: list[list[str]] = [[]]
    for x, value in points:
        if value is None:
            stretches.append([])
            continue
        across = (x - left) / ((right - left) or 1) * (WIDTH - 2 * _EDGE) + _EDGE
        up = value / (top or 1) * (HEIGHT - 2 * _EDGE) + _EDGE
        stretches[-1].append(f"{across:.1f},{HEIGHT - up:.1f}")
    # A line of one point would not be seen: it goes there twice, and its round ends make a dot.
    drawn = [" ".join(each if len(each) > 1 else each * 2) for each in stretches if each]
    return Chart(label, drawn, form(top), form(known[-1]), ends)

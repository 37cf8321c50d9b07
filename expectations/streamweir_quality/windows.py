"""What holds for the windows of every figure table."""

from collections.abc import Collection, Iterator

import pandas as pd
from great_expectations.expectations.expectation import Expectation

from streamweir_quality.checks import between

_START, _END = "window_start", "window_end"


def with_windows(frame: pd.DataFrame, slide: int, begins: Collection[int] = ()) -> pd.DataFrame:
    """The table with columns in seconds: off_slide, window_length, and step from the window before.

    begins: the starts of windows behind a gap, which are no step away from another.
    """
    start, end = _seconds(frame[_START]), _seconds(frame[_END])
    known = pd.Series(sorted(set(start)), dtype="int64")
    step = dict(zip(known, known.diff().mask(known.isin(begins), slide).fillna(slide), strict=True))
    return frame.assign(off_slide=start % slide, window_length=end - start, step=start.map(step))


def window_checks(length: int, slide: int) -> tuple[Expectation, ...]:
    """Windows begin on their slide, have their length, and follow each other without a gap."""
    return (
        between("off_slide", 0, 0, f"windows begin at whole multiples of {slide} s"),
        between("window_length", length, length, f"windows are {length} s long"),
        between("step", slide, slide, f"a window begins {slide} s after the one before"),
    )


def seconds(frame: pd.DataFrame) -> Iterator[tuple[int, int]]:
    """Start and end of each row's window in seconds since the epoch."""
    return zip(_seconds(frame[_START]).tolist(), _seconds(frame[_END]).tolist(), strict=True)


def _seconds(times: pd.Series) -> pd.Series:
    return times.dt.as_unit("us").astype("int64") // 1_000_000

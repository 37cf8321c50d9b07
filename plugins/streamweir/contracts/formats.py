"""The `format` of what is stored: an int that goes up when older code would read the new form wrongly."""

from collections.abc import Mapping
from typing import Any

from streamweir.errors import BadConfiguration, Stop


def stored_format(
    value: Mapping[str, Any], known: int, what: str, remedy: str, error: type[Stop] = BadConfiguration
) -> int:
    """The format that a stored value was written in; 1 when it says none.

    known: the newest that is understood. Raises `error` for a newer one: what it is, and `remedy` as the
    other way out beside an update.
    """
    written: int = value.get("format", 1)
    if written > known:
        raise error(
            f"{what} has format {written}, but only formats up to {known} are known: "
            f"update Streamweir, or {remedy}"
        )
    return written

"""Pipelines that only tests know: they are found like all others while `declared` lasts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import streamweir.contracts
import streamweir.replay

_HERE = Path(__file__).parent


@contextmanager
def declared() -> Iterator[None]:
    """Let the rooms find the pipelines of this folder."""
    rooms = {streamweir.contracts: "contracts", streamweir.replay: "replay"}
    before = {room: list(room.__path__) for room in rooms}
    for room, name in rooms.items():
        room.__path__.append(str(_HERE / name))
    try:
        yield
    finally:
        for room, path in before.items():
            room.__path__[:] = path

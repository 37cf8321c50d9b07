"""What a service is, for the part that starts, watches and stops it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Service:
    """A server process of the stack.

    `prepare` runs before the start, `ready` is asked until it returns None (otherwise: what is missing), and
    `provision` runs once it is ready. `ports` maps the name of a setting to its value.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    ready: Callable[[], str | None]
    prepare: Callable[[], None] = lambda: None
    provision: Callable[[], None] = lambda: None
    ports: Mapping[str, int] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    stop_signal: str = "TERM"
    stop_seconds: int = 20

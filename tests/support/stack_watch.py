"""What a stack shows to others while it works: its processes' command lines, and where they listen."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address

import psutil

from infra import processes
from infra.stack import Stack

Address = IPv4Address | IPv6Address
_EVERY_S = 0.5


def secrets_of(stack: Stack) -> list[str]:
    """All passwords and keys of the stack; the accounts' names are none."""
    values = vars(stack.secrets)
    found = [value for name, value in values.items() if not name.endswith("_user")]
    assert len(found) == 7
    return found


def processes_of(stack: Stack) -> list[psutil.Process]:
    """The stack's processes, those that tasks have started included."""
    return [item.process for item in processes.find(stack.settings.var)]


def listening(found: list[psutil.Process]) -> set[tuple[Address, int]]:
    """Addresses and ports on which these processes listen."""
    pids = {process.pid for process in found}
    places = [
        connection.laddr
        for connection in psutil.net_connections("inet")
        if connection.pid in pids and connection.status == psutil.CONN_LISTEN
    ]
    # Java listens on the IPv6 form of the loopback.
    return {(ip_address(place.ip.removeprefix("::ffff:")), place.port) for place in places}


@dataclass
class Seen:
    """All that was ever seen while somebody watched."""

    lines: set[str] = field(default_factory=set)
    addresses: set[tuple[Address, int]] = field(default_factory=set)

    def look(self, stack: Stack) -> None:
        """Add what is there now."""
        found = processes_of(stack)
        self.addresses |= listening(found)
        for process in found:
            try:
                self.lines.add(" ".join(process.cmdline()))
            except psutil.NoSuchProcess:
                continue


@contextmanager
def watched(stack: Stack) -> Iterator[Seen]:
    """Look every moment until the end of the block."""
    seen, over = Seen(), threading.Event()

    def watch() -> None:
        while not over.wait(_EVERY_S):
            seen.look(stack)

    thread = threading.Thread(target=watch, name="watch", daemon=True)
    thread.start()
    yield seen
    over.set()
    thread.join()

"""Ports on 127.0.0.1: whether somebody listens, and who."""

import errno
import socket
from collections.abc import Mapping

import psutil

from streamweir.errors import StackError


def accepts(port: int) -> bool:
    """Whether something accepts connections on the port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def check_free(ports: Mapping[str, int]) -> None:
    """Raise StackError that names each port in use, its process, and the setting to change.

    `ports` maps a setting's variable to the port; two settings with the same port are refused as well.
    """
    seen: dict[int, str] = {}
    faults = []
    for setting, port in ports.items():
        if port in seen:
            faults.append(
                f"port {port} is used by two settings ({seen[port]} and {setting}); change one of them"
            )
        elif not _can_bind(port):
            faults.append(f"port {port} is in use by {_owner(port)}; end it or set {setting} to another port")
        seen[port] = setting
    if faults:
        raise StackError("; ".join(faults))


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses at the moment."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise StackError(f"port {port} cannot be used: {error.strerror}") from error
            return False
    return True


def _owner(port: int) -> str:
    try:
        for found in psutil.net_connections("tcp"):
            if found.status == psutil.CONN_LISTEN and found.laddr.port == port and found.pid:
                return f"process {found.pid} ({psutil.Process(found.pid).name()})"
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        return "another process"
    return "another user's process"

"""What `make status` and `make up` print."""

from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from infra.stack import ServiceStatus, Stack

_MIB = 1024**2


def print_status(stack: Stack, console: Console) -> bool:
    """Print a table of the services; returns whether all of them are up."""
    services = stack.status()
    columns = ("service", "state", "port", "memory", "since (UTC)")
    table = Table(*columns, box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for service in services:
        table.add_row(*_cells(service))
    total = sum(service.memory for service in services)
    table.add_row("together", "", "", f"{total / _MIB:.0f} MiB", "")
    console.print(table)
    return all(service.is_up for service in services)


def print_welcome(stack: Stack, console: Console, *, started: bool) -> None:
    """Print where the stack can be reached, and where its passwords lie."""
    settings = stack.settings
    lines = (
        "the stack is up" if started else "the stack was up already",
        f"  Airflow  {settings.airflow_url}  (user {stack.secrets.airflow_admin_user})",
        f"  MinIO    {settings.minio_console_url}  (user {stack.secrets.minio_tasks_user})",
        f"  Kafka    127.0.0.1:{settings.kafka_port}",
        f"  passwords are in {stack.layout.secrets}; for a shell: source {stack.layout.env}",
    )
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def _cells(service: ServiceStatus) -> tuple[str, str, str, str, str]:
    style = "green" if service.is_up else "red"
    ports = ", ".join(map(str, service.ports)) or "-"
    since = "-"
    if service.since is not None:
        minutes = (datetime.now(UTC) - service.since).total_seconds() / 60
        since = f"{service.since:%m-%d %H:%M} ({minutes:.0f} min)"
    used = f"{service.memory / _MIB:.0f} MiB" if service.memory else "-"
    return service.name, f"[{style}]{service.state.lower()}", ports, used, since

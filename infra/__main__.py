"""`python -m infra`: set-up, the servers, and the demo. The Makefile calls it."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from infra.bootstrap.__main__ import main as bootstrap
from infra.demo import demo
from infra.layout import Layout
from infra.stack import ServiceStatus, Stack
from infra.starting import Board
from streamweir.cli import run
from streamweir.errors import BadConfiguration
from streamweir.settings import Settings

_MIB = 1024**2
app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


def show_logs(layout: Layout, service: str, lines: int, *, follow: bool) -> None:
    """Print the last lines of one log, or of all services; raises BadConfiguration for one without a log.

    A scorer's log has the name of its stream, e.g. `card_fraud.prod`.
    """
    services = {path.stem: path for path in sorted(layout.logs.glob("*.log"))}
    scorers = {path.parent.name: path for path in sorted(layout.work.glob("scorers/*/scorer.log"))}
    if not services:
        raise BadConfiguration(f"there are no logs in {layout.logs}: run `make up`")
    known = services | scorers
    if service and service not in known:
        raise BadConfiguration(f"no log of {service!r}; there are: {', '.join(known)}")
    chosen = [known[service]] if service else list(services.values())
    _tail(chosen, lines, follow=follow)


def _tail(paths: list[Path], lines: int, *, follow: bool) -> None:
    argv = ["tail", "-n", str(lines), *(["-F"] if follow else []), *map(str, paths)]
    try:
        subprocess.run(argv, check=False)
    except KeyboardInterrupt:
        return


def _print_status(stack: Stack, console: Console) -> bool:
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


def _print_welcome(stack: Stack, console: Console, *, started: bool) -> None:
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


@app.command()
def setup() -> None:
    """Install everything that is needed; does nothing when it is there."""
    raise typer.Exit(bootstrap())


@app.command()
def up() -> None:
    """Start the servers and wait until they are ready."""
    console = Console()
    stack = Stack(Settings.load())
    started = stack.up(Board(console))
    _print_welcome(stack, console, started=started)


@app.command()
def down() -> None:
    """End every process of the stack."""
    console = Console()
    found = Stack(Settings.load()).down(Board(console))
    console.print("the stack is down" if found else "the stack was not up")


@app.command()
def status() -> None:
    """Show each service, its port, its memory and since when; exit status 1 when one is down."""
    if not _print_status(Stack(Settings.load()), Console()):
        raise typer.Exit(1)


@app.command()
def logs(
    service: Annotated[
        str,
        typer.Argument(help="a service, or the stream of a scorer; all services when left out"),
    ] = "",
    lines: Annotated[int, typer.Option(help="how many lines of each log")] = 40,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on until interrupted")] = False,
) -> None:
    """Show the end of a log."""
    show_logs(Stack(Settings.load()).layout, service, lines, follow=follow)


app.command()(demo)

if __name__ == "__main__":
    run(app)

"""`python -m infra`: set-up, the servers, and the demo. The Makefile calls it."""

from typing import Annotated

import typer
from rich.console import Console

from infra.bootstrap.__main__ import main as bootstrap
from infra.demo import demo
from infra.logs import show
from infra.progress import Board
from infra.stack import Stack
from infra.status import print_status, print_welcome
from streamweir.cli import run
from streamweir.settings import Settings

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


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
    print_welcome(stack, console, started=started)


@app.command()
def down() -> None:
    """End every process of the stack."""
    console = Console()
    found = Stack(Settings.load()).down(Board(console))
    console.print("the stack is down" if found else "the stack was not up")


@app.command()
def status() -> None:
    """Show each service, its port, its memory and since when; exit status 1 when one is down."""
    if not print_status(Stack(Settings.load()), Console()):
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
    show(Stack(Settings.load()).layout, service, lines, follow=follow)


app.command()(demo)

if __name__ == "__main__":
    run(app)

"""`streamweir`, also as `python -m streamweir`: what an operator looks at and does by hand."""

from typing import NoReturn

import typer

from streamweir.cli import run
from streamweir.commands import dataset, model, rejected, report, runs, streams
from streamweir.commands.compare import compare
from streamweir.commands.status import status

EXIT_CODES = (
    "Exit status: 0 done; 1 something is not well, two runs differ, or another error; 2 a wrong argument, "
    "setting or name; 3 the model cannot be used; 4 a server cannot be reached, try again; 5 another scorer "
    "has the stream; 6 the run must not be trusted."
)


def program() -> typer.Typer:
    """The console script's commands."""
    app = typer.Typer(
        add_completion=False, no_args_is_help=True, help="Streamweir by hand.", epilog=EXIT_CODES
    )
    app.command()(status)
    app.command()(compare)
    for noun in (streams, runs, report, model, dataset, rejected):
        app.add_typer(noun.app, name=noun.__name__.rpartition(".")[2])
    return app


def main() -> NoReturn:
    """The console script."""
    run(program())


if __name__ == "__main__":
    main()

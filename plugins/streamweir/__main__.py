"""`streamweir`, also as `python -m streamweir`: what an operator does by hand."""

from typing import NoReturn

import typer

from streamweir.cli import run
from streamweir.redrive.cli import app as rejected


def main() -> NoReturn:
    """The console script."""
    app = typer.Typer(add_completion=False, no_args_is_help=True, help="Streamweir by hand.")
    # A single group would otherwise be taken for the program itself.
    app.callback()(lambda: None)
    app.add_typer(rejected, name="rejected")
    run(app)


if __name__ == "__main__":
    main()

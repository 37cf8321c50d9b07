"""`streamweir`: the command line. Failures end with one sentence and a meaningful exit status."""

import os
import sys
from typing import NoReturn

import typer

from streamweir.errors import StreamweirError

TRACEBACK = "STREAMWEIR_TRACEBACK"


def run(app: typer.Typer) -> NoReturn:
    """Run a typer app as a program; set STREAMWEIR_TRACEBACK=1 to see a failure's traceback."""
    try:
        app()
    except StreamweirError as error:
        if os.environ.get(TRACEBACK):
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    sys.exit(0)


def main() -> NoReturn:
    """The console script `streamweir`: what an operator does by hand."""
    from streamweir.redrive.cli import app as rejected

    app = typer.Typer(add_completion=False, no_args_is_help=True, help="Streamweir by hand.")
    # A single group would otherwise be taken for the program itself.
    app.callback()(lambda: None)
    app.add_typer(rejected, name="rejected")
    run(app)

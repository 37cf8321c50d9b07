"""Programs of the command line: failures end with one sentence and a meaningful exit status."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from streamweir.errors import StreamweirError

TRACEBACK = "STREAMWEIR_TRACEBACK"


def run(app: Callable[[], object]) -> NoReturn:
    """Run a program, e.g. a typer app; set STREAMWEIR_TRACEBACK=1 to see a failure's traceback."""
    try:
        app()
    except StreamweirError as error:
        if os.environ.get(TRACEBACK):
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    sys.exit(0)

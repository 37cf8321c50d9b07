"""Programs of the command line: failures end with one sentence and a meaningful exit status; what was written
by others cannot steer a terminal.
"""

import sys
from collections.abc import Callable
from typing import NoReturn

from streamweir.errors import StreamweirError
from streamweir.variables import TRACEBACK


def run(app: Callable[[], object]) -> NoReturn:
    """Run a program, e.g. a typer app; set STREAMWEIR_TRACEBACK=1 to see a failure's traceback."""
    try:
        app()
    except StreamweirError as error:
        if TRACEBACK.of():
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    sys.exit(0)


def escaped(data: bytes | str) -> str:
    r"""Text with everything that does not print written as an escape; a line break stays one."""
    text = data.decode("utf-8", "backslashreplace") if isinstance(data, bytes) else data
    return "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in text)


def in_a_line(text: str) -> str:
    """Escaped text without line breaks: what others wrote must not look like a line of ours."""
    return escaped(text).replace("\n", "\\n")

"""docs/troubleshooting.md quotes messages: each must be one that the code can say."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
CODE = ("plugins", "dags", "spark_apps", "expectations", "infra")
QUOTED = re.findall(r"^\| `(.+?)` \| .+ \| .+ \|$", PAGE, re.MULTILINE)
ANY = "…"


def texts() -> Iterator[str]:
    """The code's texts, what is filled in written as `ANY`."""
    for path in (path for room in CODE for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else ANY for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


SAID = "\n".join(text.replace("\n", " ") for text in texts())


def test_every_line_of_the_tables_quotes_a_message() -> None:
    lines = [line for line in PAGE.splitlines() if line.startswith("| ") and "| -- |" not in line]
    heads = [line for line in lines if line == "| message | cause | remedy |"]
    assert len(QUOTED) == len(lines) - len(heads)
    assert len(QUOTED) > 60


@pytest.mark.parametrize("message", QUOTED)
def test_each_message_that_is_quoted_exists(message: str) -> None:
    pieces = [re.escape(piece.strip()) for piece in message.split(ANY)]
    assert max(map(len, pieces)) > 8, "too little to search for"
    assert re.search(".*?".join(pieces), SAID)

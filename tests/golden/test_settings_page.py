"""docs/settings.md, made of what the code declares: UPDATE_GOLDEN=1 writes it anew."""

import ast
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from streamweir import variables
from streamweir.settings import Settings
from streamweir.variables import OWN, PREFIX, Variable

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "settings.md"
CODE = ("plugins", "dags", "spark_apps", "expectations", "infra")
DECLARED = [found for found in vars(variables).values() if isinstance(found, Variable)]
HEAD = """\
# Settings

All that Streamweir is set by from outside: environment variables. For the embedded stack each may also be
a line `NAME=value` in `var/settings.env`, which `make up` reads; the environment wins. `make setup` looks at
the environment only. An empty value counts as none. What a single run does is said by the DAG's params, in
Airflow's form.

This page is made of the code: `UPDATE_GOLDEN=1 python -m pytest tests/golden/test_settings_page.py` writes
it anew.
"""


def test_the_page_of_settings_is_what_the_code_declares() -> None:
    text = page()
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(text)
    assert PAGE.read_text() == text, "write it anew with UPDATE_GOLDEN=1"


def test_every_variable_that_the_code_names_is_declared() -> None:
    named = set(_named())
    assert {"STREAMWEIR_CACHE", "STREAMWEIR_STACK"} <= named
    fields = {f"{PREFIX}{field}".upper() for field in Settings.model_fields}
    assert named - {PREFIX} <= {*DECLARED, *fields}


def page() -> str:
    """The whole page."""
    of_the_stack = [
        (
            f"`{PREFIX}{name.upper()}`",
            field.description or "",
            _default(field.default),
            "`make` and the stack",
        )
        for name, field in Settings.model_fields.items()
        if f"{PREFIX}{name.upper()}" not in DECLARED
    ]
    others = [variable for variable in DECLARED if variable not in OWN]
    return "\n".join(
        [
            HEAD,
            *_table("The embedded stack", of_the_stack),
            *_table("Servers, runs and programs", map(_line, others)),
            *_table("Set by Streamweir itself", map(_line, OWN)),
        ]
    ).rstrip("\n") + "\n"  # fmt: skip


def _table(title: str, lines: Iterable[tuple[str, str, str, str]]) -> list[str]:
    rows = ["| setting | meaning | default | read by |", "| -- | -- | -- | -- |"]
    return [f"## {title}\n", *rows, *(f"| {' | '.join(map(_cell, line))} |" for line in lines), ""]


def _line(variable: Variable) -> tuple[str, str, str, str]:
    return f"`{variable}{variable.rest}`", variable.meaning, _default(variable.default), variable.read_by


def _default(value: object) -> str:
    text = str(value).replace(str(ROOT), "").lstrip("/")
    return f"`{text}`" if text else "none"


def _cell(text: str) -> str:
    assert text.strip(), "each is explained"
    return " ".join(text.split()).replace("|", "\\|")


def _named() -> Iterator[str]:
    """The names of variables in the code's texts, but not in its docstrings."""
    for path in (path for room in CODE for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value:
                yield from re.findall(rf"{PREFIX}[A-Z_]*", node.value)

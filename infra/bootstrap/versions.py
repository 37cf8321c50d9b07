"""The pinned versions of what is neither a Python package nor a jar."""

from pathlib import Path

from infra.bootstrap.processes import SetupFailed

VERSIONS = Path("infra/bootstrap/versions.lock")


def pinned(checkout: Path, name: str) -> str:
    """The version that `versions.lock` gives to a name."""
    for line in (checkout / VERSIONS).read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return value
    raise SetupFailed(f"{VERSIONS} says nothing of {name}: run `git checkout {VERSIONS}`")

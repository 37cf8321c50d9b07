"""The manifests in docs are what Kubernetes takes, as far as its schemas say; no cluster is asked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

FOLDER = Path(__file__).parents[3] / "docs" / "examples" / "kubernetes"
VERSIONS = ("1.31", "1.34")
"""The oldest and the newest that the page names."""


def manifests() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(FOLDER.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            yield f"{path.name} {document['kind']}", document


FOUND = dict(manifests())


def test_they_are_there() -> None:
    assert len(FOUND) == 6


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", FOUND)
def test_the_schema_takes_it_and_knows_every_word(name: str, version: str) -> None:
    kubernetes_validate.validate(FOUND[name], version, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**FOUND[name], "spek": {}}, version, strict=True)

"""`python -m streamweir.models`: look at the registered models, add one, choose the champion."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from streamweir.cli import run
from streamweir.connections import StoreConnection
from streamweir.errors import BadConfiguration
from streamweir.models.card import Card
from streamweir.models.registry import Decision, Registry
from streamweir.objectstore import ObjectStore, to_json

app = typer.Typer(add_completion=False, no_args_is_help=True)
Pipeline = Annotated[str, typer.Option(help="The pipeline's word.")]
Version = Annotated[str, typer.Argument(help="A version that `list` shows.")]
_DEFAULT = "ecommerce_fraud"


@app.command("list")
def list_versions(pipeline: Pipeline = _DEFAULT) -> None:
    """One line for each version; * marks the champion."""
    registry = _registry(pipeline)
    champion = registry.champion()
    for version in registry.versions():
        mark = "*" if champion and champion.version == version else " "
        print(mark, _line(registry.card(version)))


@app.command()
def show(version: Version, pipeline: Pipeline = _DEFAULT) -> None:
    """A version's card and the gate's last decision about it, as JSON."""
    registry = _registry(pipeline)
    shown = {"card": registry.card(version).to_json(), "decision": registry.decision(version)}
    print(to_json(shown).decode())


@app.command()
def register(
    path: Annotated[Path, typer.Argument(help="A folder or zip with a saved PipelineModel.")],
    pipeline: Pipeline = _DEFAULT,
) -> None:
    """Make a model that was trained elsewhere a version and print its id; the champion stays the same."""
    print(_registry(pipeline).register_external(path).version)


@app.command()
def promote(version: Version, pipeline: Pipeline = _DEFAULT) -> None:
    """Make a version the champion without asking the gate."""
    registry = _registry(pipeline)
    champion = registry.champion()
    decision = Decision(
        version=version,
        promoted=True,
        reason="promoted by hand",
        decided_at=datetime.now(UTC).isoformat("T", "seconds"),
        pr_auc=registry.card(version).metrics.get("pr_auc"),
        champion=champion.version if champion else None,
    )
    if registry.promote(decision, champion) is None:
        raise BadConfiguration(
            "somebody else changed the champion at the same moment: look at it and try again"
        )
    print(f"{version} is the champion")


def _registry(pipeline: str) -> Registry:
    return Registry(ObjectStore(StoreConnection.from_env()), pipeline)


def _line(card: Card) -> str:
    area = card.metrics.get("pr_auc")
    quality = "not measured" if area is None else f"PR-AUC {area:.4f}"
    return f"{card.version}  {card.created_at}  {card.source}  {card.algorithm}, {quality}"


if __name__ == "__main__":
    run(app)

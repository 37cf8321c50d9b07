"""`streamweir model`: look at the registered models, add one, choose the champion."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from streamweir.commands.common import (
    DEFAULT_PIPELINE,
    MOST,
    AsJson,
    Most,
    Pipeline,
    group,
    print_facts,
    print_json,
    print_rows,
    store,
)
from streamweir.commits import READERS
from streamweir.errors import BadConfiguration
from streamweir.models.card import Card
from streamweir.models.registry import Decision, Registry

app = group("The registered models of a pipeline.")
Version = Annotated[str, typer.Argument(help="A version that `list` shows.")]


@app.command("list")
def list_versions(pipeline: Pipeline = DEFAULT_PIPELINE, most: Most = MOST, as_json: AsJson = False) -> None:
    """A line for each version, by id, which for a trained one is its time."""
    registry = _registry(pipeline)
    champion = registry.champion()
    with ThreadPoolExecutor(READERS) as pool:
        cards = list(pool.map(registry.card, registry.versions()[-most:]))
    rows = [_row(card, champion=champion is not None and champion.version == card.version) for card in cards]
    print_rows(rows, as_json=as_json, nothing=f"no model of {pipeline} is registered")


@app.command()
def show(version: Version, pipeline: Pipeline = DEFAULT_PIPELINE, as_json: AsJson = False) -> None:
    """A version's card and the gate's last decision about it."""
    registry = _registry(pipeline)
    shown = {"card": registry.card(version).to_json(), "decision": registry.decision(version)}
    if as_json:
        print_json(shown)
    else:
        print_facts(shown)


@app.command()
def register(
    path: Annotated[Path, typer.Argument(help="A folder or zip with a saved PipelineModel.")],
    pipeline: Pipeline = DEFAULT_PIPELINE,
    as_json: AsJson = False,
) -> None:
    """Make a model that was trained elsewhere a version and print its id; the champion stays the same."""
    card = _registry(pipeline).register_external(path)
    if as_json:
        print_json(card.to_json())
    else:
        print(card.version)


@app.command()
def promote(version: Version, pipeline: Pipeline = DEFAULT_PIPELINE, as_json: AsJson = False) -> None:
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
    if as_json:
        print_json(decision.to_json())
    else:
        print(f"{version} is the champion")


def _registry(pipeline: str) -> Registry:
    return Registry(store(), pipeline)


def _row(card: Card, *, champion: bool) -> dict[str, Any]:
    area = card.metrics.get("pr_auc")
    return {
        "version": card.version,
        "champion": champion,
        "created_at": card.created_at,
        "source": card.source,
        "algorithm": card.algorithm,
        "pr_auc": None if area is None else round(area, 4),
    }

"""What the DAGs make, as Airflow's assets: an event says what is new, and nothing is said twice.

A task cannot keep Airflow from an event on a plain outlet; so the outlet is an alias, by which it tells one.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias

from streamweir.contracts.streams import DATASETS, MODELS, RUNS
from streamweir.contracts.tables import Pipeline

if TYPE_CHECKING:
    from airflow.sdk import Context

_GROUP = "streamweir"
_REMEMBERED = 100
"""How many events are looked through for one that said the same."""


def dataset_asset(pipeline: Pipeline) -> Asset:
    """The pipeline's datasets: an event for each that is new."""
    return _asset(pipeline.name, DATASETS)


def champion_asset(pipeline: Pipeline) -> Asset:
    """The version that new runs take: an event for each decision that made one the champion."""
    return _asset(pipeline.name, MODELS, "champion")


def run_asset(pipeline: Pipeline) -> Asset:
    """The pipeline's runs that are no failures: an event for each report that says something new."""
    return _asset(pipeline.name, RUNS)


def teller(asset: Asset) -> AssetAlias:
    """The outlet of a task that tells what is new."""
    return AssetAlias(asset.name, group=_GROUP)


def tell(context: "Context", asset: Asset, news: Mapping[str, Any]) -> None:
    """Give Airflow an event with this as its `extra`, for when the task succeeds; the asset is an inlet, too.

    No event, when one of the asset's last ones has said the same.
    """
    told = context["inlet_events"][asset].ascending(False).limit(_REMEMBERED)
    if all(event.extra != news for event in told):
        context["outlet_events"][teller(asset)].add(asset, extra=dict(news))


def new_champion(context: "Context", pipeline: str) -> str | None:
    """The champion whose event has started the run, by its version; None where something else has."""
    started = context.get("triggering_asset_events") or {}
    events = started.get(_asset(pipeline, MODELS, "champion"))
    # Somebody may also have made the event by hand, in the UI, and then it names none.
    return events[-1].extra.get("version") if events else None


def _asset(pipeline: str, bucket: str, name: str = "") -> Asset:
    return Asset(
        name=f"{pipeline}.{name or bucket}",
        uri=f"streamweir://{bucket}/{pipeline}" + (f"/{name}" if name else ""),
        group=_GROUP,
    )

"""Drawing a run's plots into its bundle."""

from collections.abc import Iterable

from streamweir.contracts.runs import Run
from streamweir.objectstore import ObjectStore
from streamweir.reporting.charts import GENERIC
from streamweir.reporting.inputs import Bundle, load_bundle
from streamweir.reporting.pieces import Plot, content_of
from streamweir.reporting.style import house, to_png


def plot(run: Run, store: ObjectStore) -> list[str]:
    """Draw every plot that the bundle has the data for, as plots/<name>.png; returns the names."""
    bundle = load_bundle(run, store)
    return list(draw(bundle, all_plots(bundle), store))


def draw(bundle: Bundle, plots: Iterable[Plot], store: ObjectStore) -> dict[str, bytes]:
    """Draw some of the plots into the bundle; returns the PNG by name of those that there was data for."""
    drawn = {}
    with house():
        for each in plots:
            figure = each.draw(bundle) if each.draw else None
            if figure is not None:
                drawn[each.name] = to_png(figure)
    for name, png in drawn.items():
        store.put(bundle.run.plot(name), png)
    return drawn


def all_plots(bundle: Bundle) -> tuple[Plot, ...]:
    """The pipeline's own plots, then those that every pipeline has."""
    return (*content_of(bundle.pipeline.name).plots, *GENERIC)

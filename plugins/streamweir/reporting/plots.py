"""Drawing a run's plots into its bundle."""

from streamweir.contracts.streams import Run
from streamweir.objectstore import ObjectStore
from streamweir.reporting.charts import GENERIC
from streamweir.reporting.inputs import Bundle, load_bundle
from streamweir.reporting.pieces import Plot, content_of
from streamweir.reporting.style import to_png


def plot(run: Run, store: ObjectStore) -> list[str]:
    """Draw every plot that the bundle has the data for, as plots/<name>.png; returns the names."""
    bundle = load_bundle(run, store)
    drawn = draw(bundle)
    for name, png in drawn.items():
        store.put(run.plot(name), png)
    return list(drawn)


def draw(bundle: Bundle) -> dict[str, bytes]:
    """The plots as PNG, by name."""
    figures = {plot.name: plot.draw(bundle) for plot in all_plots(bundle) if plot.draw}
    return {name: to_png(figure) for name, figure in figures.items() if figure is not None}


def all_plots(bundle: Bundle) -> tuple[Plot, ...]:
    """The pipeline's own plots, then those that every pipeline has."""
    return (*content_of(bundle.pipeline.name).plots, *GENERIC)

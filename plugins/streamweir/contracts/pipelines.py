"""Finding a pipeline by its word: `streamweir.contracts.<word>` declares it as `PIPELINE`."""

import importlib
import pkgutil

import streamweir.contracts as contracts
from streamweir.contracts.tables import Pipeline
from streamweir.errors import BadConfiguration


def pipeline_names() -> list[str]:
    """The words of all pipelines, sorted. A pipeline is a package here; the plain modules are shared."""
    return sorted(module.name for module in pkgutil.iter_modules(contracts.__path__) if module.ispkg)


def pipeline(name: str) -> Pipeline:
    """The declaration of the pipeline `name`; raises BadConfiguration for a word that is none."""
    if name not in pipeline_names():
        raise BadConfiguration(f"no pipeline is called {name!r}; there are: {', '.join(pipeline_names())}")
    found: Pipeline = importlib.import_module(f"streamweir.contracts.{name}").PIPELINE
    return found

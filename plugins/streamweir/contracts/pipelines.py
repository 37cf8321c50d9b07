"""Finding a pipeline by its word: `streamweir.contracts.<word>` declares it as `PIPELINE`."""

import importlib
import os
import pkgutil
import re
from dataclasses import replace
from typing import TypeVar, cast

import streamweir.contracts as contracts
from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import OutputTopic, Pipeline, Stage
from streamweir.errors import BadConfiguration
from streamweir.variables import FIXED_TOPIC

T = TypeVar("T")

_TOPIC_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")


def pipeline_names() -> list[str]:
    """The words of all pipelines, sorted. A pipeline is a package here; the plain modules are shared."""
    return sorted(module.name for module in pkgutil.iter_modules(contracts.__path__) if module.ispkg)


def pipeline(name: str) -> Pipeline:
    """The declaration of the pipeline `name`, its topics named as the settings say.

    Raises BadConfiguration for a word that is none, or a name that Kafka does not take.
    """
    if name not in pipeline_names():
        raise BadConfiguration(f"no pipeline is called {name!r}; there are: {', '.join(pipeline_names())}")
    found: Pipeline = importlib.import_module(f"streamweir.contracts.{name}").PIPELINE
    return replace(found, stages=tuple(_as_set(found, stage) for stage in found.stages))


def stages_of(stream: Stream) -> list[Stream]:
    """The stream as each of its pipeline's stages has it."""
    return [stream.of_stage(stage.name) for stage in pipeline(stream.pipeline).stages]


def module_of(package: str, name: str, protocol: type[T]) -> T:
    """The module of the pipeline `name` in a package, e.g. streamweir.replay.card_fraud.

    protocol: what the package asks of it. Raises BadConfiguration for a word that is none, and for a module
    that lacks something.
    """
    module = importlib.import_module(f"{package}.{pipeline(name).name}")
    asked = {*protocol.__annotations__, *(word for word in vars(protocol) if not word.startswith("_"))}
    if missing := sorted(word for word in asked if not hasattr(module, word)):
        raise BadConfiguration(f"{module.__name__} has no {', '.join(missing)}: see {protocol.__qualname__}")
    return cast(T, module)


def _as_set(of: Pipeline, stage: Stage) -> Stage:
    """The stage with its topics as the settings name them."""
    return replace(stage, writes=tuple(_named(of, topic) for topic in stage.writes))


def _named(of: Pipeline, topic: OutputTopic) -> OutputTopic:
    """The topic under the name that a setting gives it."""
    variable = f"{FIXED_TOPIC}{of.name}_{topic.name}".upper()
    name = os.environ.get(variable, "")
    if name and not _TOPIC_NAME.fullmatch(name):
        raise BadConfiguration(f"{variable} is {name[:80]!r}: take 1 to 249 letters, digits, '.', '_' or '-'")
    return replace(topic, fixed=name)

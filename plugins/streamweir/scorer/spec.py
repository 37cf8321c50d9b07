"""What a scorer is asked to do, as one value that travels from the task over the keeper to the driver.

Its arguments hold nothing secret: that travels by environment.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NoReturn

from streamweir.connections import DatabaseConnection, KafkaConnection, SparkConnection, StoreConnection
from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration

OUTAGE_S = 300
"""How long a server may be away before a run on a stream of its own is given up."""


@dataclass(frozen=True)
class ScorerSpec:
    """What to score, and with what.

    scorer: an id chosen by the caller; asking again with the same id never starts a second scorer.
    dataset: fingerprint of the static files. model: its version, empty for a pipeline without a model.
    time_zone: the session's. lateness_s: in seconds of the virtual clock. max_messages: in a micro-batch at
    most. options: values of the params that the pipeline's contract names. outage_s: for how many seconds a
    server may be away before the scorer is given up; None: for as long as it is.
    """

    stream: Stream
    scorer: str
    dataset: str
    model: str
    time_zone: str
    lateness_s: int
    max_messages: int
    options: Mapping[str, Any] = field(default_factory=dict)
    outage_s: int | None = OUTAGE_S

    @property
    def settings(self) -> dict[str, Any]:
        """What it counts with: runs that share a scorer must agree on it."""
        return {"time_zone": self.time_zone, "lateness_s": self.lateness_s, **self.options}

    def arguments(self, holder: str) -> list[str]:
        """The same as the arguments of a driver, which `parse` reads."""
        arguments = {
            "--stream": self.stream.id,
            "--stage": self.stream.stage,
            "--scorer": self.scorer,
            "--dataset": self.dataset,
            "--model": self.model,
            "--holder": holder,
            "--time-zone": self.time_zone,
            "--lateness-s": str(self.lateness_s),
            "--max-messages": str(self.max_messages),
            "--options": json.dumps(dict(self.options), sort_keys=True),
        }
        return [word for pair in arguments.items() if pair[1] for word in pair]

    def to_json(self) -> dict[str, Any]:
        """A form for a file; holds nothing secret. Only the version that wrote it reads it."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ScorerSpec":
        """The inverse of `to_json`."""
        return cls(**{**value, "stream": Stream(**value["stream"])})


@dataclass(frozen=True)
class Servers:
    """The servers that a scorer uses; the object store with the scorer's own account, which can do less.

    database: where a stage writes rows to; None for a pipeline without such a stage.
    """

    kafka: KafkaConnection
    store: StoreConnection
    spark: SparkConnection
    database: DatabaseConnection | None = None

    def to_env(self) -> dict[str, str]:
        """The environment from which the scorer reads them."""
        database = self.database.to_env() if self.database else {}
        return {**self.kafka.to_env(), **self.store.to_env(), **self.spark.to_env(), **database}


class Parser(argparse.ArgumentParser):
    """A parser whose errors are BadConfiguration."""

    def error(self, message: str) -> NoReturn:
        raise BadConfiguration(f"{self.prog}: {message}")


def parse(pipeline: str, argv: Sequence[str] | None = None) -> tuple[ScorerSpec, str]:
    """What to score, and the holder for the lease; raises BadConfiguration for arguments that do not fit."""
    parser = Parser(prog=pipeline, description="Scores a stream until it is stopped.")
    for name in ("--stream", "--scorer", "--holder", "--dataset", "--time-zone"):
        parser.add_argument(name, required=True)
    for name in ("--stage", "--model"):
        parser.add_argument(name, default="")
    for name in ("--lateness-s", "--max-messages"):
        parser.add_argument(name, required=True, type=int)
    parser.add_argument("--options", type=json.loads, default={})
    values = vars(parser.parse_args(argv))
    holder = values.pop("holder")
    stream = Stream(pipeline, values["stream"], values.pop("stage"))
    return ScorerSpec(**{**values, "stream": stream}), holder

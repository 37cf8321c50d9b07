"""The arguments of every program that works on a stream."""

import argparse
import json
from collections.abc import Sequence
from typing import NoReturn

from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration
from streamweir.scorer.spec import ScorerSpec


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

"""`python -m streamweir.replay.packer`: what `apart` starts; a job comes in, its parcels go out."""

import pickle
import sys
from typing import IO

from streamweir.contracts.pipelines import pipeline as pipeline_of
from streamweir.replay.apart import Job, write_parcels
from streamweir.replay.produced import Produced
from streamweir.replay.replayer import counted_parcels, source_of


def main(asked: IO[bytes], out: IO[bytes]) -> None:
    """Pack the job that is asked for."""
    job = Job(*pickle.load(asked))
    plan = job.plan
    produced = Produced(pipeline_of(plan.pipeline), source_of(plan.pipeline).facts, plan.options)
    skipped: list[int] = []
    write_parcels(counted_parcels(job, produced, skipped.append), skipped, produced, out)


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)

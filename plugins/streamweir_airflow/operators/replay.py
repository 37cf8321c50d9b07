"""While the stream runs: the replay and, beside it, the live plot."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from streamweir.contracts.streams import ObjectKey
from streamweir.errors import RunFailed
from streamweir.work import work_folder
from streamweir_airflow.attempt import Attempt
from streamweir_airflow.operators.base import Result, StreamweirOperator
from streamweir_airflow.operators.looking_after import looked_after
from streamweir_airflow.operators.scorer import launch

_GIVEN_UP = ("failed", "upstream_failed", "skipped", "removed")


class Replay(StreamweirOperator):
    """Sends the run's batches and its flush; run again, it goes on after the last message in Kafka.

    Meanwhile it looks after the scorer.
    """

    template_fields: Sequence[str] = ("dataset", "scorer")

    def __init__(self, *, dataset: str, scorer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.scorer = scorer

    def work(self, attempt: Attempt) -> Result:
        """Returns the totals of what was sent."""
        from streamweir.datasets.store import download, load
        from streamweir.progress import told_to
        from streamweir.replay.plan import Request, parse_late
        from streamweir.replay.replayer import replay
        from streamweir.scorer.spec import ScorerSpec

        params = attempt.params
        dataset = load(attempt.store, self.pipeline, self.dataset)
        folder = work_folder() / "datasets" / dataset.fingerprint
        download(attempt.store, dataset, folder, dataset.live)
        request = Request(
            dataset=dataset.fingerprint,
            start_ts=params["start_ts"],
            speed=params["speed"],
            batches=params["batches"],
            # Only where a batch may come late.
            late=parse_late(params.get("late") or ""),
            lateness_s=params.get("lateness_s"),
            # Only where a batch is so many rows of a file in its own order.
            batch_rows=params.get("batch_rows"),
            unsorted_ok=params.get("unsorted_ok", False),
            # Only where batches are many and small.
            rate=params.get("rate"),
            options={name: params[name] for name in attempt.pipeline.options},
        )
        scorer = ScorerSpec.from_json(self.scorer)
        complete = attempt.store.exists(attempt.run.manifest)
        if complete:
            self.log.info("nothing to send: the run's flush was sent before")
        if attempt.again and not complete:
            # Its scorer was stopped, too, when the run ended before.
            launch(attempt, scorer)
        with looked_after(attempt, scorer):
            sent = replay(
                attempt.run,
                request,
                kafka=attempt.kafka,
                store=attempt.store,
                folder=folder,
                progress=told_to(self.log.info),
            ).to_json()
        rows = ", ".join(f"{count:,} rows of {topic}" for topic, count in sent["rows"].items())
        self.log.info("the topics hold %d batches and the flush: %s", sent["batches"], rows)
        return {
            name: sent[name]
            for name in ("batches", "rows", "facts", "start_ts", "seconds", "rows_per_second")
        }

    def result_key(self, attempt: Attempt, result: Result) -> ObjectKey:
        """What was sent."""
        return attempt.run.manifest

    def on_kill(self) -> None:
        """A replay that is marked as failed sends nothing more; Airflow itself would let it go on for 5 s."""
        raise RunFailed("the replay was ended from outside: marked as failed, or cleared")


class PlotLive(StreamweirOperator):
    """Reads the topic beside the scorer and draws while the replay runs."""

    def work(self, attempt: Attempt) -> Result:
        """Returns once the run's flush was read, or the replay has failed."""
        from streamweir.liveplot.live import draw_live

        def abandoned() -> bool:
            return attempt.task_states().get("replay") in _GIVEN_UP

        drawn = draw_live(
            attempt.run,
            kafka=attempt.kafka,
            store=attempt.store,
            page=work_folder() / "live" / self.pipeline,
            abandoned=abandoned,
        )
        if drawn is None:
            self.log.info("nothing was drawn: the replay was given up before its first batch")
            return {}
        self.log.info("drew %d in %d batches, in %d frames", drawn.total, drawn.batches, drawn.frames)
        return asdict(drawn)

    def result_key(self, attempt: Attempt, result: Result) -> ObjectKey | None:
        """The plots, where something was drawn."""
        return attempt.run.plots if result else None

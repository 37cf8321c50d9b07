"""While the stream runs: the replay and, beside it, the live plot."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

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
        from streamweir.progress import console_progress
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
            late=parse_late(params["late"] or ""),
            lateness_s=params["lateness_s"],
            # Only where a batch is so many rows of a file in its own order.
            batch_rows=params.get("batch_rows"),
            unsorted_ok=params.get("unsorted_ok", False),
            # Only where batches are many and small.
            rate=params.get("rate"),
            options={name: params[name] for name in attempt.pipeline.options},
        )
        scorer = ScorerSpec.from_json(self.scorer)
        if attempt.again and not attempt.store.exists(attempt.run.manifest):
            # Its scorer was stopped, too, when the run ended before.
            launch(attempt, scorer)
        with looked_after(attempt, scorer):
            sent = replay(
                attempt.run,
                request,
                kafka=attempt.kafka,
                store=attempt.store,
                folder=folder,
                progress=console_progress,
            ).to_json()
        return {
            name: sent[name]
            for name in ("batches", "rows", "facts", "start_ts", "seconds", "rows_per_second")
        }


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
        return asdict(drawn) if drawn else {}

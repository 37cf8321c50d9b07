"""Before the stream starts: topics, dataset, model."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from streamweir.contracts.streams import ObjectKey
from streamweir_airflow.attempt import Attempt
from streamweir_airflow.limits import Reader, refuse_wrong, start_of_clock, time_zone
from streamweir_airflow.operators.base import Result, StreamweirOperator
from streamweir_airflow.operators.train import Training

if TYPE_CHECKING:
    from streamweir.datasets.dataset import Dataset
    from streamweir.models.card import Card


RUNNING = "running"
"""The origin of a model that a scorer works with already."""


class ProvisionTopics(StreamweirOperator):
    """Creates the stream's topics, and, as the run's first task, checks and writes down what was asked for.

    read_first: how the pipeline's own params are read which limits cannot describe.
    """

    def __init__(self, *, read_first: Mapping[str, Reader] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.read_first = read_first or {}

    def work(self, attempt: Attempt) -> Result:
        """Returns the topics by whether they were created or there already.

        Raises BadConfiguration for the params, with every fault at once, before anything is made.
        """
        from streamweir.broker.topics import provision
        from streamweir.retention import note_origin

        refuse_wrong(self, attempt.params, self._readers(attempt))
        attempt.store.put_json(attempt.run.parameters, dict(attempt.params))
        note_origin(attempt.store, attempt.run, isolated=attempt.isolated)
        report = provision(attempt.kafka, attempt.run.stream, attempt.pipeline)
        if report.created:
            self.log.info("created: %s", ", ".join(report.created))
        else:
            self.log.info("nothing to create: all topics are there")
        if report.existing:
            self.log.info("already there: %s", ", ".join(report.existing))
        return {"created": list(report.created), "existing": list(report.existing)}

    def result_key(self, attempt: Attempt, result: Result) -> ObjectKey:
        """The parameters; the topics' names are in the log."""
        return attempt.run.parameters

    def _readers(self, attempt: Attempt) -> dict[str, Reader]:
        from streamweir.comparison.runs import refuse_unlike
        from streamweir.datasets.store import named
        from streamweir.models.registry import Registry
        from streamweir.replay.plan import parse_late

        readers: dict[str, Reader] = {"start_ts": start_of_clock, "late": parse_late, "time_zone": time_zone}
        readers |= self.read_first
        # A run that has a plan keeps its dataset and model; what was asked for may be gone since.
        if not attempt.store.exists(attempt.run.plan):
            readers["dataset"] = partial(named, attempt.store, self.pipeline)
            readers["model"] = Registry(attempt.store, self.pipeline).known
            readers["compare_with"] = partial(refuse_unlike, attempt.store, self.pipeline, attempt.params)
        return readers


class EnsureDataset(StreamweirOperator):
    """Uploads, generates or finds the dataset; returns it as JSON (`fingerprint` names it).

    settings: the params that are settings of the pipeline's generator. trains: whether the pipeline has a
    model, for which a dataset may need a history.
    """

    def __init__(self, *, settings: Sequence[str] = (), trains: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings, self.trains = settings, trains

    def work(self, attempt: Attempt) -> Result:
        """Raises DatasetUnusable with file, line and column before anything is uploaded."""
        refuse_wrong(self, attempt.params)
        dataset = self._settled(attempt) or self._chosen(attempt)
        self.log.info("dataset %s: %d files from %s", dataset.fingerprint, len(dataset.files), dataset.source)
        return dataset.to_json()

    def result_key(self, attempt: Attempt, result: Result) -> ObjectKey:
        """The dataset."""
        from streamweir.datasets.dataset import root_of

        return root_of(self.pipeline, result["fingerprint"])

    def news(self, attempt: Attempt, result: Result) -> Result:
        """The dataset: which one, how large, and where it lies."""
        return {
            "fingerprint": result["fingerprint"],
            "source": result["source"],
            "rows": {file["name"]: file["rows"] for file in result["files"]},
            "address": attempt.address(self.result_key(attempt, result)),
        }

    def _settled(self, attempt: Attempt) -> "Dataset | None":
        """What the run has sent messages of: files or the generator may have changed since."""
        from streamweir.datasets.store import load

        plan = attempt.store.get_json(attempt.run.plan)
        if not plan:
            return None
        self.log.info("nothing to choose: the run has sent messages of its dataset, and keeps it")
        return load(attempt.store, self.pipeline, plan["dataset"])

    def _chosen(self, attempt: Attempt) -> "Dataset":
        from streamweir.datasets.checks import Wishes
        from streamweir.datasets.store import ensure
        from streamweir.progress import told_to

        return ensure(
            attempt.store,
            self.pipeline,
            attempt.params["dataset"] or "",
            seed=attempt.params["seed"],
            # Only a training reads it, and none is needed when the model is given or a scorer runs with one.
            needs_history=self.trains and not (attempt.params.get("model") or _running(attempt)),
            # A DAG without the param replays nothing in the file's order.
            wishes=Wishes(attempt.params.get("unsorted_ok", True), attempt.params.get("event_types")),
            progress=told_to(self.log.info),
            **{name: attempt.params[name] for name in self.settings},
        )


class EnsureModel(Training):
    """Chooses the run's model: as asked for, else the running scorer's, else the champion, else a new one."""

    def work(self, attempt: Attempt) -> Result:
        """Returns version, sha256, origin, whose rule decides, its threshold, and the model's own rule."""
        from streamweir.models.registry import Registry
        from streamweir.models.rule import deciding, in_words

        registry = Registry(attempt.store, self.pipeline)
        settled = self._settled(attempt)
        version, origin = settled or self._chosen(attempt, registry)
        if not settled and origin != RUNNING:
            self._prove(attempt, registry.card(version))
        card = registry.card(version)
        attempt.store.put_json(attempt.run.model, {"version": version, "origin": origin})
        rule, own = deciding(attempt.params["threshold"], card), in_words(card.own_rule)
        self.log.info("model %s (%s). %s. The model's own rule: %s", version, origin, rule.sentence, own)
        if selection := registry.selection(version):
            attempt.store.put_json(attempt.run.selection, selection)
        return {
            "version": version,
            "sha256": card.sha256,
            "origin": origin,
            "rule": rule.decided_by,
            "threshold": rule.threshold,
            "own_rule": card.own_rule,
        }

    def _prove(self, attempt: Attempt, card: "Card") -> None:
        """Have numpy's scores compared with Spark's, unless that was done or the run does not want them."""
        from streamweir.contracts.models import SPARK
        from streamweir.models.card import Flavour

        wanted = attempt.params["scoring"] != SPARK and card.flavour is Flavour.SPARK
        if wanted and card.numpy is None:
            self.prove(attempt, card.version)

    def _settled(self, attempt: Attempt) -> tuple[str, str] | None:
        """What the run took before, once it has sent messages: a run is scored by one model."""
        taken = attempt.store.get_json(attempt.run.model)
        if taken is None or not attempt.store.exists(attempt.run.plan):
            return None
        self.log.info("nothing to choose: the run has sent messages, and keeps its model")
        return taken["version"], taken["origin"]

    def _chosen(self, attempt: Attempt, registry: Any) -> tuple[str, str]:
        asked = attempt.params["model"]
        if asked:
            card = registry.find(asked)
            return card.version, card.source
        if running := _running(attempt):
            return running, RUNNING
        from streamweir.datasets.store import load

        history = load(attempt.store, self.pipeline, self.dataset).history_fingerprint
        champion = registry.champion_for(history) if history else None
        if champion:
            return champion.version, "champion"
        if history is None and (other := registry.champion()):
            # Nothing to learn from: what was learnt from other data must do.
            return other.version, "champion of another dataset"
        return self.train(attempt)["version"], "trained"


def _running(attempt: Attempt) -> str | None:
    """The model of the scorer that works on the stream: a run without a wish of its own attaches to it."""
    from streamweir.contracts.pipelines import stages_of
    from streamweir.scorer.health import find

    seen = (find(attempt.store, stage) for stage in stages_of(attempt.run.stream))
    versions = (found.status.model_version for found in seen if found.status and found.alive)
    return next(filter(None, versions), None)

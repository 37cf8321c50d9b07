"""The registry of one pipeline's models in the object store."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from streamweir.contracts.models import ModelKeys, is_version
from streamweir.contracts.streams import ObjectKey
from streamweir.errors import BadConfiguration, ModelUnusable
from streamweir.models import archive, saved
from streamweir.models.card import EXTERNAL, TRAINED, Card, Flavour
from streamweir.models.rule import own_rule
from streamweir.objectstore import ObjectStore, to_json


@dataclass(frozen=True)
class Decision:
    """What the gate decided about `version`, and on which figures.

    champion: the version that it was compared with, None when there was none or it could not be used.
    pr_auc, champion_pr_auc: both on the same `held_out_rows` rows. promoted: the outcome. reason: a
    sentence. decided_at: UTC, ISO 8601.
    """

    version: str
    promoted: bool
    reason: str
    decided_at: str
    pr_auc: float | None = None
    champion: str | None = None
    champion_pr_auc: float | None = None
    held_out_rows: int = 0

    def to_json(self) -> dict[str, Any]:
        """The decision as JSON holds it."""
        return asdict(self)


def passes(pr_auc: float, champion_pr_auc: float | None) -> bool:
    """Not worse than the champion on the same rows; anything passes without a champion to compare with."""
    return champion_pr_auc is None or pr_auc >= champion_pr_auc


@dataclass(frozen=True)
class Champion:
    """The version that new runs take. `etag`: for a compare-and-set. `decision`: what champion.json says."""

    version: str
    etag: str
    decision: dict[str, Any]


class Registry:
    """Versions are immutable: an id is given once, archive and card are only ever created.

    A card is given its proof once.
    """

    def __init__(self, store: ObjectStore, pipeline: str) -> None:
        self._store = store
        self._keys = ModelKeys(pipeline)

    @property
    def pipeline(self) -> str:
        """The pipeline whose models these are."""
        return self._keys.pipeline

    def versions(self) -> list[str]:
        """All versions, sorted by id (trained ones by time)."""
        keys = self._store.list(self._keys.root)
        return [key.key.split("/")[-2] for key in keys if key.key.endswith("/card.json")]

    def card(self, version: str) -> Card:
        """A version's card; raises ModelUnusable when there is no such version."""
        found = self._store.get_json(self._keys.card(version))
        if found is None:
            known = ", ".join(self.versions()[-5:]) or "none yet"
            raise ModelUnusable(f"{self.pipeline} has no model version {version!r}; the newest are: {known}")
        return Card.from_json(found)

    def publish(self, model: Path, draft: Card) -> Card:
        """Create a version of a file of the draft's flavour; returns the card, completed with version, sha256
        and created_at.

        An external model's id comes from its content alone: registering it again finds the same version.
        """
        digest, now = archive.sha256(model), datetime.now(UTC)
        trained = draft.source == TRAINED
        version = f"{now:%Y%m%dT%H%M%SZ}-{digest[:8]}" if trained else f"external-{digest[:16]}"
        created_at = now.isoformat("T", "seconds")
        card = replace(draft, pipeline=self.pipeline, version=version, sha256=digest, created_at=created_at)
        self._store.put_if_absent(self._file(card), model.read_bytes())
        # The card comes last: a version whose upload broke off does not exist.
        created = self._store.put_if_absent(self._keys.card(version), to_json(card.to_json()))
        return card if created else self.card(version)

    def put_proof(self, version: str, proof: Mapping[str, Any]) -> Card:
        """Note in a version's card what a proof found, once; returns the card as it is then."""
        found = self._store.get_with_etag(self._keys.card(version))
        card = self.card(version)
        if found is None or card.numpy is not None:
            return card
        proven = replace(card, numpy=dict(proof))
        noted = self._store.put_if_match(self._keys.card(version), to_json(proven.to_json()), found[1])
        return proven if noted else self.card(version)

    def put_selection(self, card: Card) -> None:
        """Keep beside a trained version how it was selected."""
        self._store.put_json(self._keys.selection(card.version), card.selection())

    def selection(self, version: str) -> dict[str, Any] | None:
        """How a version was selected; None for one that was not trained here."""
        found: dict[str, Any] | None = self._store.get_json(self._keys.selection(version))
        return found

    def register_external(self, path: Path) -> Card:
        """Register a PipelineModel that was saved elsewhere, as a folder or a zip (also with one top folder).

        Raises ModelUnusable when it is none, or when it holds a stage from outside Spark ML.
        """
        with archive.opened(path) as model, tempfile.TemporaryDirectory(prefix="streamweir-model-") as folder:
            draft = _external_card(saved.stages(model))
            packed = Path(folder) / "model.zip"
            archive.pack(model, packed)
            return self.publish(packed, draft)

    def find(self, asked: str) -> Card:
        """The card of what somebody asked for: a folder or zip, which is registered, or else a version.

        Raises ModelUnusable when it is not there, or as `register_external` does.
        """
        return self.known(asked) or self.register_external(Path(asked))

    def known(self, asked: str) -> Card | None:
        """The card of a version that somebody asked for; None for the path of a model, which is not opened.

        Raises ModelUnusable when it is neither.
        """
        path = Path(asked)
        if is_version(asked) and not path.exists():
            return self.card(asked)
        archive.refuse_missing(path)
        return None

    def fetch(self, version: str, folder: Path) -> Path:
        """Download a version into `folder`, verified; returns a PipelineModel's folder or an ONNX file.

        Raises ModelUnusable when the file is missing, differs from the card's checksum, or is no model.
        """
        card = self.card(version)
        key = self._file(card)
        if not self._store.exists(key):
            raise ModelUnusable(f"model version {version} has lost its file {key}: make it again")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as temporary:
            packed = Path(temporary) / Path(key.key).name
            self._store.download(key, packed)
            if archive.sha256(packed) != card.sha256:
                raise ModelUnusable(
                    f"model {version} was tampered with: {key} differs from its card's sha256"
                )
            if card.flavour is Flavour.ONNX:
                return packed.replace(folder / f"{version}.onnx")
            model = archive.unpack(packed, Path(temporary) / "model")
            saved.stages(model)
            archive.replace_folder(model, folder / version)
        return folder / version

    def _file(self, card: Card) -> ObjectKey:
        of_flavour = {Flavour.SPARK: self._keys.archive, Flavour.ONNX: self._keys.onnx}
        return of_flavour[card.flavour](card.version)

    def champion(self) -> Champion | None:
        """The version that new runs take; None before the first promotion."""
        found = self._store.get_with_etag(self._keys.champion)
        if found is None:
            return None
        decision = json.loads(found[0])
        return Champion(decision["version"], found[1], decision)

    def champion_for(self, history_fingerprint: str) -> Card | None:
        """The champion's card, when it was trained on this history; else None."""
        champion = self.champion()
        if champion is None:
            return None
        card = self.card(champion.version)
        return card if card.source == TRAINED and card.history_fingerprint == history_fingerprint else None

    def promote(self, decision: Decision, expected: Champion | None) -> Champion | None:
        """Make `decision.version` the champion, if the champion is still `expected` (compare-and-set).

        Returns the new champion, or None when somebody else was faster: look at it and decide again.
        """
        self.card(decision.version)
        if not decision.promoted:
            raise BadConfiguration(f"the gate did not pass {decision.version}: {decision.reason}")
        data = to_json(decision.to_json())
        if expected is None:
            etag = self._store.put_if_absent(self._keys.champion, data)
        else:
            etag = self._store.put_if_match(self._keys.champion, data, expected.etag)
        if etag is None:
            return None
        self.record(decision)
        return Champion(decision.version, etag, decision.to_json())

    def record(self, decision: Decision) -> None:
        """Keep a decision beside its version."""
        self._store.put_json(self._keys.decision(decision.version), decision.to_json())

    def decision(self, version: str) -> dict[str, Any] | None:
        """The gate's last decision about a version; None when it never stood before the gate."""
        found: dict[str, Any] | None = self._store.get_json(self._keys.decision(version))
        return found


def _external_card(stages: list[dict[str, Any]]) -> Card:
    """What the saved metadata says of a foreign model: its inputs, its label, its Spark version."""
    makers: dict[str, list[str]] = {}
    classifier = saved.classifier(stages)
    for stage in stages:
        params = saved.params(stage)
        inputs = params.get("inputCols") or [params.get("inputCol", "")]
        outputs = params.get("outputCols") or [params.get("outputCol", "")]
        # A stage of several columns either makes one of each, or one of all.
        one_each = len(inputs) == len(outputs)
        makers |= {made: [inputs[place]] if one_each else inputs for place, made in enumerate(outputs)}
    return Card(
        source=EXTERNAL,
        features=tuple(dict.fromkeys(_originals(classifier.get("featuresCol", ""), makers))),
        label=str(classifier.get("labelCol", "")),
        own_rule=own_rule(stages),
        algorithm=stages[-1]["class"].rpartition(".")[2],
        libraries={"spark": str(stages[0].get("sparkVersion", ""))},
    )


def _originals(name: str, makers: Mapping[str, list[str]]) -> Iterator[str]:
    """The columns that a column is made of in the end."""
    sources = [source for source in makers.get(name, []) if source]
    if not sources and name:
        yield name
    # Without the column itself: files that somebody sent may say that it is made of itself.
    others = {made: inputs for made, inputs in makers.items() if made != name}
    for source in sources:
        yield from _originals(source, others)

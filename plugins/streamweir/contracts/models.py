"""The object keys of a pipeline's models, and what the app that scores a run's rows again gives back."""

import re
from dataclasses import dataclass

from streamweir.contracts.streams import MODELS, ObjectKey
from streamweir.contracts.tables import Column, Type
from streamweir.errors import BadConfiguration

SELECTION = "model_selection_summary.json"
MODEL_OPTIONS = ("threshold", "fraud_label", "scoring")
"""The params that say how a model scores and decides; each is None when nothing is asked for."""
NUMPY, SPARK = "numpy", "spark"
"""What gives a model's scores; the param `scoring` may ask for Spark."""
_VERSION = re.compile(r"[A-Za-z0-9-]{1,64}")
ROW = "__row"
"""The number of a row in the file that `score_again` is given, 0 first: the columns that a model may use."""
SCORES = (
    Column(ROW, Type.INT, "which row it is"),
    Column("probability", Type.DOUBLES, "the model's probabilities"),
    Column("fraud_probability", Type.DOUBLE, "the probability of fraud"),
    Column("prediction", Type.INT, "1 when the model's own prediction is fraud"),
    Column("refusal", Type.STRING, "why the model refuses the row, alone or with others; else null"),
)
"""The columns of the file that it gives back: a row for each row that comes out of the model."""


@dataclass(frozen=True)
class ModelKeys:
    """Where a pipeline's model versions and its champion pointer lie."""

    pipeline: str

    @property
    def root(self) -> ObjectKey:
        """The prefix of all versions."""
        return ObjectKey(MODELS, self.pipeline)

    @property
    def champion(self) -> ObjectKey:
        """The pointer to the version that new runs take, with the decision that put it there."""
        return self.root / "champion.json"

    def archive(self, version: str) -> ObjectKey:
        """The saved PipelineModel, with `metadata/` and `stages/` at the zip's top."""
        return self._version(version) / "model.zip"

    def onnx(self, version: str) -> ObjectKey:
        """The file of a version whose card says ONNX."""
        return self._version(version) / "model.onnx"

    def card(self, version: str) -> ObjectKey:
        """What the version is; a version exists as soon as its card does."""
        return self._version(version) / "card.json"

    def selection(self, version: str) -> ObjectKey:
        """How the version was selected among its candidates; a model from elsewhere has none."""
        return self._version(version) / SELECTION

    def decision(self, version: str) -> ObjectKey:
        """The gate's last decision about the version."""
        return self._version(version) / "decision.json"

    def _version(self, version: str) -> ObjectKey:
        if not is_version(version):
            raise BadConfiguration(f"{version[:80]!r} is not a model version: take one that `list` shows")
        return self.root / version


def is_version(text: str) -> bool:
    """Whether this can be a version's id; a path with a slash or a dot never is."""
    return _VERSION.fullmatch(text) is not None

"""A saved Spark model as a folder: where its top is, what its metadata say, whether its files are there."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from streamweir.errors import ModelUnusable

MAC_RUBBISH = "__MACOSX"
_SPARK_ML = ("org.apache.spark.ml.", "pyspark.ml.")
_PIPELINE = ("org.apache.spark.ml.PipelineModel", "pyspark.ml.pipeline.PipelineModel")
_TUNED = ("CrossValidatorModel", "TrainValidationSplitModel")
_BEST = "bestModel"
_UNFITTED = ("Pipeline", "CrossValidator", "TrainValidationSplit")
_WITH_DATA = ("Model", "ColumnPruner", "VectorAttributeRewriter")
"""How the classes end that keep what they learnt in `data`; the last two are parts of an R formula."""
_WITHOUT_DATA = frozenset((*_TUNED, "PipelineModel", "OneVsRestModel", "ALSModel", "DistributedLDAModel"))
"""Models that keep what they learnt elsewhere than in `data`: in models of their own, mostly."""
POINTER = "a git-LFS pointer, not the file itself: run `git lfs pull` in the repository"
_GIT_LFS = b"version https://git-lfs"

Metadata = dict[str, Any]


def root(folder: Path) -> Path:
    """The folder with `metadata/`: this one, or the only one in it; raises ModelUnusable otherwise."""
    inner = [path for path in folder.iterdir() if path.name != MAC_RUBBISH and not path.name.startswith(".")]
    for candidate in (folder, inner[0] if len(inner) == 1 else folder):
        if (candidate / "metadata").is_dir():
            return candidate
    deeper = [path.relative_to(folder).as_posix() for path in _pipeline_models(folder)]
    if deeper:
        raise ModelUnusable(
            f"the model lies deeper, in {' or '.join(deeper)}: give that folder, or a zip of it"
        )
    raise ModelUnusable(
        "it holds no saved Spark model: it needs metadata/ and stages/ at its top, "
        "as PipelineModel.save() makes them"
    )


def stages(model: Path) -> list[Metadata]:
    """The metadata of all stages that were fitted, nested ones included, in order, the model's own first.

    Of a tuned model its bestModel alone: what was tuned, and how, lies beside that. Raises ModelUnusable when
    it is no PipelineModel, when a file is missing or not readable, or when a stage's class, also of what lies
    beside a bestModel, is not of Spark ML: loading it would run code that travels with the model.
    """
    for path in sorted(model.rglob("*")):
        if is_pointer(path):
            raise ModelUnusable(
                f"{path.relative_to(model).as_posix()} is {POINTER}, and give the model again"
            )
    folders = sorted((path.parent for path in model.rglob("metadata") if path.is_dir()), key=_in_order)
    own = metadata(model, model)
    if own["class"] not in _PIPELINE:
        raise ModelUnusable(f"it is a {own['class']}{_instead_of(_simple(own))}")
    found = [metadata(folder, model) for folder in folders]
    for folder, stage in zip(folders, found, strict=True):
        if not stage["class"].startswith(_SPARK_ML):
            raise ModelUnusable(f"stage {stage['uid']} is a {stage['class']}, which is not part of Spark ML")
        _require_data(folder, stage, model)
    tuned = [folder for folder, stage in zip(folders, found, strict=True) if _simple(stage) in _TUNED]
    return [
        stage for folder, stage in zip(folders, found, strict=True) if not _beside_the_best(folder, tuned)
    ]


def params(stage: Metadata) -> dict[str, Any]:
    """A stage's params, those that were set before the defaults."""
    return {**stage.get("defaultParamMap", {}), **stage.get("paramMap", {})}


def classifier(stages: Sequence[Metadata]) -> dict[str, Any]:
    """The params of the last stage that makes probabilities; empty when there is none."""
    found = [params(stage) for stage in stages if "probabilityCol" in params(stage)]
    return found[-1] if found else {}


def is_pointer(path: Path) -> bool:
    """Whether the file only says where git-LFS keeps the real one."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_GIT_LFS)) == _GIT_LFS


def _pipeline_models(folder: Path) -> Iterator[Path]:
    """The saved PipelineModels somewhere below, without those that are stages of others."""
    found: list[Path] = []
    for path in sorted(folder.rglob("stages")):
        model = path.parent
        if _is_pipeline_model(model) and not any(outer in model.parents for outer in found):
            found.append(model)
    yield from found


def _is_pipeline_model(folder: Path) -> bool:
    try:
        return metadata(folder, folder)["class"] in _PIPELINE
    except ModelUnusable:
        return False


def _instead_of(name: str) -> str:
    """What to save instead of a model, or of something else, of this class."""
    if name in _TUNED:
        return (
            ": save its bestModel, as it is when that is a PipelineModel, "
            "else PipelineModel(stages=[model.bestModel])"
        )
    if name == "Pipeline":
        return ", which is not fitted: save what its fit() returns"
    if name in _UNFITTED:
        return ", which is not fitted: save the bestModel of what its fit() returns"
    if name.endswith("Model"):
        return ": save a PipelineModel that holds it, after the stages that make its features"
    return ": fit a Pipeline that ends with it, and save what fit() returns"


def _require_data(folder: Path, stage: Metadata, model: Path) -> None:
    """Raises ModelUnusable when what the stage learnt did not come with it."""
    name = _simple(stage)
    if not name.endswith(_WITH_DATA) or name in _WITHOUT_DATA:
        return
    needed = ["data", "treesMetadata"] if name.startswith(("RandomForest", "GBT")) else ["data"]
    for part in needed:
        if not any(file.stat().st_size for file in (folder / part).glob("part-*")):
            place = (folder / part).relative_to(model).as_posix()
            raise ModelUnusable(
                f"{place} holds no parquet file, so what the {name} learnt is missing: "
                "give the whole folder that save() wrote"
            )


def _beside_the_best(folder: Path, tuned: Sequence[Path]) -> bool:
    """Whether it belongs to a tuned model, but not to the bestModel of it."""
    return any(model in folder.parents and folder.relative_to(model).parts[0] != _BEST for model in tuned)


def _simple(stage: Metadata) -> str:
    return str(stage["class"]).rpartition(".")[2]


def _in_order(path: Path) -> list[tuple[int, str]]:
    # Spark numbers the stages' folders: 0_StringIndexer_ab12, ..., 10_GBTClassifier_cd34.
    return [(int(found[0]) if (found := re.match(r"\d+", part)) else -1, part) for part in path.parts]


def metadata(folder: Path, model: Path) -> Metadata:
    """The metadata of the stage in a folder of the model; raises ModelUnusable."""
    name = (folder / "metadata").relative_to(model).as_posix()
    for part in sorted((folder / "metadata").glob("part-*")):
        try:
            value = json.loads(part.read_text().partition("\n")[0] or "{}")
        except (ValueError, OSError) as error:
            raise ModelUnusable(f"{name} of the model is not readable: {error}") from error
        if isinstance(value, dict) and {"class", "uid"} <= value.keys():
            return value
    raise ModelUnusable(f"{name} of the model names no class: save the model again")

"""Zips with saved models: what comes in is not trusted."""

import json
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from streamweir.errors import ModelUnusable
from streamweir.models import archive, saved

PIPELINE = "org.apache.spark.ml.PipelineModel"


def write_stage(folder: Path, kind: str, name: str = "part-00000", **params: object) -> None:
    (folder / "metadata").mkdir(parents=True)
    metadata = {"class": kind, "uid": kind.rpartition(".")[2], "paramMap": params, "sparkVersion": "3.5.6"}
    (folder / "metadata" / name).write_text(json.dumps(metadata) + "\n")
    (folder / "metadata" / f".{name}.crc").write_bytes(b"crc")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "saved"
    write_stage(folder, PIPELINE)
    for place in range(11):
        write_stage(folder / "stages" / f"{place}_s{place}", f"org.apache.spark.ml.feature.S{place}")
    return folder


def zip_of(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as target:
        for name, data in members.items():
            target.writestr(name, data)
    return path


def refusal(path: Path) -> str:
    """What somebody is told who gives this folder or file."""
    with pytest.raises(ModelUnusable) as refused, archive.opened(path) as model:
        saved.stages(model)
    return str(refused.value)


def test_the_same_model_gives_the_same_bytes_wherever_and_whenever_it_lies(
    model: Path, tmp_path: Path
) -> None:
    archive.pack(model, tmp_path / "a.zip")
    for path in model.rglob("*"):
        os.utime(path, (1, 1_000_000_000))
    archive.pack(model.rename(tmp_path / "elsewhere"), tmp_path / "b.zip")
    assert archive.sha256(tmp_path / "a.zip") == archive.sha256(tmp_path / "b.zip")


def test_what_was_packed_is_there_again_without_hidden_files(model: Path, tmp_path: Path) -> None:
    archive.pack(model, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        names = packed.namelist()
    assert "metadata/part-00000" in names
    assert {name.split("/")[0] for name in names} == {"metadata", "stages"}
    assert not [name for name in names if name.endswith(".crc")]
    unpacked = archive.unpack(tmp_path / "a.zip", tmp_path / "out")
    assert unpacked == tmp_path / "out"
    assert saved.stages(unpacked)[0]["class"] == PIPELINE


@pytest.mark.parametrize("rubbish", ["__MACOSX", ".DS_Store"])
def test_a_single_top_folder_is_looked_into(model: Path, tmp_path: Path, rubbish: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as target:
        target.writestr(f"{rubbish}/x" if rubbish == "__MACOSX" else rubbish, b"")
        for path in model.rglob("*"):
            target.write(path, Path("fraud_model") / path.relative_to(model))
    assert archive.unpack(tmp_path / "a.zip", tmp_path / "out") == tmp_path / "out" / "fraud_model"


@pytest.mark.parametrize(
    "name", ["../outside", "metadata/../../outside", "/outside", "..\\outside", "C:/../../../outside"]
)
def test_a_member_that_leaves_its_folder_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    bad = zip_of(tmp_path / "bad.zip", **{"metadata/part-00000": b"{}", name: b"x"})
    with pytest.raises(ModelUnusable, match="would be written outside its folder"):
        archive.unpack(bad, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "outside").exists()


def test_a_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("metadata")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as target:
        target.writestr(link, "/etc")
    with pytest.raises(ModelUnusable, match="is a link"):
        archive.unpack(tmp_path / "bad.zip", tmp_path / "out")


@pytest.mark.parametrize("name", ["metadata/part-00009", "stages/7_Elsewhere"])
def test_a_folder_with_a_link_that_leads_out_of_it_is_refused(model: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("{}")
    (model / name).symlink_to(tmp_path if name.startswith("stages") else tmp_path / "secret")
    with (
        pytest.raises(ModelUnusable, match=f"{name} leads out of the model's folder"),
        archive.opened(model),
    ):
        pytest.fail("it was opened")


def test_a_zip_with_a_damaged_member_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("metadata/part-0", b"0123456789" * 100)
    data = bytearray(path.read_bytes())
    start = data.index(b"part-0") + len(b"part-0")
    data[start : start + 4] = b"\xff" * 4
    path.write_bytes(data)
    with pytest.raises(ModelUnusable, match=r"it cannot be unzipped"):
        archive.unpack(path, tmp_path / "folder")


@pytest.mark.parametrize("data", [b"", b"no zip", b"PK\x03\x04broken"])
def test_what_is_no_zip_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "bad.zip").write_bytes(data)
    with pytest.raises(ModelUnusable, match=r"it cannot be unzipped"):
        archive.unpack(tmp_path / "bad.zip", tmp_path / "out")


def test_a_damaged_member_is_refused(model: Path, tmp_path: Path) -> None:
    archive.pack(model, tmp_path / "a.zip")
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[60:70] = b"0123456789"
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(ModelUnusable):
        archive.unpack(tmp_path / "a.zip", tmp_path / "out")


def test_a_zip_without_a_model_is_refused(tmp_path: Path) -> None:
    bad = zip_of(tmp_path / "bad.zip", readme=b"hello")
    with pytest.raises(ModelUnusable, match="holds no saved Spark model: it needs metadata/ and stages/"):
        archive.unpack(bad, tmp_path / "out")


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match="does not exist"), archive.opened(tmp_path / "nothing"):
        pass


def test_stages_come_in_their_order_not_in_that_of_the_alphabet(model: Path) -> None:
    kinds = [stage["uid"] for stage in saved.stages(model)]
    assert kinds == ["PipelineModel", *(f"S{place}" for place in range(11))]


@pytest.mark.parametrize("kind", ["CrossValidatorModel", "TrainValidationSplitModel"])
def test_of_a_tuned_model_only_the_best_is_a_stage_but_all_of_it_must_be_of_spark_ml(
    model: Path, kind: str
) -> None:
    tuned = model / "stages" / "11_tuned"
    write_stage(tuned, f"org.apache.spark.ml.tuning.{kind}")
    write_stage(tuned / "bestModel", PIPELINE)
    write_stage(tuned / "bestModel" / "stages" / "0_best", "org.apache.spark.ml.feature.Best")
    write_stage(tuned / "estimator", "org.apache.spark.ml.Pipeline")
    write_stage(tuned / "estimator" / "stages" / "0_unfitted", "org.apache.spark.ml.feature.Unfitted")
    write_stage(tuned / "evaluator", "org.apache.spark.ml.evaluation.Evaluator")
    write_stage(tuned / "subModels" / "fold0" / "0", "org.apache.spark.ml.feature.Other")
    assert [stage["uid"] for stage in saved.stages(model)][-4:] == ["S10", kind, "PipelineModel", "Best"]
    write_stage(tuned / "estimator" / "stages" / "1_evil", "com.example.Evil")
    with pytest.raises(ModelUnusable, match=r"is a com\.example\.Evil, which is not part of Spark ML"):
        saved.stages(model)


def test_metadata_is_found_whatever_its_file_is_called(tmp_path: Path) -> None:
    write_stage(tmp_path / "model", PIPELINE, name="part-00000-2ce6b9cb-c000.txt")
    assert saved.stages(tmp_path / "model")[0]["uid"] == "PipelineModel"


@pytest.mark.parametrize(
    "kind", ["os.system", "com.example.Evil", "org.apache.spark.mllib.X", "pyspark.mlx.Y"]
)
def test_a_stage_from_outside_spark_ml_is_refused_before_anything_loads_it(model: Path, kind: str) -> None:
    write_stage(model / "stages" / "12_evil", kind)
    with pytest.raises(ModelUnusable, match=f"is a {kind}, which is not part of Spark ML"):
        saved.stages(model)


def test_a_model_that_is_no_pipeline_is_refused(tmp_path: Path) -> None:
    write_stage(tmp_path / "model", "org.apache.spark.ml.classification.GBTClassificationModel")
    with pytest.raises(ModelUnusable, match=r"is a .*GBTClassificationModel: save a PipelineModel"):
        saved.stages(tmp_path / "model")


@pytest.mark.parametrize("text", ["", "not json", "[]", "{}", '{"class": "x"}', "\xff"])
def test_unreadable_metadata_is_refused(model: Path, text: str) -> None:
    (model / "stages" / "3_s3" / "metadata" / "part-00000").write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelUnusable, match="3_s3/metadata of the model"):
        saved.stages(model)


def test_a_zip_from_windows_with_backslashes_is_read_like_any_other(model: Path, tmp_path: Path) -> None:
    packed = tmp_path / "windows.zip"
    with zipfile.ZipFile(packed, "w") as target:
        target.writestr("fraud_model\\stages\\", b"")
        for path in sorted(model.rglob("part-*")):
            target.writestr("\\".join(("fraud_model", *path.relative_to(model).parts)), path.read_bytes())
    with archive.opened(packed) as opened:
        assert [stage["uid"] for stage in saved.stages(opened)][:3] == ["PipelineModel", "S0", "S1"]
        assert not [path for path in opened.parent.rglob("*") if "\\" in path.name]


def test_a_zip_of_a_whole_repository_is_told_where_its_model_lies(model: Path, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    (repository / "src").mkdir(parents=True)
    model.rename(repository / "fraud")
    write_stage(repository / "fraud" / "stages" / "11_nested", PIPELINE)
    write_stage(
        repository / "fraud" / "stages" / "11_nested" / "stages" / "0_a", "org.apache.spark.ml.feature.A"
    )
    write_stage(repository / "unfitted", "org.apache.spark.ml.Pipeline")
    (repository / "unfitted" / "stages").mkdir()
    packed = tmp_path / "repository.zip"
    with zipfile.ZipFile(packed, "w") as target:
        for path in repository.rglob("*"):
            target.write(path, path.relative_to(tmp_path))
    said = "the model lies deeper, in {}: give that folder, or a zip of it"
    assert refusal(packed) == f"{packed}: {said.format('repository/fraud')}"
    assert refusal(repository) == f"{repository}: {said.format('fraud')}"
    write_stage(repository / "again", PIPELINE)
    (repository / "again" / "stages").mkdir()
    assert refusal(repository) == f"{repository}: {said.format('again or fraud')}"


@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_a_tar_is_called_a_tar(model: Path, tmp_path: Path, mode: str) -> None:
    path = tmp_path / "model.zip"
    with tarfile.open(path, mode) as target:  # type: ignore[call-overload]
        target.add(model, "model")
    assert refusal(path) == (
        f"{path}: it is a tar archive, not a zip: unpack it and give the folder, or zip the folder"
    )


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ("tuning.CrossValidatorModel", ": save its bestModel, as it is when that is a PipelineModel, "),
        ("tuning.TrainValidationSplitModel", "else PipelineModel(stages=[model.bestModel])"),
        ("Pipeline", ", which is not fitted: save what its fit() returns"),
        ("tuning.CrossValidator", ", which is not fitted: save the bestModel of what its fit() returns"),
        (
            "classification.LogisticRegression",
            ": fit a Pipeline that ends with it, and save what fit() returns",
        ),
        ("classification.LinearSVCModel", ": save a PipelineModel that holds it, after the stages"),
    ],
)
def test_what_is_no_pipeline_model_is_told_what_to_save_instead(
    tmp_path: Path, kind: str, remedy: str
) -> None:
    write_stage(tmp_path / "model", f"org.apache.spark.ml.{kind}")
    said = refusal(tmp_path / "model")
    assert said.startswith(f"{tmp_path / 'model'}: it is a org.apache.spark.ml.{kind}")
    assert remedy in said


FOREST = "org.apache.spark.ml.classification.RandomForestClassificationModel"


@pytest.mark.parametrize("missing", ["data", "treesMetadata"])
@pytest.mark.parametrize("emptied", [True, False])
def test_a_stage_without_what_it_learnt_is_named(model: Path, missing: str, *, emptied: bool) -> None:
    stage = model / "stages" / "11_forest"
    write_stage(stage, FOREST)
    for part in ("data", "treesMetadata"):
        (stage / part).mkdir()
        (stage / part / "part-00000.snappy.parquet").write_bytes(b"PAR1")
    with archive.opened(model) as sound:
        assert len(saved.stages(sound)) == 13
    (stage / missing / "part-00000.snappy.parquet").unlink()
    if not emptied:
        (stage / missing).rmdir()
    assert refusal(model) == (
        f"{model}: stages/11_forest/{missing} holds no parquet file, so what the "
        "RandomForestClassificationModel learnt is missing: give the whole folder that save() wrote"
    )


@pytest.mark.parametrize("name", ["data/part-00000.snappy.parquet", "metadata/part-00000"])
def test_a_git_lfs_pointer_in_place_of_a_file_is_named(model: Path, name: str) -> None:
    stage = model / "stages" / "11_forest"
    write_stage(stage, FOREST)
    (stage / "data").mkdir()
    (stage / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4821\n")
    assert refusal(model) == (
        f"{model}: stages/11_forest/{name} is a git-LFS pointer, not the file itself: "
        "run `git lfs pull` in the repository, and give the model again"
    )


def test_a_zip_that_is_a_git_lfs_pointer_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.zip"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4821\n")
    assert refusal(path).startswith(f"{path}: it is a git-LFS pointer, not the file itself")

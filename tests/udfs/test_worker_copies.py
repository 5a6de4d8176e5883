from pathlib import Path

import pytest
from mlflow.pyfunc.spark_model_cache import SparkModelCache
from mlflow.utils._spark_utils import _SparkDirectoryDistributor
from pyspark import SparkFiles

from penstock.udfs.scoring.worker_copies import KEPT, forget_old_guards, remove_archives


@pytest.fixture
def caches(monkeypatch):
    """MLflow's own, empty."""
    models, folders = {}, {}
    monkeypatch.setattr(SparkModelCache, "_models", models)
    monkeypatch.setattr(_SparkDirectoryDistributor, "_extracted_dir_paths", folders)
    return models, folders


def test_ten_versions_leave_two_in_a_worker(caches, tmp_path):
    models, folders = caches
    for number in range(10):
        archive, folder = f"/tmp/{number}.zip", tmp_path / str(number)
        folder.mkdir()
        (folder / "MLmodel").touch()
        folders[archive] = str(folder)  # as get_or_extract does before the model is loaded
        forget_old_guards()
        models[archive] = ("guard", str(folder))
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["8", "9"]
    assert list(models) == list(folders) == ["/tmp/8.zip", "/tmp/9.zip"]
    assert KEPT == 2


def test_archives_that_are_used_no_more_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(SparkFiles, "getRootDirectory", classmethod(lambda cls: str(tmp_path)))
    for name in ("a.zip", "b.zip"):
        (tmp_path / name).touch()
    remove_archives(["/driver/tmp/a.zip", "/driver/tmp/never-fetched.zip"])
    assert [path.name for path in Path(tmp_path).iterdir()] == ["b.zip"]

import hashlib
import json
import re

import pytest
from pydantic import ValidationError

from penstock.config.csv_dialect import CsvDialect
from penstock.config.pipeline import MlflowConfig, PipelineConfig, S3Config, SourceConfig

BASE = {
    "pipeline": "wine",
    "workload": "rows",
    "source": {"path": "inbox"},
    "contract": "schemas.wine:CONTRACT",
    "model": {"name": "wine-quality"},
    "tables": {"root": "out/tables"},
    "checkpoint": "out/checkpoint",
    "mlflow": {"tracking_uri": "sqlite:///out/mlflow.db"},
}


def config(**changed):
    return PipelineConfig.model_validate({**BASE, **changed})


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_relative_locations_are_resolved_against_the_current_directory(tmp_path):
    made = config()
    assert made.source.path == f"{tmp_path}/inbox"
    assert made.tables.root == f"{tmp_path}/out/tables"
    assert made.checkpoint == f"{tmp_path}/out/checkpoint"


def test_locations_stay_where_they_were_resolved(tmp_path, monkeypatch):
    made = config()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert made.table_path("batches") == f"{tmp_path}/out/tables/batches"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("/data/in", "/data/in"),
        ("/data/in/", "/data/in"),
        ("/data/../in", "/in"),
        ("s3a://bucket/in", "s3a://bucket/in"),
        ("s3a://bucket/in/", "s3a://bucket/in"),
        ("s3://bucket/a/in/", "s3a://bucket/a/in"),
        ("file:///data/in", "/data/in"),
        ("file:/data/in", "/data/in"),
        ("file:///data/in/", "/data/in"),
    ],
)
def test_locations_have_one_spelling(written, kept):
    assert SourceConfig(path=written).path == kept


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("gs://bucket/in", "the scheme 'gs' is not supported; use a local folder, or s3a://bucket/folder"),
        ("hdfs://host/in", "the scheme 'hdfs' is not supported"),
        ("s3a://bucket", "expected s3a://bucket/folder, found 's3a://bucket'"),
        ("s3a:///in", "expected s3a://bucket/folder"),
        ("s3a://bucket/a//b", "expected s3a://bucket/folder"),
        (" ", "is empty; name a folder"),
    ],
)
def test_an_unsupported_location_is_refused(written, message):
    with pytest.raises(ValidationError, match=re.escape(message)):
        SourceConfig(path=written)


def test_s3_is_found_by_the_config_or_the_environment(monkeypatch):
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    of_aws = S3Config()
    assert (of_aws.the_endpoint, of_aws.the_region, of_aws.is_path_style) == (None, "us-east-1", False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://all:1")
    assert (of_aws.the_endpoint, of_aws.the_region, of_aws.is_path_style) == ("http://all:1", "eu-west-1", True)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3:1")
    assert of_aws.the_endpoint == "http://s3:1"
    given = S3Config(endpoint="https://mine", region="x", path_style=False)
    assert (given.the_endpoint, given.the_region, given.is_path_style) == ("https://mine", "x", False)


def test_an_endpoint_with_credentials_is_refused():
    with pytest.raises(ValidationError):
        S3Config(endpoint="https://me:s3cret@host")


def test_sqlite_path_is_made_absolute(tmp_path):
    assert MlflowConfig(tracking_uri="sqlite:///out/m.db").tracking_uri == f"sqlite:///{tmp_path}/out/m.db"


def test_absolute_sqlite_path_is_kept():
    assert MlflowConfig(tracking_uri="sqlite:////data/m.db").tracking_uri == "sqlite:////data/m.db"


def test_a_server_uri_is_kept():
    assert MlflowConfig(tracking_uri="http://host:5000").tracking_uri == "http://host:5000"


def test_artifacts_go_beside_the_sqlite_file():
    assert MlflowConfig(tracking_uri="sqlite:////data/m.db").experiment_artifacts == "file:///data/mlartifacts"


def test_artifacts_go_where_the_config_says():
    mlflow = MlflowConfig(tracking_uri="sqlite:////data/m.db", artifact_location="s3://b/a")
    assert mlflow.experiment_artifacts == "s3://b/a"


def test_a_server_decides_on_its_artifacts():
    assert MlflowConfig(tracking_uri="http://host:5000").experiment_artifacts is None


def test_defaults():
    made = config()
    assert made.source.format == "csv"
    assert made.trigger.every == 300
    assert made.model.alias == "champion"
    assert made.source.csv == CsvDialect(separator=",", quote='"', escape='"', encoding="UTF-8")


def test_a_config_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        config().pipeline = "other"


@pytest.mark.parametrize(
    "changed",
    [
        {"pipeline": "Wine"},
        {"pipeline": "wine/../../x"},
        {"pipeline": ""},
        {"workload": "columns"},
        {"contract": "penstock.schemas.wine"},
        {"contract": "schemas.wine:CONTRACT; import os"},
        {"source": {"path": "in", "max_files_per_trigger": 0}},
        {"source": {"path": "in", "format": "orc"}},
        {"source": {"path": "in", "csv": {"separator": "||"}}},
        {"source": {"path": "in", "csv": {"quote": ""}}},
        {"source": {"path": "in", "csv": {"encoding": "UTF-16"}}},
        {"model": {"name": "m", "max_failed_fraction": 1.5}},
        {"trigger": {"every": "sometimes"}},
        {"unknown": 1},
    ],
)
def test_values_out_of_range_are_refused(changed):
    with pytest.raises(ValidationError):
        config(**changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"source": {"path": "inbox", "csv": {"separator": ";"}}},
        {"source": {"path": "inbox", "csv": {"multi_line": True}}},
        {"source": {"path": "inbox", "format": "parquet"}},
        {"contract": "schemas.wine:OTHER"},
        {"model": {"name": "other"}},
    ],
)
def test_what_changes_a_batchs_meaning_changes_the_hash(changed):
    assert config(**changed).meaning_hash != config().meaning_hash


def test_whether_points_are_means_is_the_models_and_not_the_hashs():
    """So an unfinished batch of an earlier version, whose config had no such key, is not planned otherwise."""
    series = {"variables": ["x"], "frequency": "QS"}
    hashes = {config(workload="series", series=series | point).meaning_hash for point in ({}, {"point": "mean"})}
    assert len(hashes) == 1


def test_points_are_medians_or_means():
    series = {"variables": ["x"], "frequency": "QS"}
    assert config(workload="series", series=series).series.point == "median"
    with pytest.raises(ValidationError):
        config(workload="series", series=series | {"point": "mode"})


@pytest.mark.parametrize(
    "changed",
    [
        {"source": {"path": "other", "max_files_per_trigger": 3, "settle": 1}},
        {"trigger": {"every": 5}},
        {"tables": {"root": "other"}},
        {"checkpoint": "other"},
        {"model": {"name": "wine-quality", "alias": "candidate"}},
        {"spark": {"spark.x": "1"}},
    ],
)
def test_when_and_where_a_batch_runs_does_not_change_the_hash(changed):
    assert config(**changed).meaning_hash == config().meaning_hash


def series_config(**series):
    settings = {"variables": ["x"], "frequency": "MS", **series}
    return config(workload="series", contract="schemas.macro:CONTRACT", series=settings)


def test_a_config_without_revisions_means_what_it_meant_before_there_was_the_setting():
    """Else a batch that was planned before could not be finished."""
    made = series_config()
    assert made.the_series.revisions == "first"
    meaning = {
        "workload": "series",
        "format": "csv",
        "csv": made.source.csv.meaning,
        "contract": "schemas.macro:CONTRACT",
        "model": "wine-quality",
        "series": {
            "id": "series_id",
            "time": "ds",
            "variables": ["x"],
            "transform": {},
            "frequency": "MS",
            "horizon": 8,
            "level": 0.95,
            "keep_lags": 8,
        },
        "forecast": "every",
    }
    assert made.meaning_hash == hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()
    assert series_config(revisions="first").meaning_hash == made.meaning_hash
    assert series_config(revisions="newest").meaning_hash != made.meaning_hash


def test_which_revisions_there_are_is_in_the_message():
    with pytest.raises(ValidationError, match="Input should be 'first' or 'newest'"):
        series_config(revisions="last")

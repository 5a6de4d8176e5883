"""The sections `label` and `labels`: what a pipeline of labels must say, and what two pipelines must agree on."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock.config.label_contract import check_label_contract, check_labelled_contract, labels_config
from penstock.config.loading import load_config, load_contract
from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError
from penstock.jobs import replay_quarantine, serve, train_rows
from penstock.operations.doctor.checks import describe_contract
from penstock.schemas.contract import Contract, Field

LABELS: dict[str, Any] = {
    "pipeline": "wine-labels",
    "workload": "labels",
    "source": {"path": "inbox"},
    "contract": "schemas.wine_labels:CONTRACT",
    "label": {"key": ["order_id"], "value": "quality"},
    "tables": {"root": "tables"},
    "checkpoint": "checkpoint",
}
ROWS: dict[str, Any] = {
    **LABELS,
    "pipeline": "wine-orders",
    "workload": "rows",
    "contract": "schemas.wine_orders:CONTRACT",
    "model": {"name": "wine-quality"},
    "tables": {"root": "rows-tables"},
    "mlflow": {"tracking_uri": "http://mlflow.example"},
}
del ROWS["label"]
KEY, VALUE = Field(name="order_id", type="long"), Field(name="quality", type="double")


def loaded(folder: Path, document: dict[str, Any], **changes: Any) -> PipelineConfig:
    path = folder / f"{document['pipeline']}.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in (document | changes).items() if value is not None}))
    return load_config([path])


def test_labels_have_no_model(tmp_path):
    config = loaded(tmp_path, LABELS)
    assert (config.model, config.mlflow, config.the_label.key) == (None, None, ("order_id",))
    # An overlay for all pipelines may name a server, which is of no use to this one.
    assert loaded(tmp_path, LABELS, mlflow=ROWS["mlflow"]).model is None
    for section in ("the_model", "the_mlflow"):
        with pytest.raises(ConfigError, match="wine-labels is a pipeline of labels, which has no model; name the con"):
            getattr(config, section)


@pytest.mark.parametrize(
    ("document", "changes", "said"),
    [
        (LABELS, {"label": None}, "label: is missing"),
        (LABELS, {"model": ROWS["model"]}, "model: a pipeline of labels has no such section; leave it out"),
        (LABELS, {"label": {"key": [], "value": "quality"}}, "label.key: "),
        (LABELS, {"label": {"key": ["order_id"]}}, "label.value: is missing"),
        (LABELS, {"label": {"key": ["quality"], "value": "quality"}}, "'quality' is a column of the key"),
        (LABELS, {"label": {"key": ["order_id"] * 2, "value": "quality"}}, "names a column twice"),
        (LABELS, {"evaluate": {"loss": "absolute"}}, "evaluate is for pipelines with a model"),
        (LABELS, {"labels": {"conf": "x", "key": ["a"], "value": "b"}}, "key and value stand in the section `label`"),
        (LABELS, {"maintenance": {"retention": {"labels": "90 days"}}}, "labels can't have a retention"),
        (LABELS, {"maintenance": {"retention": {"predictions": "90 days"}}}, "of labels has no table 'predictions'"),
        (ROWS, {"label": LABELS["label"]}, "label: a pipeline of rows has no such section"),
        (ROWS, {"model": None}, "model: is missing"),
        (ROWS, {"mlflow": None}, "mlflow: is missing"),
        (LABELS, {"workload": "label"}, "workload: Input should be 'rows', 'series' or 'labels'"),
    ],
)
def test_what_a_workload_needs_or_has_not_is_said(tmp_path, document, changes, said):
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, document, **changes)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ([VALUE], "label.key: the contract schemas.wine_labels:CONTRACT has no field order_id"),
        ([KEY], "label.value: the contract schemas.wine_labels:CONTRACT has no field quality"),
        ([Field(name="order_id", type="long", nullable=True), VALUE], "label.key: order_id may be null"),
        ([KEY, Field(name="quality", type="double", nullable=True)], "label.value: quality may be null"),
        ([KEY, VALUE, Field(name="labelled_at", type="date")], "a field 'labelled_at', which the table labels uses"),
    ],
)
def test_a_contract_of_labels_has_their_key_and_value(tmp_path, fields, said):
    with pytest.raises(ConfigError, match=said):
        check_label_contract(Contract(fields=tuple(fields)), loaded(tmp_path, LABELS))


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"key": ["number"]}, "labels.key: the contract schemas.wine_orders:CONTRACT has no field number"),
        ({"time": "placed_at"}, "labels.time: the contract schemas.wine_orders:CONTRACT has no field placed_at"),
        ({"time": "alcohol"}, "labels.time: alcohol is a double, expected timestamp or date"),
    ],
)
def test_a_contract_of_rows_has_the_key_of_their_labels(tmp_path, labels, said):
    config = loaded(tmp_path, ROWS, labels={"conf": "x", "key": ["order_id"], "value": "quality", **labels})
    with pytest.raises(ConfigError, match=said):
        describe_contract(config)
    check_labelled_contract(load_contract(config), loaded(tmp_path, ROWS))


def rows_of(folder: Path, **changes: Any) -> PipelineConfig:
    conf = str(folder / "wine-labels.yaml")
    return loaded(folder, ROWS, labels={"conf": conf, "key": ["order_id"], "value": "quality"} | changes)


def test_two_pipelines_that_agree(tmp_path):
    brings = loaded(tmp_path, LABELS)
    assert labels_config(rows_of(tmp_path)) == brings


@pytest.mark.parametrize(
    ("root", "expected"),
    [("s3a://bucket/${pipeline}/tables", "s3a://bucket/wine-labels/tables"), ("s3a://bucket/orders", None)],
)
def test_an_overlay_of_every_pipeline_holds_for_that_of_the_labels(tmp_path, root, expected):
    brings = loaded(tmp_path, LABELS)
    rows_of(tmp_path)
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(yaml.safe_dump({"tables": {"root": root}, "s3": {"region": "eu-north-1"}}))
    found = labels_config(load_config([tmp_path / "wine-orders.yaml", overlay]))
    assert found.tables.root == (expected or brings.tables.root)
    assert found.s3.region == "eu-north-1"


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (
            {},
            {"label": {"key": ["quality"], "value": "order_id"}},
            r"labels.key of wine-orders is \['order_id'\], label",
        ),
        ({"value": "score"}, {}, "labels.value of wine-orders is score, label.value of wine-labels is quality"),
        ({}, {**ROWS, "pipeline": "wine-labels", "label": None}, "is of wine-labels, a pipeline of rows; name one"),
        (
            {},
            {"contract": "sample_contracts:TEXT_KEYS"},
            "order_id is a long in schemas.wine_orders:CONTRACT and a str",
        ),
        ({"conf": "nowhere.yaml"}, {}, "labels.conf: nowhere.yaml: there is no such file"),
        ({}, {"tables": ROWS["tables"]}, "wine-labels and wine-orders both have the tables.root"),
    ],
)
def test_two_pipelines_that_do_not_agree(tmp_path, ours, theirs, said):
    loaded(tmp_path, LABELS, **theirs)
    with pytest.raises(ConfigError, match=said):
        labels_config(rows_of(tmp_path, **ours))


def test_rows_without_labels_say_where_to_name_them(tmp_path):
    with pytest.raises(ConfigError, match="wine-orders has no section `labels`; name the config"):
        labels_config(loaded(tmp_path, ROWS))


def test_key_and_value_are_part_of_what_a_batch_means(tmp_path):
    before = loaded(tmp_path, LABELS).meaning_hash
    assert loaded(tmp_path, LABELS, label={"key": ["order_id"], "value": "score"}).meaning_hash != before


@pytest.mark.parametrize(
    ("job", "options", "said"),
    [
        (serve, [], "wine-labels is a pipeline of labels, which has no model"),
        (train_rows, ["--data", "{conf}", "--target", "quality"], "wine-labels is a pipeline of labels, which has no"),
        (replay_quarantine, ["--late"], "wine-labels is a pipeline of labels: --late is for series"),
    ],
)
def test_a_job_that_is_not_for_labels_says_so(tmp_path, capsys, job, options, said):
    loaded(tmp_path, LABELS)
    conf = str(tmp_path / "wine-labels.yaml")
    assert job.main(["--conf", conf, *[option.format(conf=conf) for option in options]]) == 2
    assert said in capsys.readouterr().err

from dataclasses import replace

import pytest
import yaml

from penstock.config.evaluation import LabelsConfig
from penstock.config.evaluation_checks import check_labelled_contract, check_labels_contract
from penstock.config.loading import load_config
from penstock.errors import ConfigError
from penstock.schemas.contract import Contract, Field

ROWS = {
    "pipeline": "wine",
    "workload": "rows",
    "source": {"path": "inbox"},
    "contract": "schemas.wine:CONTRACT",
    "model": {"name": "wine-quality"},
    "tables": {"root": "tables"},
    "checkpoint": "checkpoint",
    "mlflow": {"tracking_uri": "sqlite:///mlflow.db"},
}
SERIES = ROWS | {"workload": "series", "series": {"variables": ["x"], "frequency": "QS", "horizon": 8}}
LABELS = {"conf": "labels.yaml", "key": ["id"], "value": "y", "look_back": "10 days", "matures_after": "1 day"}


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def load_with(base, **sections):
        (tmp_path / "conf.yaml").write_text(yaml.safe_dump(base | sections))
        return load_config([tmp_path / "conf.yaml"])

    return load_with


def test_evaluations_may_be_deleted_by_age(load):
    found = load(SERIES, evaluate={}, maintenance={"retention": {"evaluations": "1000 days"}})
    assert found.maintenance.retention == {"evaluations": 1000 * 86400}


@pytest.mark.parametrize(("days", "is_enough"), [(8 * 93 + 8, True), (8 * 90, False)])
def test_forecasts_are_kept_until_they_come_true(load, days, is_enough):
    """Eight quarters of at most 92 days, and seven days of time travel."""
    retention = {"retention": {"forecasts": f"{days} days"}}
    load(SERIES, maintenance=retention)
    if is_enough:
        load(SERIES, evaluate={}, maintenance=retention)
        return
    with pytest.raises(ConfigError, match=r"forecasts are deleted after 720 days, before what they are for has come"):
        load(SERIES, evaluate={}, maintenance=retention)


def test_predictions_are_kept_until_their_labels_come(load):
    load(ROWS, labels=LABELS, maintenance={"retention": {"predictions": "21 days"}})
    with pytest.raises(ConfigError, match=r"predictions are deleted after 20 days, .* 21 days, or shorten these"):
        load(ROWS, labels=LABELS, maintenance={"retention": {"predictions": "20 days"}})


def test_an_evaluation_at_every_moment_is_no_time(load):
    with pytest.raises(ConfigError, match=r"evaluate\.every.*greater than 0"):
        load(SERIES, evaluate={"every": "0 s"})


CONTRACT = Contract(
    fields=(
        Field(name="id", type="long"),
        Field(name="at", type="timestamp"),
        Field(name="day", type="date", nullable=True),
        Field(name="x", type="double"),
    )
)
LABEL_CONTRACT = Contract(fields=(Field(name="id", type="long"), Field(name="y", type="double", nullable=True)))


def labels(**changes):
    return LabelsConfig.model_validate(LABELS | {"time": "at"} | changes)


def test_contracts_that_fit():
    check_labelled_contract(labels(), CONTRACT, name="m:C")
    check_labels_contract(labels(), CONTRACT, LABEL_CONTRACT, name="m:L")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (labels(key=["id", "shop"]), r"labels\.key: the contract m:C has no field shop"),
        (labels(key=["day"]), r"labels\.key: day may be null in the contract m:C"),
        (labels(time="day"), r"labels\.time: day may be null in the contract m:C"),
        (labels(time="then"), r"labels\.time: the contract m:C has no field then"),
        (labels(time="x"), r"labels\.time: x is a double in m:C, expected timestamp or date"),
    ],
)
def test_key_and_time_are_in_the_contract(section, message):
    with pytest.raises(ConfigError, match=message):
        check_labelled_contract(section, CONTRACT, name="m:C")


@pytest.mark.parametrize(
    ("contract", "message"),
    [
        (replace(LABEL_CONTRACT, fields=LABEL_CONTRACT.fields[1:]), r"labels\.key: the contract m:L has no field id"),
        (
            replace(LABEL_CONTRACT, fields=(Field(name="id", type="string"), LABEL_CONTRACT.fields[1])),
            r"labels\.key: id is a string in m:L, and a long in this pipeline's contract",
        ),
        (
            replace(LABEL_CONTRACT, fields=LABEL_CONTRACT.fields[:1]),
            r"labels\.value: m:L has no field y; its fields: id",
        ),
    ],
)
def test_the_labels_have_the_key_and_the_value(contract, message):
    with pytest.raises(ConfigError, match=message):
        check_labels_contract(labels(), CONTRACT, contract, name="m:L")

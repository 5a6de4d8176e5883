import pytest
import yaml

from penstock.config.loading import load_config
from penstock.errors import ConfigError

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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"look_back": "400000 days"}, r"400000 days is longer than 36525 days; write a shorter duration"),
        ({"look_back": "0 s", "matures_after": "0 s"}, r"labels\.look_back.*greater than 0"),
        ({"matures_after": "10 days"}, r"matures_after is 10 days, and look_back 10 days: .* shorter than look_back"),
    ],
)
def test_durations_by_which_no_label_would_count(load, changes, message):
    with pytest.raises(ConfigError, match=message):
        load(ROWS, labels=LABELS | changes)


def test_a_unit_is_no_longer_than_a_century(load):
    with pytest.raises(ConfigError, match=r"evaluate\.every.*longer than 36525 days"):
        load(SERIES, evaluate={"every": "400000 days"})

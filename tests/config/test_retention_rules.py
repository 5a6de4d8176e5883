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
SERIES = ROWS | {"workload": "series", "series": {"variables": ["x"], "frequency": "D"}}


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def load_with(maintenance, base=ROWS):
        (tmp_path / "conf.yaml").write_text(yaml.safe_dump(base | {"maintenance": maintenance}))
        return load_config([tmp_path / "conf.yaml"]).maintenance

    return load_with


def test_defaults(load):
    found = load({})
    assert (found.budget, found.time_travel, found.retention, found.keep_plans) == (600, 7 * 86400, {}, 100)


def test_durations_as_people_write_them(load):
    found = load(
        {"budget": "1 hour", "time_travel": "30 days", "retention": {"quarantine": "30 days", "forecasts": "90 days"}},
        SERIES,
    )
    assert found.retention == {"quarantine": 30 * 86400, "forecasts": 90 * 86400}
    assert (found.budget, found.time_travel) == (3600, 30 * 86400)


@pytest.mark.parametrize(
    ("maintenance", "said"),
    [
        ({"time_travel": "36 hours"}, "time_travel: 36 hours is below the floor of 7 days: a replay reads lags"),
        (
            {"retention": {"predictions": "6 days"}},
            "predictions: 6 days is below maintenance.time_travel, 7 days: for that long readers rely on",
        ),
        (
            {"time_travel": "30 days", "retention": {"predictions": "29 days"}},
            "predictions: 29 days is below maintenance.time_travel, 30 days",
        ),
        ({"retention": {"batches": "3650 days"}}, "batches can't have a retention: it is the ledger"),
        ({"retention": {"lags": "3650 days"}}, "lags can't have a retention: it is the state"),
        ({"retention": {"observations": "3650 days"}}, "observations can't have a retention: lags is rebuilt from it"),
        ({"retention": {"predicions": "3650 days"}}, "there is no table 'predicions'; did you mean 'predictions'?"),
        ({"retention": {"xyz": "1 week"}}, "no table 'xyz'; tables that can: quarantine, predictions, forecasts"),
        ({"retention": {"forecasts": "90 days"}}, "a pipeline of rows has no table 'forecasts'"),
        ({"keep_plans": 1}, "keep_plans: Input should be greater than or equal to 2"),
        ({"budgt": 1}, "maintenance.budgt: unknown key; did you mean 'budget'?"),
        ({"retention": {"predictions": "soon"}}, "maintenance.retention.predictions: 'soon' is not a duration"),
    ],
)
def test_a_retention_below_the_guarantees_is_refused(load, maintenance, said):
    with pytest.raises(ConfigError) as error:
        load(maintenance)
    assert said in str(error.value)

"""The sections `experiment` and `verdict`: what they take and refuse, and what the contract must have."""

from typing import Any

import pytest
import yaml

from penstock.config.experiment_contract import check_experiment_contract
from penstock.config.loading import load_config
from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError
from penstock.schemas.contract import Contract, Field

ROWS: dict[str, Any] = {
    "pipeline": "orders",
    "workload": "rows",
    "source": {"path": "inbox"},
    "contract": "schemas.orders:CONTRACT",
    "model": {"name": "prices"},
    "tables": {"root": "tables"},
    "checkpoint": "checkpoint",
    "mlflow": {"tracking_uri": "http://mlflow.example"},
}
SERIES = ROWS | {"workload": "series", "series": {"variables": ["x"], "frequency": "QS", "horizon": 8}}
LABELLED = {"labels": {"conf": "labels.yaml", "key": ["id"], "value": "y"}}
CANARY = {"mode": "canary", "key": ["customer_id"]}


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def load_with(base: dict[str, Any], **sections: Any) -> PipelineConfig:
        (tmp_path / "conf.yaml").write_text(yaml.safe_dump(base | sections))
        return load_config([tmp_path / "conf.yaml"])

    return load_with


def test_without_a_section_there_is_no_experiment(load):
    config = load(ROWS)
    assert config.experiment is None
    assert config.verdict.act == "propose"


def test_a_section_of_nothing_is_a_shadow_of_every_row(load):
    experiment = load(ROWS, experiment={}).experiment
    assert (experiment.alias, experiment.mode, experiment.fraction, experiment.key) == ("candidate", "shadow", (1,), ())
    assert (experiment.step_every, experiment.guardrails.failed, experiment.guardrails.slowdown) == (86400, 0.01, 3)


def test_one_fraction_is_a_ramp_of_one_step(load):
    assert load(ROWS, experiment=CANARY | {"fraction": 0.25}).experiment.fraction == (0.25,)
    steps = load(ROWS, experiment=CANARY | {"fraction": [0.05, 0.25, 1], "step_every": "2 hours"}).experiment
    assert (steps.fraction, steps.step_every) == ((0.05, 0.25, 1.0), 7200)


@pytest.mark.parametrize(
    ("experiment", "said"),
    [
        ({"mode": "canary"}, "mode is canary without experiment.key: name the columns whose values decide"),
        ({"alias": "champion"}, "experiment.alias and model.alias are both 'champion'; give the candidate another"),
        ({"fraction": [0.25, 0.05]}, "fraction has 0.05 after 0.25; a ramp only ever adds keys"),
        ({"fraction": [0.25, 0.25]}, "fraction has 0.25 after 0.25"),
        # Of 10,000 buckets: none at all, and twice the same 12.
        ({"fraction": 0}, "fraction.*greater than or equal to 0.0001"),
        ({"fraction": 0.00005}, "fraction.*greater than or equal to 0.0001"),
        ({"fraction": [0.00121, 0.00124]}, "fraction has 0.00124 after 0.00121.*at least 0.0001 apart"),
        ({"alias": ""}, "experiment.alias.*'' can be no alias in MLflow"),
        ({"alias": "a b"}, "experiment.alias.*'a b' can be no alias in MLflow"),
        ({"alias": "Latest"}, "'Latest' can be no alias in MLflow"),
        ({"alias": "v12"}, "'v12' can be no alias in MLflow"),
        ({"alias": "a\n"}, "can be no alias in MLflow"),
        ({"fraction": [0.5, 1.1]}, "fraction.*less than or equal to 1"),
        ({"fraction": []}, "experiment.fraction"),
        ({"fraction": "half"}, "experiment.fraction"),
        ({"mode": "blue-green"}, "experiment.mode"),
        ({"key": ["a", "a"]}, r"key \['a', 'a'\] names a column twice"),
        ({"step_every": "0 s"}, "step_every.*greater than 0"),
        ({"guardrails": {"failed": 1.5}}, "guardrails.failed"),
        ({"guardrails": {"slow": 2}}, "guardrails.slow: unknown key"),
    ],
)
def test_experiments_that_can_not_be(load, experiment, said):
    with pytest.raises(ConfigError, match=said):
        load(ROWS, experiment=experiment)


def test_the_smallest_sample_is_one_bucket(load):
    assert load(ROWS, experiment={"fraction": 0.0001, "alias": "next-2_b"}).experiment.fraction == (0.0001,)


def test_a_pinned_version_is_compared_with_nothing(load):
    with pytest.raises(ConfigError, match=r"model\.version is pinned to 7, .* name model\.alias in its place"):
        load(ROWS, model={"name": "prices", "version": 7}, experiment={})


def test_series_have_their_key(load):
    assert load(SERIES, experiment={"mode": "canary", "fraction": 0.1}).experiment.key == ()
    with pytest.raises(ConfigError, match=r"of series it is always series_id: leave it out"):
        load(SERIES, experiment={"key": ["region"]})


def test_labels_have_no_experiment(load):
    labels = {name: section for name, section in ROWS.items() if name not in ("model", "mlflow")}
    labels |= {"workload": "labels", "label": {"key": ["id"], "value": "y"}}
    with pytest.raises(ConfigError, match="experiment is for pipelines with a model; the workload is labels"):
        load(labels, experiment={})


@pytest.mark.parametrize(
    ("base", "sections", "said"),
    [
        (ROWS, {"verdict": {"margin": 0.1, "tolerance": 0.05}}, r"margin 0\.1 is larger than tolerance 0\.05"),
        (ROWS, {"verdict": {"act": "promote"}, "evaluate": {}}, "act is promote, and no labels say what came true"),
        (ROWS, {"verdict": {"act": "promote"}, **LABELLED}, "act is promote, and nothing is evaluated"),
        (SERIES, {"verdict": {"act": "promote"}}, "act is promote, and nothing is evaluated"),
        (ROWS, {"verdict": {"alpha": 0}}, "verdict.alpha"),
        (ROWS, {"verdict": {"bake": "2000000 days"}}, "verdict.bake"),
        (ROWS, {"verdict": {"min_units": 1}}, "verdict.min_units"),
        (ROWS, {"verdict": {"bake": "999999999 days"}}, "verdict.bake: .* is longer than 36525 days"),
        (ROWS, {"verdict": {"min_duration": "999999999 days"}}, "verdict.min_duration: .* is longer than 36525 days"),
        (
            ROWS,
            {"verdict": {"max_duration": "1 day"}},
            "min_duration is 1 day, and max_duration 1 day: the time is over",
        ),
    ],
)
def test_verdicts_that_can_not_be(load, base, sections, said):
    with pytest.raises(ConfigError, match=said):
        load(base, experiment={}, **sections)


def test_the_stream_may_promote_where_it_can_judge(load):
    assert load(ROWS, experiment={}, evaluate={}, verdict={"act": "promote"}, **LABELLED).verdict.act == "promote"
    assert load(SERIES, experiment={}, evaluate={}, verdict={"act": "promote"}).verdict.act == "promote"


def contract(*fields: Field) -> Contract:
    return Contract(fields=(*fields, Field(name="amount", type="double")), rules=())


@pytest.mark.parametrize("type_", ["string", "integer", "long", "date", "boolean"])
def test_keys_have_one_way_to_be_written(load, type_):
    config = load(ROWS, experiment=CANARY)
    check_experiment_contract(contract(Field(name="customer_id", type=type_, nullable=False)), config)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ([], r"experiment\.key: the contract schemas\.orders:CONTRACT has no field customer_id"),
        ([Field(name="customer_id", type="long", nullable=True)], "customer_id may be null .* give it nullable=False"),
        (
            [Field(name="customer_id", type="double", nullable=False)],
            r"experiment\.key: customer_id is a double, expected string, integer, long, date or boolean; name a column",
        ),
        (
            [Field(name="customer_id", type="long", nullable=False), Field(name="shadow_version", type="string")],
            "has a field 'shadow_version', which the table predictions uses for the answers of an experiment",
        ),
    ],
)
def test_contracts_that_do_not_go_with_an_experiment(load, fields, said):
    with pytest.raises(ConfigError, match=said):
        check_experiment_contract(contract(*fields), load(ROWS, experiment=CANARY))
    check_experiment_contract(contract(*fields), load(ROWS))


def test_a_variable_that_observations_have_a_column_for(load):
    series = SERIES["series"] | {"variables": ["shadow_error"]}
    with pytest.raises(ConfigError, match="'shadow_error', which the table observations uses"):
        check_experiment_contract(contract(), load(SERIES, series=series, experiment={}))

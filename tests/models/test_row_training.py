"""Training from a file into a local registry, without Spark; the truth is scikit-learn put together another way."""

import datetime

import numpy as np
import pandas as pd
import pytest
from mlflow.types import DataType
from sandbox import TestRegistry
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError
from penstock.models.registry import Registry
from penstock.models.resolved import named_version
from penstock.models.scoring import checked_columns
from penstock.models.training.rows import train_rows
from penstock.models.training.rows_data import read_row_data
from penstock.models.trust import trusted_model
from penstock.schemas.contract import Contract, Field
from penstock.udfs.scoring.model_cache import open_model

CONTRACT = Contract(
    fields=(
        Field(name="machine", source="Maschine", model="machine", type="string"),
        Field(name="size", source="Größe", model="size (cm)", type="double", nullable=True),
        Field(name="starts", source="Starts", type="long", nullable=True),
        Field(name="running", source="läuft", type="boolean", nullable=True),
        Field(name="day", source="Tag", type="date", format="dd.MM.yyyy"),
    )
)
ROWS = 60
random = np.random.default_rng(7)
TABLE = pd.DataFrame(
    {
        "Maschine": random.choice(["Säge", "Fräse", "Presse"], ROWS),
        "Größe": [None if row == 5 else round(float(random.normal()), 3) for row in range(ROWS)],
        "Starts": [None if row == 9 else int(random.integers(0, 50)) for row in range(ROWS)],
        "läuft": ["" if row == 11 else ("true" if row % 3 else "FALSE") for row in range(ROWS)],
        "Tag": "31.12.2024",
        "wear": [round(float(random.normal()), 3) for _ in range(ROWS)],
        "state": random.choice(["gut", "schlecht", "kaputt"], ROWS),
        "grade": random.integers(1, 7, ROWS),
        "broken": random.choice(["true", "false"], ROWS),
    }
)


@pytest.fixture
def config(tmp_path, monkeypatch, registry: TestRegistry):
    monkeypatch.setattr("penstock.models.training.rows.load_contract", lambda config: CONTRACT)
    return PipelineConfig.model_validate(
        {
            "pipeline": "machines",
            "workload": "rows",
            "source": {"path": str(tmp_path / "inbox"), "csv": {"separator": ";", "encoding": "ISO-8859-1"}},
            "contract": "schemas.machines:CONTRACT",
            "model": {"name": f"machines-{tmp_path.name}"},
            "tables": {"root": str(tmp_path / "tables")},
            "checkpoint": str(tmp_path / "checkpoint"),
            "mlflow": {"tracking_uri": registry.uri},
        }
    )


def write(tmp_path, table=TABLE):
    path = tmp_path / "machines.csv"
    path.write_bytes(table.astype({"Starts": "Int64"}).to_csv(index=False, sep=";").encode("latin-1"))
    return path


def as_the_model_sees_it(table):
    """The inputs by the model's names, as Spark gives them: None in booleans and texts, NaN in numbers."""
    flags = {"true": True, "FALSE": False, "": None}
    return pd.DataFrame(
        {
            "machine": table["Maschine"].astype("object"),
            "size (cm)": table["Größe"].astype("float64"),
            "starts": table["Starts"].astype("float64"),
            "running": pd.Series([flags[text] for text in table["läuft"]], dtype="object"),
        }
    )


def truth(learner, target, table=TABLE):
    """Fitted on the same rows: each number filled with its median, texts one-hot encoded, all standardised."""
    inputs = as_the_model_sees_it(table).assign(running=lambda frame: frame["running"].astype("float64"))
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    texts = make_pipeline(OneHotEncoder(sparse_output=False), StandardScaler())
    columns = make_column_transformer((numbers, ["size (cm)", "starts", "running"]), (texts, ["machine"]))
    model = make_pipeline(columns, learner).fit(inputs, target)
    return lambda rows: model.predict(rows.assign(running=rows["running"].astype("float64")))


def registered(config):
    """The champion, loaded as the stream's workers load it: no pickle."""
    version = named_version(Registry.of(config), config.model)
    found = trusted_model(Registry.of(config), version, config.model)
    return open_model(str(found.folder), allow_pickle=False), checked_columns(found, CONTRACT)


@pytest.mark.parametrize(
    ("target", "learner", "read", "kind"),
    [
        ("wear", Ridge(), lambda values: values, DataType.double),
        ("state", LogisticRegression(max_iter=1000), lambda values: values, DataType.string),
        ("grade", LogisticRegression(max_iter=1000), lambda values: values, DataType.long),
        ("broken", LogisticRegression(max_iter=1000), lambda values: values == "true", DataType.boolean),
    ],
)
def test_the_registered_model_predicts_as_scikit_learn_does(tmp_path, config, target, learner, read, kind):
    result = train_rows(config, data=write(tmp_path), target=target, promote=True)
    model, (inputs, outputs) = registered(config)
    assert [(column.name, column.type.name, column.required) for column in inputs] == [
        ("machine", "string", True),
        ("size (cm)", "double", False),
        ("starts", "double", False),
        ("running", "boolean", False),
    ]
    assert [(column.name, column.type) for column in outputs] == [("prediction", kind)]
    # Two whole rows, and those with a missing value each.
    rows = as_the_model_sees_it(TABLE).iloc[[0, 1, 5, 9, 11]]
    expected = truth(learner, read(TABLE[target]))(rows)
    predicted = model.predict(rows)
    if kind == DataType.double:
        assert predicted == pytest.approx(expected)
        assert {"holdout_mae", "holdout_rmse", "holdout_r2", "holdout_mae_naive"} == set(result.metrics)
    else:
        assert list(predicted) == list(expected)
        assert {"holdout_accuracy", "holdout_f1_macro", "holdout_accuracy_naive"} == set(result.metrics)


def test_without_promote_the_version_is_a_candidate(tmp_path, config):
    result = train_rows(config, data=write(tmp_path), target="wear", promote=False)
    client = Registry.of(config).client
    assert client.get_model_version_by_alias(config.model.name, "candidate").version == int(result.version)
    assert "champion" not in client.get_registered_model(config.model.name).aliases


def read(config, data, target, task=None, contract=CONTRACT):
    return read_row_data(config, contract, data=data, target=target, task=task)


def test_the_task_is_what_the_target_looks_like(tmp_path, config):
    table = TABLE.assign(
        count=range(ROWS), few=[row % 10 for row in range(ROWS)], more=[row % 11 for row in range(ROWS)]
    )
    data = write(tmp_path, table)
    tasks = {
        name: read(config, data, name).task for name in ("wear", "state", "grade", "broken", "count", "few", "more")
    }
    assert tasks == {
        "wear": "regression",
        "state": "classification",
        "grade": "classification",
        "broken": "classification",
        "count": "regression",
        "few": "classification",
        "more": "regression",
    }
    assert read(config, data, "grade", task="regression").target.dtype == "float64"


def test_rows_that_do_not_fit_are_left_out(tmp_path, config):
    table = TABLE.astype({"Größe": "object", "wear": "object"})
    table.loc[0, "Größe"] = "7.4f"
    table.loc[1, "Maschine"] = None
    table.loc[2, "wear"] = None
    table.loc[3, "läuft"] = "ja"
    rows = read(config, write(tmp_path, table), "wear")
    assert rows.left_out == 4
    assert rows.target.tolist() == TABLE["wear"].iloc[4:].tolist()


def test_a_field_that_is_the_target_is_no_input(tmp_path, config):
    assert list(read(config, write(tmp_path), "Größe").inputs) == ["machine", "starts", "running"]


def test_parquet_rows(tmp_path, config):
    table = as_the_model_sees_it(TABLE).set_axis(["Maschine", "Größe", "Starts", "läuft"], axis=1)
    table.assign(Tag=datetime.date(2024, 12, 31), wear=TABLE["wear"]).to_parquet(tmp_path / "m.parquet")
    from_parquet = read(config, tmp_path / "m.parquet", "wear")
    from_csv = read(config, write(tmp_path), "wear")
    pd.testing.assert_frame_equal(from_parquet.inputs, from_csv.inputs)
    assert from_parquet.target.tolist() == TABLE["wear"].tolist()


@pytest.mark.parametrize(
    ("change", "target", "said"),
    [
        ({}, "none", "has no column 'none', which --target names; its columns are ['Maschine'"),
        ({}, "Tag", "--target: 'Tag' is date; expected numbers, booleans or texts"),
        ({"state": "gut"}, "state", "has 1 different values; a classification takes 2 to 100"),
        ({"wear": None}, "wear", "0 of 60 rows have a target and fit the contract; at least 8 are needed"),
    ],
    ids=repr,
)
def test_what_can_not_be_learned_is_refused(tmp_path, config, change, target, said):
    with pytest.raises(ConfigError) as error:
        read(config, write(tmp_path, TABLE.assign(**change)), target)
    assert said in str(error.value)


def test_a_file_without_the_contracts_columns_is_refused(tmp_path, config):
    data = tmp_path / "m.csv"
    data.write_bytes(TABLE.drop(columns="Starts").to_csv(index=False, sep=";").encode("latin-1"))
    with pytest.raises(ConfigError, match=r"lacks the columns \['Starts'\] of the contract"):
        read(config, data, "wear")


def test_texts_can_not_be_regressed(tmp_path, config):
    with pytest.raises(ConfigError, match="is string; a regression needs numbers"):
        read(config, write(tmp_path), "state", task="regression")


def test_a_class_seen_once_does_not_stop_the_training(tmp_path, config):
    table = TABLE.assign(state=["kaputt", *["gut"] * (ROWS - 1)])
    assert train_rows(config, data=write(tmp_path, table), target="state", promote=True).version == "1"


EUROPEAN = Contract(
    fields=(
        Field(name="size", type="double", decimal=","),
        Field(name="starts", type="integer", decimal=","),
        Field(name="running", type="boolean"),
        Field(name="price", type="string"),
    )
)


def european_rows(tmp_path, **columns):
    count = 10
    table = {
        "size": [f"\u00a0{n},25 " for n in range(count)],
        "starts": [f"{n},0" for n in range(count)],
        "running": ["Yes" if n % 2 else "n" for n in range(count)],
        "price": [f"{1 + n}.001,50" for n in range(count)],
        "y": [f"{n},5" for n in range(count)],
    } | columns
    path = tmp_path / "e.csv"
    pd.DataFrame(table).to_csv(path, index=False, sep=";", encoding="latin-1")
    return path


@pytest.fixture
def trimming(config):
    csv = config.source.csv.model_copy(update={"trim": True})
    return config.model_copy(update={"source": config.source.model_copy(update={"csv": csv})})


def test_values_are_read_as_the_stream_reads_them(tmp_path, trimming, caplog):
    size = [f"{n},25" for n in range(9)] + ["1.234"]
    data = european_rows(tmp_path, size=size)
    rows = read_row_data(trimming, EUROPEAN, data=data, target="y", task=None)
    assert rows.inputs["size"].tolist() == [n + 0.25 for n in range(9)]
    assert rows.inputs["starts"].tolist() == list(range(9))
    assert rows.inputs["running"].tolist() == [n % 2 for n in range(9)]
    assert (rows.task, rows.target.tolist(), rows.left_out) == ("regression", [n + 0.5 for n in range(9)], 1)
    assert "column 'price' has numbers with thousands separators" in caplog.text


def test_words_of_a_target_stay_its_classes(tmp_path, trimming):
    data = european_rows(tmp_path, y=["yes", "no"] * 5)
    rows = read_row_data(trimming, EUROPEAN, data=data, target="y", task=None)
    assert (rows.task, set(rows.target)) == ("classification", {"yes", "no"})


def test_a_target_of_numbers_in_no_known_form_is_refused(tmp_path, trimming):
    with pytest.raises(
        ConfigError, match=r"the target 'price' has numbers with thousands separators.*write them without"
    ):
        read_row_data(trimming, EUROPEAN, data=european_rows(tmp_path), target="price", task=None)


def test_a_column_that_looks_like_a_missing_one_is_named(tmp_path, trimming):
    data = european_rows(tmp_path).read_text(encoding="latin-1").replace("size;", "Size ;", 1)
    (tmp_path / "other.csv").write_text(data, encoding="latin-1")
    with pytest.raises(ConfigError, match="; is 'Size' meant"):
        read_row_data(trimming, EUROPEAN, data=tmp_path / "other.csv", target="y", task=None)

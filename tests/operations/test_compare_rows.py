"""penstock compare for a pipeline of rows, over tables written by hand, with pandas as the truth."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from deltalake import write_deltalake
from sandbox import WINE, TestRegistry

from penstock.config.pipeline import PipelineConfig
from penstock.errors import AnswerNotFoundError, ConfigError
from penstock.models.accuracy.diebold_mariano import diebold_mariano
from penstock.operations.compare.compare import compare
from penstock.operations.compare.request import Request

MODEL, ROWS = "wine-compared", 60
START = pd.Timestamp("2026-11-20", tz="UTC")
DAY = pd.Timedelta(days=1)


def answers(version: str, predictions: Any) -> pd.DataFrame:
    """A row for each wine, of two files, scored on one day."""
    rows = range(len(predictions))
    return pd.DataFrame(
        {
            "query_id": "q",
            "batch_id": 0,
            "order_id": [f"o{row}" for row in rows],
            "prediction": predictions,
            "model_name": MODEL,
            "model_version": version,
            "role": "champion",
            "error": None,
            "source_file": [f"/{row % 2}.csv" for row in rows],
            "scored_at": START,
            "row_id": [row - 30 for row in rows],
            "rescore_id": None,
        }
    ).astype({"error": "string", "rescore_id": "Int64"})


def write(path: Path, frame: pd.DataFrame) -> None:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    times = [name for name in table.column_names if pa.types.is_timestamp(table[name].type)]
    for name in times:
        table = table.set_column(
            table.column_names.index(name), name, table[name].cast(pa.timestamp("us", tz="UTC"), safe=False)
        )
    write_deltalake(str(path), table)


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    """Labels that come over ten hours, and what two versions said; the second is the worse one."""
    random = np.random.default_rng(5)
    label = random.integers(3, 9, ROWS)
    return pd.DataFrame(
        {
            "label": label,
            "first": label + random.normal(0, 0.5, ROWS),
            "second": label + random.normal(0.3, 0.8, ROWS),
            "labelled_at": START + pd.to_timedelta(np.arange(ROWS) // 6, unit="h"),
        }
    )


@pytest.fixture(scope="module")
def compared(truth: pd.DataFrame, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> PipelineConfig:
    """Version 2 answered in a rescore, the last five rows not at all, and one of them with an error. A label is a
    revision, and two rows have none."""
    root = tmp_path_factory.mktemp("compared")
    for _ in range(2):
        registry.register(MODEL, "linear", example=pd.DataFrame([WINE]), outputs=pd.Series([1.5]))
    write(root / "tables" / "predictions", answers("1", truth["first"]))
    second = answers("2", truth["second"]).iloc[: ROWS - 5].assign(role="rescored", rescore_id=0)
    second.loc[3, "prediction"] = None
    write(root / "tables" / "rescored_predictions", second.astype({"rescore_id": "Int64"}))
    labels = pd.DataFrame(
        {
            "query_id": "q",
            "batch_id": 0,
            "order_id": [f"o{row}" for row in range(ROWS)],
            "quality": truth["label"],
            "error": None,
            "source_file": "labels.csv",
            "labelled_at": truth["labelled_at"],
        }
    ).astype({"error": "string"})
    revision = labels.iloc[[0]].assign(quality=99, error="revision")
    write(root / "labels" / "labels", pd.concat([labels.drop(index=[1, 2]), revision]))
    settings: dict[str, Any] = {
        "pipeline": "wine",
        "workload": "rows",
        "source": {"path": str(root / "inbox")},
        "contract": "schemas.wine:CONTRACT",
        "model": {"name": MODEL},
        "tables": {"root": str(root / "tables")},
        "checkpoint": str(root / "checkpoint"),
        "mlflow": {"tracking_uri": registry.uri},
    }
    brings = {
        "pipeline": "wine-labels",
        "workload": "labels",
        "source": {"path": str(root / "labels-inbox")},
        "contract": "schemas.wine_labels:CONTRACT",
        "label": {"key": ["order_id"], "value": "quality"},
        "tables": {"root": str(root / "labels")},
        "checkpoint": str(root / "labels-checkpoint"),
    }
    (root / "labels.yaml").write_text(yaml.safe_dump(brings))
    section = {"labels": {"conf": str(root / "labels.yaml"), "key": ["order_id"], "value": "quality"}}
    return PipelineConfig.model_validate(settings | section)


def test_versions_are_compared_on_rows_that_both_answered(compared: PipelineConfig, truth: pd.DataFrame) -> None:
    found = compare(compared, Request(versions=("1", "2"), by=("source_file",)))
    both = truth.drop(index=[1, 2, 3, *range(ROWS - 5, ROWS)])
    losses = pd.DataFrame(
        {name: (both[name] - both["label"]).abs() for name in ("first", "second")}
        | {"unit": both["labelled_at"].dt.floor("h"), "file": [f"/{row % 2}.csv" for row in both.index]}
    )
    assert (found.pairs, found.left_out_failed, found.loss_name) == (len(both), 1, "absolute")
    assert found.fitted_until == {"1": None, "2": None}
    for group in found.groups:
        mine = losses if not group.by else losses[losses["file"] == group.value]
        first, second = group.scores
        assert (group.pairs, group.units) == (len(mine), mine["unit"].nunique())
        assert (first.loss, second.loss) == (pytest.approx(mine["first"].mean()), pytest.approx(mine["second"].mean()))
        assert second.ratio == pytest.approx(mine["second"].mean() / mine["first"].mean())
        units = mine.groupby("unit")[["first", "second"]].mean()
        assert second.test == diebold_mariano((units["second"] - units["first"]).to_numpy(), horizon=1) or (
            second.test is not None
            and second.test.statistic
            == pytest.approx(diebold_mariano((units["second"] - units["first"]).to_numpy(), horizon=1).statistic)
        )
    assert [group.value for group in found.groups] == ["", "/0.csv", "/1.csv"]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("squared", lambda p, y: (p - y) ** 2),
        ("zero_one", lambda p, y: (p != y).astype(float)),
    ],
)
def test_losses_of_rows_are_those_of_the_config(
    compared: PipelineConfig, truth: pd.DataFrame, loss: str, expected: Any
) -> None:
    judged = PipelineConfig.model_validate(compared.model_dump() | {"evaluate": {"loss": loss}})
    found = compare(judged, Request(versions=("1", "2")))
    both = truth.drop(index=[1, 2, 3, *range(ROWS - 5, ROWS)])
    assert found.groups[0].scores[0].loss == pytest.approx(expected(both["first"], both["label"]).mean())


def test_pairs_are_grouped_by_what_the_first_version_says(compared: PipelineConfig) -> None:
    """All columns of predictions, also those that depend on the version."""
    columns = ("role", "model_version", "scored_at", "batch_id", "error", "prediction")
    found = compare(compared, Request(versions=("1", "2"), by=columns))
    groups = [(group.by, group.value, group.pairs) for group in found.groups if group.by != "prediction"]
    pairs = ROWS - 8
    assert groups == [
        ("", "", pairs),
        ("role", "champion", pairs),
        ("model_version", "1", pairs),
        ("scored_at", "2026-11-20 00:00:00+00", pairs),
        ("batch_id", "0", pairs),
        ("error", "null", pairs),
    ]
    assert sum(group.pairs for group in found.groups if group.by == "prediction") == pairs


@pytest.fixture
def delivered_twice(compared: PipelineConfig, tmp_path: Path) -> PipelineConfig:
    """Four rows of three keys: order 1 came in two batches. row_id is the key's hash, step of the contract, and
    a row's time is a date. Version 1 is right, version 2 wrong by one, and by three in the second batch."""
    rows = answers("1", [5.0, 6.0, 7.0, 6.0]).assign(
        order_id=[0, 1, 2, 1], row_id=[0, 1, 2, 1], batch_id=[0, 0, 0, 1], step=[1, 1, 2, 3]
    )
    rows["made_on"] = [pd.Timestamp("2026-11-01").date()] * 4
    second = rows.assign(model_version="2", role="shadow", prediction=[6.0, 7.0, 8.0, 9.0], scored_at=START + DAY)
    write(tmp_path / "tables" / "predictions", rows)
    write(tmp_path / "tables" / "rescored_predictions", second.assign(rescore_id=0).astype({"rescore_id": "Int64"}))
    labels = {"conf": str(Path(compared.tables.root).parent / "labels.yaml"), "key": ["order_id"], "value": "quality"}
    changed = {"contract": "sample_contracts:STEPS", "tables": {"root": str(tmp_path / "tables")}}
    config = PipelineConfig.model_validate(
        compared.model_dump() | changed | {"labels": labels | {"time": "made_on"}, "evaluate": {"loss": "squared"}}
    )
    truth = pd.DataFrame(
        {
            "query_id": "q",
            "batch_id": 0,
            "order_id": [0, 1, 2],
            "quality": [5, 6, 7],
            "error": None,
            "labelled_at": START,
        }
    ).astype({"error": "string"})
    brought = yaml.safe_load(Path(labels["conf"]).read_text()) | {"tables": {"root": str(tmp_path / "labels")}}
    (tmp_path / "labels.yaml").write_text(yaml.safe_dump(brought))
    write(tmp_path / "labels" / "labels", truth)
    section = config.labels.model_copy(update={"conf": str(tmp_path / "labels.yaml")}) if config.labels else None
    return config.model_copy(update={"labels": section})


def test_a_row_that_came_twice_is_matched_within_its_batch(delivered_twice: PipelineConfig) -> None:
    found = compare(delivered_twice, Request(versions=("1", "2"), by=("step",)))
    assert [(group.by, group.value, group.pairs) for group in found.groups] == [
        ("", "", 4),
        ("step", "1", 2),
        ("step", "2", 1),
        ("step", "3", 1),
    ]
    # (1 + 1 + 1 + 9) / 4, and of the second batch alone 9.
    assert [group.scores[1].loss for group in found.groups] == [3.0, 1.0, 1.0, 9.0]
    assert {group.scores[0].loss for group in found.groups} == {0.0}


def test_the_window_of_the_advised_rescore_has_all_rows(delivered_twice: PipelineConfig) -> None:
    """The time of the rows is a date; a rescore goes by when they were scored."""
    shutil.rmtree(Path(delivered_twice.tables.root) / "rescored_predictions")
    with pytest.raises(AnswerNotFoundError) as raised:
        compare(delivered_twice, Request(versions=("1", "2")))
    said = str(raised.value)
    assert "version 1 has 4 predictions of 2026-11-01 to 2026-11-01; version 2 has none" in said
    assert "penstock rescore --from 2026-11-20 --to 2026-11-21 --version 2 --as shadow" in said


def test_what_can_not_be_compared_says_why(compared: PipelineConfig) -> None:
    with pytest.raises(ConfigError, match="expected one of"):
        compare(compared, Request(versions=("1", "2"), by=("colour",)))
    with pytest.raises(ConfigError, match="--by role is given twice"):
        compare(compared, Request(versions=("1", "2"), by=("role", "batch_id", "role")))
    without = compared.model_copy(update={"labels": None})
    with pytest.raises(ConfigError, match="has no section labels"):
        compare(without, Request(versions=("1", "2")))
    later = Request(versions=("1", "2"), since=START.to_pydatetime() + pd.Timedelta(days=1))
    with pytest.raises(AnswerNotFoundError, match="version 1 has none; version 2 has none"):
        compare(compared, later)

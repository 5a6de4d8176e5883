"""What `evaluations` and `compare` say of forecasts, by utilsforecast and scoringrules: losses, coverage, and the ratio
to the naive forecast."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import duckdb
import numpy as np
import pandas as pd
import pytest
import scoringrules
from pyspark.sql import SparkSession
from utilsforecast import losses

from penstock.config.evaluation import EvaluateConfig
from penstock.config.series import SeriesConfig
from penstock.operations.compare.groups import group_of
from penstock.operations.compare.report import Score
from penstock.operations.compare.request import Request
from penstock.operations.compare.series_pairs import make_pairs
from penstock.operations.model_store.live import read_sums
from penstock.operations.model_store.measures import Measures, measures
from penstock.pipeline.evaluation.plans import EvaluationPlan, SeriesSpan
from penstock.pipeline.evaluation.series import forecast_pairs
from penstock.pipeline.evaluation.sums import sums_of
from penstock.spark.local_frames import local_frame

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS, HORIZON, LEVEL = 14, 3, 80
SERIES = SeriesConfig.model_validate({"variables": ["x"], "frequency": "D", "horizon": HORIZON})
OBSERVATIONS = (
    "query_id string, batch_id long, series_id string, ds timestamp, x double, error string, observed_at timestamp"
)
FORECASTS = (
    "query_id string, batch_id long, series_id string, cutoff timestamp, ds timestamp, step int, variable string, "
    "forecast double, lower double, upper double, level double, model_version string, rescore_id long, "
    "scored_at timestamp"
)


def at(day: int) -> datetime:
    return START + timedelta(days=day)


def actuals() -> pd.DataFrame:
    """series_id, day, x: one of any numbers; one on a grid, on which bounds and forecasts lie too; a short one."""
    chance = np.random.default_rng(24)
    levels = {
        "random": np.cumsum(chance.normal(size=DAYS)),
        "tied": chance.integers(0, 4, DAYS).astype(float),
        "short": np.array([1e6, 1e6 + 1]),
    }
    return pd.concat(
        [pd.DataFrame({"series_id": name, "day": range(len(x)), "x": x}) for name, x in levels.items()],
        ignore_index=True,
    )


def forecasts() -> pd.DataFrame:
    """One a version, series, cutoff and step, each with its actual `y` and the level at its cutoff, `naive`."""
    chance = np.random.default_rng(25)
    known = {(row.series_id, row.day): row.x for row in actuals().itertuples()}
    rows = []
    for (name, cutoff), level in known.items():
        for step in range(1, HORIZON + 1):
            actual = known.get((name, cutoff + step))
            for version in "12":
                middle = level + chance.normal()
                below, above = chance.exponential(size=2) + 0.1
                if name == "tied":
                    middle, below, above = round(middle), round(below) + 1, round(above)
                rows.append((version, name, cutoff, step, middle, middle - below, middle + above, actual, level))
    columns = ["version", "series_id", "cutoff", "step", "forecast", "lower", "upper", "y", "naive"]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    """Those with an actual, and their loss."""
    made = forecasts().dropna(subset="y").reset_index(drop=True)
    alpha = np.array([1 - LEVEL / 100])
    y = made["y"].to_numpy()
    score = scoringrules.weighted_interval_score(
        # Moved by -y: see tests/models/test_accuracy_by_libraries.py.
        np.zeros(len(made)),
        np.abs(made["forecast"].to_numpy() - y),
        (made["lower"].to_numpy() - y)[:, None],
        (made["upper"].to_numpy() - y)[:, None],
        alpha,
    )
    half = (made["upper"] - made["lower"]) / 2
    first = made.assign(half=half).query("version == '1'").set_index(["series_id", "cutoff", "step"])["half"]
    key = pd.MultiIndex.from_frame(made[["series_id", "cutoff", "step"]])
    return made.assign(by_own=score / half, by_first=score / first.loc[key].to_numpy())


def by_utilsforecast(made: pd.DataFrame) -> dict[str, float]:
    """Of one version, all in one group."""
    given = made.assign(unique_id="all").rename(
        columns={"forecast": "model", "lower": f"model-lo-{LEVEL}", "upper": f"model-hi-{LEVEL}"}
    )
    given = given.drop(columns="cutoff")
    return {
        "mae": losses.mae(given, ["model"])["model"].item(),
        "coverage": losses.coverage(given, ["model"], level=LEVEL)["model"].item(),
        "ratio_to_naive": losses.rmae(given, ["model"], baseline="naive")["model"].item(),
    }


@pytest.fixture(scope="module")
def evaluated(spark: SparkSession) -> dict[tuple[str, int], Measures]:
    """By version and step."""
    observed = [
        ("q", row.day, row.series_id, at(row.day), row.x, None, at(row.day) + timedelta(hours=1))
        for row in actuals().itertuples()
    ]
    made = [
        (
            *("q", row.cutoff, row.series_id, at(row.cutoff), at(row.cutoff + row.step), row.step, "x"),
            *(row.forecast, row.lower, row.upper, LEVEL / 100, row.version, None, at(row.cutoff) + timedelta(hours=2)),
        )
        for row in forecasts().itertuples()
    ]
    plan = EvaluationPlan(
        number=0,
        planned_at=at(DAYS),
        penstock="",
        after={},
        until={"q": DAYS},
        taken={"q": DAYS},
        actuals=0,
        actuals_version=0,
        answers_version=0,
        evaluate=EvaluateConfig(loss="wis"),
        series=SeriesSpan(first_cutoff=at(0), first_ds=at(0), last_ds=at(DAYS)),
    )
    observations = local_frame(spark, observed, OBSERVATIONS)
    found = {}
    for version in "12":
        # Of two forecasts of a cutoff one counts.
        of_version = local_frame(spark, [row for row in made if row[11] == version], FORECASTS)
        pairs = forecast_pairs(observations, of_version, plan, SERIES)
        evaluations = sums_of(pairs, plan).selectExpr("0L AS batch_id", "*").toArrow()
        with duckdb.connect() as connection:
            connection.register("evaluations", evaluations)
            connection.execute("SET TimeZone = 'UTC'")
            sums = read_sums(connection, loss="wis")
        assert {one.version for one in sums} == {version}
        found |= {(version, cast(int, one.step)): Measures(**measures([one])) for one in sums}
    return found


def test_evaluations(evaluated: dict[tuple[str, int], Measures], truth: pd.DataFrame) -> None:
    assert len(evaluated) == 2 * HORIZON
    for (version, step), found in evaluated.items():
        of_step = truth[(truth["version"] == version) & (truth["step"] == step)]
        expected = by_utilsforecast(of_step)
        assert (found.pairs, found.failed) == (len(of_step), 0)
        assert found.loss == pytest.approx(of_step["by_own"].mean(), rel=1e-9)
        assert {name: getattr(found, name) for name in expected} == pytest.approx(expected, rel=1e-9)
        assert 0 < expected["coverage"] < 1


@pytest.fixture(scope="module")
def compared() -> dict[str, dict[tuple[str, str], Score]]:
    """By column and by its value and version."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        observations = actuals().assign(error=None, batch_id=0)
        observations["ds"] = [at(day) for day in observations["day"]]
        observations["observed_at"] = observations["ds"]
        made = forecasts().assign(variable="x", level=LEVEL / 100)
        made["ds"] = [at(day) for day in made["cutoff"] + made["step"]]
        made["cutoff"] = made["scored_at"] = [at(day) for day in made["cutoff"]]
        connection.execute("CREATE TABLE observations AS SELECT * FROM observations")
        connection.execute("CREATE TABLE answers AS SELECT * FROM made")
        config = cast(Any, SimpleNamespace(the_series=SimpleNamespace(variables=("x",))))
        make_pairs(connection, config, Request(versions=("1", "2")), {})
        connection.execute("CREATE TABLE judged AS SELECT * FROM pairs WHERE NOT is_failed")
        return {
            by: {
                (group.value, score.version): score
                for group in group_of(connection, ("1", "2"), by=by, steps=steps, horizon=1)
                for score in group.scores
            }
            for by, steps in (("step", ()), ("series_id", (1,)))
        }


@pytest.mark.parametrize("by", ["step", "series_id"])
def test_compare(compared: dict[str, dict[tuple[str, str], Score]], truth: pd.DataFrame, by: str) -> None:
    groups = compared[by]
    assert len(groups) == 2 * 3
    for (value, version), found in groups.items():
        of_group = truth[(truth["version"] == version) & (truth[by].astype(str) == value)]
        if by == "series_id":
            of_group = of_group[of_group["step"] == 1]
        expected = by_utilsforecast(of_group)
        assert {name: getattr(found, name) for name in expected} == pytest.approx(expected, rel=1e-9)
        assert found.loss == pytest.approx(of_group["by_first"].mean(), rel=1e-9)


def test_one_step_ahead_the_ratio_is_mase_over_the_same_time(
    compared: dict[str, dict[tuple[str, str], Score]], truth: pd.DataFrame
) -> None:
    """MASE scales by the naive errors of a training set: here by those of the evaluated time itself."""
    made = truth[truth["step"] == 1].rename(columns={"series_id": "unique_id", "forecast": "model"})
    made = made.assign(ds=[at(day + 1) for day in made["cutoff"]]).drop(columns="cutoff")
    known = actuals().rename(columns={"series_id": "unique_id", "x": "y"})
    known["ds"] = [at(day) for day in known["day"]]
    for version in "12":
        found = losses.mase(made[made["version"] == version], ["model"], seasonality=1, train_df=known)
        expected = dict(zip(found["unique_id"], found["model"], strict=True))
        ratios = {name: score.ratio_to_naive for (name, of), score in compared["series_id"].items() if of == version}
        assert ratios == pytest.approx(expected, rel=1e-9)

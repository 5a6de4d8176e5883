"""penstock explain and compare for a pipeline of series: two versions, exogenous variables, revisions, a fallback."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from deltalake import DeltaTable, write_deltalake
from sandbox import Sandbox
from series_sandbox import FITTED, HORIZON, LEVEL, VARIABLES, SeriesSandbox, macro, quarters
from statsmodels.tsa.api import VAR

from penstock.errors import AnswerNotFoundError, ConfigError
from penstock.jobs import compare as compare_job
from penstock.jobs import explain as explain_job
from penstock.models.accuracy.diebold_mariano import diebold_mariano
from penstock.operations.compare import series_pairs
from penstock.operations.compare.compare import compare, compared
from penstock.operations.compare.request import Request
from penstock.operations.compare.text import as_text as comparison_text
from penstock.operations.explain.explain import Question, explain
from penstock.operations.explain.report import ForecastReport
from penstock.operations.explain.series_rows import forecasts_at
from penstock.operations.explain.tables import SERIES_TABLES, opened_tables
from penstock.operations.explain.text import as_json, as_text
from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings
from penstock.udfs.var.fleet_save import fleet_model_parts

MODEL = "macro-explained"
NAME = "price"
DATES = macro()["ds"]
LEVELS = macro()[list(VARIABLES)].to_numpy()
PRICES = np.random.default_rng(3).normal(10, 2, len(DATES))
TRANSFORMS = dict(zip(VARIABLES, ("dlog", "log", "diff"), strict=True))


def register(sandbox: Sandbox, *, trend: str, season: float) -> None:
    """A VAR(2) with an exogenous variable for US, and the fallback `naive` for all others, as the champion."""
    settings = FitSettings(
        transforms=tuple(TRANSFORMS.values()),
        max_lags=2,
        trend=trend,
        season=season,
        horizon=HORIZON,
        level=LEVEL,
        fallback="naive",
        exogenous=(NAME,),
    )
    fit = fit_fleet(LEVELS[:FITTED], np.array([0, FITTED]), settings, exogenous=PRICES[:FITTED, None])
    assert len(fit) == 1, fit.refused
    sandbox.registry.use()
    last = DATES.to_numpy()[FITTED - 1]
    with (
        fleet_model_parts(
            fit, ids=["US"], variables=VARIABLES, frequency="QS", last_ds=np.array([last]), levels=(0.5,)
        ) as parts,
        mlflow.start_run(),
    ):
        mlflow.log_params({"data_source": "macro.csv", "until": "all"})
        info = mlflow.pyfunc.log_model(name="model", registered_model_name=MODEL, **parts)
    sandbox.registry.client.set_registered_model_alias(MODEL, "champion", str(info.registered_model_version))


@pytest.fixture(scope="module")
def series(shared_sandbox: Sandbox) -> SeriesSandbox:
    """Version 1 (a constant) forecasts US from 20 quarters and MARS, unknown, from 3; version 2 (trend and season) from
    10 more, of which the first revises the quarter before it. Then the exogenous file is written over."""
    sandbox = shared_sandbox
    register(sandbox, trend="c", season=0.0)
    path = sandbox.root / "prices.csv"
    prices = pd.DataFrame({"ds": DATES, NAME: PRICES})
    prices.to_csv(path, index=False, date_format="%Y-%m-%d")
    made = SeriesSandbox(
        sandbox,
        MODEL,
        transform=TRANSFORMS,
        revisions="newest",
        level=[0.5, LEVEL],
        exogenous={"path": str(path), "columns": [NAME]},
    )
    made.drop("a.csv", pd.concat([quarters(FITTED, FITTED + 20), quarters(FITTED, FITTED + 3, "MARS")]), age_seconds=90)
    sandbox.run()
    register(sandbox, trend="ct", season=4.0)
    revised = quarters(FITTED + 19, FITTED + 20).assign(realgdp=12_345.6)
    made.drop("b.csv", pd.concat([revised, quarters(FITTED + 20, FITTED + 30)]))
    sandbox.run()
    prices.assign(**{NAME: 0.0}).to_csv(path, index=False, date_format="%Y-%m-%d")
    return made


def at(quarter: int) -> datetime:
    return DATES[quarter].to_pydatetime().replace(tzinfo=UTC)


def explained(series: SeriesSandbox, quarter: int | None, name: str = "US", **more: Any) -> ForecastReport:
    cutoff = None if quarter is None else at(quarter)
    found = explain(series.sandbox.config(), Question(series=name, cutoff=cutoff, **more))
    assert isinstance(found, ForecastReport)
    return found


def test_all_forecasts_are_the_same_to_the_last_bit_when_computed_again(series: SeriesSandbox) -> None:
    """Of both versions and the fallback, with exogenous values that were written over since."""
    rows = series.sandbox.rows("forecasts")
    cutoffs = {(row.series_id, row.cutoff) for row in rows}
    assert len(rows) >= 390  # with those of test_explain_rows.py more than a thousand answers
    versions = set()
    for name, cutoff in sorted(cutoffs):
        question = Question(series=name, cutoff=cutoff.replace(tzinfo=UTC))
        found = explain(series.sandbox.config(), question)
        assert isinstance(found, ForecastReport)
        assert found.again.difference == "", (name, cutoff)
        assert found.is_confirmed
        versions.add((found.model.version, found.batch.role))
        if found.terms:
            for terms in found.terms.variables:
                (step,) = [one for one in found.steps if one.variable == terms.variable and one.step == 1]
                assert terms.level == pytest.approx(step.forecast, rel=1e-12)
    assert versions == {("1", "champion"), ("2", "champion"), ("1", "fallback")}


def test_the_terms_are_statsmodels_coefficients_times_the_transformed_lags(series: SeriesSandbox) -> None:
    transformed = np.column_stack([np.diff(np.log(LEVELS[:, 0])), np.log(LEVELS[1:, 1]), np.diff(LEVELS[:, 2])])
    result = VAR(transformed[: FITTED - 1], exog=PRICES[1:FITTED, None]).fit(2, trend="c")
    cutoff = FITTED + 5
    found = explained(series, cutoff)
    assert found.terms is not None
    assert (found.terms.lag_order, found.terms.trend, found.terms.exogenous) == (2, "c", (NAME,))
    # Row t of the transformed data is quarter t + 1.
    values = np.concatenate([[1.0, PRICES[cutoff + 1]], transformed[cutoff - 1], transformed[cutoff - 2]])
    for place, terms in enumerate(found.terms.variables):
        coefficients = np.asarray(result.params)[:, place]
        np.testing.assert_allclose([term.coefficient for term in terms.terms], coefficients, rtol=1e-6)
        np.testing.assert_allclose([term.value for term in terms.terms], values, rtol=1e-12)
        np.testing.assert_allclose([term.product for term in terms.terms], coefficients * values, rtol=1e-6)
        assert terms.total == pytest.approx(sum(coefficients * values), rel=1e-6, abs=1e-9)
    names = [term.name for term in found.terms.variables[0].terms]
    assert names[:4] == ["constant", NAME, "realgdp, lag 1", "realcons, lag 1"]


def test_window_file_and_actuals(series: SeriesSandbox) -> None:
    found = explained(series, FITTED + 18)
    inbox = series.sandbox.inbox
    assert (found.file.path, found.file.now) == (str(inbox / "a.csv"), "unchanged")
    assert found.file.found is not None
    assert found.file.found.numbers == (20,)  # the header is line 1
    assert [row.ds for row in found.window] == [at(FITTED + 18 - lag) for lag in range(6)]
    assert found.window[0].values == dict(zip(VARIABLES, LEVELS[FITTED + 18], strict=True))
    first, later = found.steps[:2]
    # realgdp of the next quarter was revised by the second file.
    assert (first.actual, later.actual) == (12_345.6, LEVELS[FITTED + 20, 0])
    assert first.absolute_error == pytest.approx(abs(first.forecast - 12_345.6))
    width = first.upper - first.lower
    outside = max(first.lower - 12_345.6, 0) + max(12_345.6 - first.upper, 0)
    score = (abs(first.forecast - 12_345.6) / 2 + 0.05 / 2 * (width + 2 / 0.05 * outside)) / 1.5
    assert first.loss == pytest.approx(score / (width / 2))
    assert first.is_within == (outside == 0)
    newest = explained(series, None)
    assert (newest.cutoff, newest.is_newest) == (at(FITTED + 29), True)
    assert newest.steps[0].actual is None
    assert newest.terms is not None
    assert newest.terms.time_index is not None
    # A revised value is in the windows of later forecasts only.
    assert explained(series, FITTED + 20).window[1].values["realgdp"] == 12_345.6
    assert explained(series, FITTED + 19).window[0].values["realgdp"] == LEVELS[FITTED + 19, 0]
    text = as_text(newest)
    assert "(the newest)" in text
    assert "VAR(2), trend ct, season of 4, exogenous price" in text
    assert "no actual yet" in text


def test_a_fallback_is_explained_by_its_method(series: SeriesSandbox) -> None:
    found = explained(series, FITTED + 1, "MARS", variable="realinv")
    assert (found.batch.role, found.terms, found.error) == ("fallback", None, "fallback: unknown_series")
    assert found.method is not None
    assert found.method.startswith("the newest level carried on")
    assert [step.forecast for step in found.steps] == [LEVELS[FITTED + 1, 2]] * HORIZON
    assert json.loads(as_json(found))["method"] == found.method


def test_questions_that_mean_no_forecast(series: SeriesSandbox) -> None:
    def message(error: type[Exception], **question: Any) -> str:
        with pytest.raises(error) as raised:
            explain(series.sandbox.config(), Question(**question))
        return str(raised.value)

    assert "the nearest names are 'US', 'MARS'" in message(AnswerNotFoundError, series="USA")
    assert "has no observation at 1999-01-02 00:00:00; the nearest are 1999-01-01" in message(
        AnswerNotFoundError, series="US", cutoff=datetime(1999, 1, 2)
    )
    assert "is none of the variables" in message(ConfigError, series="US", variable="gdp")
    assert "name the series with --series" in message(ConfigError)
    assert "a row_id or --where means a row" in message(ConfigError, row_id="17")


def test_an_observation_without_a_forecast_says_why(series: SeriesSandbox) -> None:
    """As `observations` has it, of a copy of the tables without that forecast."""
    with opened_tables(series.sandbox.config(), SERIES_TABLES) as tables:
        tables.execute("CREATE TABLE kept AS SELECT * FROM observations")
        tables.execute(f"UPDATE kept SET error = 'late' WHERE ds = '{at(FITTED + 3).isoformat()}'")
        tables.execute("CREATE OR REPLACE TEMP VIEW observations AS SELECT * FROM kept")
        tables.execute(f"CREATE TABLE made AS SELECT * FROM forecasts WHERE cutoff <> '{at(FITTED + 3).isoformat()}'")
        tables.execute("CREATE OR REPLACE TEMP VIEW forecasts AS SELECT * FROM made")
        with pytest.raises(
            AnswerNotFoundError, match="no forecast from 1999-10-01 00:00:00: late: it came after later"
        ):
            forecasts_at(tables, "US", at(FITTED + 3))


# --- compare


@pytest.fixture(scope="module")
def rescored(series: SeriesSandbox) -> SeriesSandbox:
    """Version 2 over version 1's cutoffs, as a rescore would leave them: forecasts moved by known factors."""
    config = series.sandbox.config()
    table = DeltaTable(config.table_path("forecasts")).to_pyarrow_table().to_pandas()
    moved = table[(table["model_version"] == "1") & (table["role"] == "champion")].copy()
    factors = 1.0 + 0.02 * np.random.default_rng(7).normal(size=len(moved))
    for name in ("forecast", "lower", "upper"):
        moved[name] *= factors
    moved = moved.assign(model_version="2", role="rescored", rescore_id=0)
    write_deltalake(
        config.table_path("rescored_forecasts"),
        pa.Table.from_pandas(moved.drop(columns="intervals"), preserve_index=False),
    )
    return series


def by_pandas(series: SeriesSandbox) -> pd.DataFrame:
    """A row for each version and pair that both versions have, with its losses: by merges, not by SQL."""
    root = series.sandbox.config()
    tables = [
        DeltaTable(root.table_path(name)).to_pyarrow_table().to_pandas().drop(columns="intervals", errors="ignore")
        for name in ("forecasts", "rescored_forecasts")
    ]
    key = ["series_id", "cutoff", "step", "variable"]
    made = pd.concat(tables).sort_values("scored_at").drop_duplicates([*key, "model_version"], keep="last")
    both = made.groupby(key)["model_version"].transform("nunique") == 2
    made = made[both].merge(
        made.loc[made["model_version"] == "1", [*key, "lower", "upper"]], on=key, suffixes=("", "_first")
    )
    truth = macro().assign(series_id="US").melt(id_vars=["series_id", "ds"], value_vars=list(VARIABLES))
    truth["ds"] = truth["ds"].dt.tz_localize("UTC").astype(made["ds"].dtype)
    truth = truth[truth["ds"] <= at(FITTED + 29)]
    truth.loc[(truth["ds"] == at(FITTED + 19)) & (truth["variable"] == "realgdp"), "value"] = 12_345.6
    made = made.merge(truth, on=["series_id", "ds", "variable"])
    outside = np.maximum(made["lower"] - made["value"], 0) + np.maximum(made["value"] - made["upper"], 0)
    score = (
        0.5 * (made["forecast"] - made["value"]).abs() + 0.025 * (made["upper"] - made["lower"] + 2 / 0.05 * outside)
    ) / 1.5
    within = (made["lower"] <= made["value"]) & (made["value"] <= made["upper"])
    return made.assign(
        loss=score / ((made["upper_first"] - made["lower_first"]) / 2),
        mae=(made["forecast"] - made["value"]).abs(),
        within=within,
    )


def test_versions_are_compared_on_the_same_pairs(rescored: SeriesSandbox) -> None:
    found = compare(rescored.sandbox.config(), Request(versions=("1", "2")))
    truth = by_pandas(rescored)
    assert found.pairs == len(truth) / 2
    assert (found.loss_name, found.steps, found.in_sample) == ("wis", (1,), False)
    assert set(found.fitted_until.values()) == {at(FITTED - 1)}
    for group in found.groups:
        mine = truth if group.by == "step" else truth[truth["step"] == 1]
        if group.by:
            mine = mine[mine[group.by].astype(str) == group.value]
        assert group.pairs == len(mine) / 2
        assert group.units == mine["ds"].nunique()
        for score in group.scores:
            own = mine[mine["model_version"] == score.version]
            assert score.loss == pytest.approx(own["loss"].mean())
            assert score.mae == pytest.approx(own["mae"].mean())
            assert score.coverage == pytest.approx(own["within"].mean())
        units = mine.pivot_table(index="ds", columns="model_version", values="loss", aggfunc="mean")
        horizon = int(group.value) if group.by == "step" else 1
        expected = diebold_mariano((units["2"] - units["1"]).to_numpy(), horizon=horizon)
        second = group.scores[1].test
        assert second is not None
        assert isinstance(expected, type(second))
        assert second.statistic == pytest.approx(expected.statistic)
        assert second.p_value == pytest.approx(expected.p_value)
    assert [group.by for group in found.groups].count("step") == HORIZON
    (loser,) = found.losers
    one = truth[truth["step"] == 1].groupby("model_version")["loss"].mean()
    assert (loser.series_id, loser.loss, loser.first_loss) == ("US", pytest.approx(one["2"]), pytest.approx(one["1"]))
    # The naive forecast is the observation at the cutoff, by hand for one variable and step. The VAR takes three
    # observations, so that the first cutoff is the third one.
    (investment,) = [group for group in found.groups if group.value == "realinv"]
    changes = np.abs(LEVELS[FITTED + 3 : FITTED + 21, 2] - LEVELS[FITTED + 2 : FITTED + 20, 2])
    assert investment.scores[0].ratio_to_naive == pytest.approx(investment.scores[0].mae / changes.mean())


def test_the_job_prints_a_comparison(
    rescored: SeriesSandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = tmp_path / "macro.yaml"
    conf.write_text(yaml.safe_dump(rescored.sandbox.config().model_dump(mode="json", exclude_none=True)))
    command = ["--conf", str(conf), "--versions"]
    assert compare_job.main([*command, "1,2"]) == 0
    text = capsys.readouterr().out
    assert "versions 1, 2 on the same" in text
    assert "IN SAMPLE" not in text
    assert "series that lose most against version 1" in text
    assert compare_job.main([*command, "1, 2", "--json", "--by", "variable", "--to", "2000-01-01"]) == 0
    assert {group["by"] for group in json.loads(capsys.readouterr().out)["groups"]} == {"", "variable"}
    assert compare_job.main([*command, "1,2", "--from", "1990-01-01"]) == 2
    assert "version 1 was fitted on data until 1998-10-01" in capsys.readouterr().err
    assert compare_job.main([*command, "1,2", "--from", "2020-01-01"]) == 1
    assert compare_job.main([*command, "1,3"]) == 1
    assert "no version 3" in capsys.readouterr().err
    for wrong in (["1"], ["1,1"], ["1,2", "--by", "colour"], ["1,2", "--from", "2001-01-01", "--to", "2000-01-01"]):
        assert compare_job.main([*command, *wrong]) == 2
    assert explain_job.main(["--conf", str(conf), "--series", "US", "--cutoff", "2000-04-01"]) == 0


def test_without_common_pairs_it_says_what_there_is_and_how_to_get_them(series: SeriesSandbox, tmp_path: Path) -> None:
    config = series.sandbox.config()
    copied = config.model_copy(update={"tables": config.tables.model_copy(update={"root": str(tmp_path)})})
    for name in ("forecasts", "observations"):
        shutil.copytree(config.table_path(name), tmp_path / name)
    with pytest.raises(AnswerNotFoundError) as raised:
        compare(copied, Request(versions=("1", "2")))
    said = str(raised.value)
    assert "version 1 has 276 forecasts of 1999-04-01 to 2004-10-01; version 2 has 120" in said
    # The cutoffs of the forecasts; the end is not in a rescore's window.
    assert "penstock rescore --from 1999-01-01 --to 2003-10-02 --version 2 --as shadow" in said


def test_forecasts_made_after_the_actual_came_are_told(rescored: SeriesSandbox) -> None:
    """Version 2 is asked a day after all observations came, version 1 was asked a day before."""
    config, request = rescored.sandbox.config(), Request(versions=("1", "2"))
    unknown = {"1": None, "2": None}
    with opened_tables(config, ("forecasts", "observations", "rescored_forecasts")) as tables:
        series_pairs.make_answers(tables, config, request)
        days = "CASE version WHEN '1' THEN -1 ELSE 1 END"
        tables.execute(f"UPDATE answers SET scored_at = scored_at + {days} * INTERVAL 1 DAY")
        series_pairs.make_pairs(tables, config, request, unknown)
        found = compared(tables, config, request, unknown)
    for group in found.groups:
        assert [score.hindsight for score in group.scores] == [0, group.pairs]
    assert f"hindsight in {found.groups[0].pairs}," in comparison_text(found)
    assert "hindsight" not in comparison_text(compare(config, request))


def test_pairs_in_sample_are_left_out_unless_they_are_asked_for(rescored: SeriesSandbox, tmp_path: Path) -> None:
    """A version whose fit ends within the window."""
    config = rescored.sandbox.config()
    with opened_tables(config, ("forecasts", "observations", "rescored_forecasts")) as tables:
        request = Request(versions=("1", "2"))
        series_pairs.make_answers(tables, config, request)
        until = at(FITTED + 5)
        series_pairs.make_pairs(tables, config, request, {"1": at(FITTED - 1), "2": until})
        found = compared(tables, config, request, {"1": at(FITTED - 1), "2": until})
    truth = by_pandas(rescored)
    later = truth[truth["cutoff"] >= until]
    assert (found.pairs, found.left_out_in_sample) == (len(later) / 2, (len(truth) - len(later)) / 2)
    with opened_tables(config, ("forecasts", "observations", "rescored_forecasts")) as tables:
        request = Request(versions=("1", "2"), in_sample=True)
        series_pairs.make_answers(tables, config, request)
        series_pairs.make_pairs(tables, config, request, {"1": at(FITTED - 1), "2": until})
        marked = compared(tables, config, request, {"1": at(FITTED - 1), "2": until})
    assert (marked.pairs, marked.in_sample) == (len(truth) / 2, True)
    lines = [line for line in comparison_text(marked).splitlines() if "loss 0" in line]
    assert lines
    assert all(line.endswith("IN SAMPLE") for line in lines)

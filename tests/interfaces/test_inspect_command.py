"""penstock inspect reads the table without Spark; every wrong question has an answer."""

import json
from dataclasses import dataclass
from datetime import UTC

import numpy as np
import pandas as pd
import pytest
from dashboard_tables import MACRO_CONF, WINE_CONF, WrittenTables, minutes
from fit_sandbox import MACRO, macro_frame
from statsmodels.tsa.api import VAR

from penstock.jobs import inspect_series
from penstock.schemas.contract import Contract, Field

CONF = (
    MACRO_CONF.replace("schemas.wine", "schemas.macro")
    .replace("horizon: 2", "horizon: 2, transform: {{realgdp: dlog, realcons: dlog, realinv: dlog}}")
    .replace("workload: series", "workload: series\nfit: {{max_lags: 2, criterion: null}}")
)


def rows(frame, *, series="usa", **changes):
    for row in frame.itertuples(index=False):
        values = {name: getattr(row, name) for name in MACRO}
        ds = row.ds.to_pydatetime().replace(tzinfo=UTC)
        yield {"series_id": series, "ds": ds, "observed_at": minutes(0), **values, **changes}


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str


@pytest.fixture
def inspect(capsys):
    def run(tables, *options):
        code = inspect_series.main(["--conf", str(tables.conf), *options])
        return Answer(code, *capsys.readouterr())

    return run


@pytest.fixture(autouse=True)
def _no_spark(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("Spark was started")

    monkeypatch.setattr("penstock.spark.session.build_session", refuse)


@pytest.fixture(scope="module")
def macro(tmp_path_factory):
    """The quarter 2000-01 was revised, delivered unchanged and outvoted; 1999-10 came late."""
    made = WrittenTables(tmp_path_factory.mktemp("macro"), CONF)
    frame = macro_frame()
    made.append("observations", *rows(frame.drop(index=163)), *rows(frame[:12], series="U'SA"))
    made.append("observations", *rows(frame[163:164], error="late", observed_at=minutes(5)))
    revised, outvoted = (frame[164:165].assign(realgdp=value) for value in (12000.0, 1.0))
    made.append("observations", *rows(revised, error="revised", observed_at=minutes(7)))
    for error in ("superseded", "revision", "unchanged"):
        made.append("observations", *rows(outvoted, error=error, observed_at=minutes(9)))
    return made


def test_the_numbers_are_those_of_the_observations_that_count(inspect, macro):
    answer = inspect(macro, "--series", "usa", "--json")
    levels = macro_frame()[list(MACRO)].to_numpy()
    levels[164, 0] = 12000.0
    theirs = VAR(np.diff(np.log(levels), axis=0)).fit(2)
    assert (answer.code, answer.err) == (0, "")
    found = json.loads(answer.out)
    fitted = [row["fitted"] for row in found["tables"]["coefficients"]]
    np.testing.assert_allclose(np.reshape(fitted, (3, 7)), theirs.params.T, rtol=1e-7)
    assert (found["observed"]["n_used"], found["observed"]["holes"]) == (203, [])


def test_until_leaves_out_what_is_later(inspect, macro, tmp_path):
    answer = inspect(macro, "--series", "usa", "--until", "1989-10-01", "--steps", "3", "--output", str(tmp_path / "o"))
    theirs = VAR(np.diff(np.log(macro_frame()[list(MACRO)].to_numpy()[:124]), axis=0)).fit(2)
    coefficients = pd.read_csv(tmp_path / "o" / "coefficients.csv")
    np.testing.assert_allclose(coefficients["standard_error"], theirs.stderr.T.ravel(), rtol=1e-7)
    shares = pd.read_csv(tmp_path / "o" / "error_decomposition.csv")
    np.testing.assert_allclose(shares["share"], theirs.fevd(3).decomp.swapaxes(1, 2).ravel(), rtol=1e-6, atol=1e-12)
    forecast = pd.read_csv(tmp_path / "o" / "forecast.csv", parse_dates=["ds"])
    assert forecast["ds"].unique().tolist() == [pd.Timestamp(day) for day in ("1990-01-01", "1990-04-01", "1990-07-01")]
    assert answer.out == (tmp_path / "o" / "report.txt").read_text()


def test_an_unknown_series_has_the_nearest_names(inspect, macro):
    answer = inspect(macro, "--series", "USA")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err == "error: there is no series 'USA'; the nearest names are 'usa', \"U'SA\"\n"
    assert "the nearest names are" in inspect(macro, "--series", "' OR 1=1 --").err


def test_a_name_may_have_quotes_and_a_refused_series_is_an_answer(inspect, macro):
    answer = inspect(macro, "--series", "U'SA")
    assert answer.code == 0
    assert "refused        too short: 11 observations after the transform" in answer.out


def test_a_time_before_all_observations_is_said(inspect, macro):
    answer = inspect(macro, "--series", "usa", "--until", "1950-01-01")
    assert answer.code == 1
    assert "series 'usa' has no observation up to 1950-01-01 00:00:00" in answer.err


def test_without_a_table_it_says_so(inspect, tmp_path):
    answer = inspect(WrittenTables(tmp_path, CONF), "--series", "usa", "--from-table")
    assert answer.code == 1
    assert "observations: there is no such table yet; run the pipeline first, or name files with --data" in answer.err


def test_an_empty_table_has_no_series(inspect, tmp_path):
    made = WrittenTables(tmp_path, CONF)
    made.make_empty("observations")
    assert "there is no series 'usa': there are no observations at all" in inspect(made, "--series", "usa").err


def test_a_damaged_table_is_an_error(inspect, tmp_path):
    made = WrittenTables(tmp_path, CONF)
    made.append("observations", *rows(macro_frame()))
    made.lose_oldest_file("observations")
    answer = inspect(made, "--series", "usa")
    assert answer.code == 1
    assert "can't be read: " in answer.err


def test_wrong_usage_and_pipelines_of_rows_are_2(inspect, macro, tmp_path):
    assert inspect(macro).code == 2
    assert inspect(macro, "--series", "usa", "--data", "x.csv", "--from-table").code == 2
    assert inspect(macro, "--series", "usa", "--steps", "0").code == 2
    wines = inspect(WrittenTables(tmp_path, WINE_CONF), "--series", "usa")
    assert wines.code == 2
    assert "wine is a pipeline of rows; inspect is for series" in wines.err


def test_ids_that_are_integers_and_a_series_without_an_id(inspect, tmp_path, monkeypatch):
    values = [Field(name=name, type="double", nullable=True) for name in MACRO]
    time = Field(name="ds", type="timestamp")
    numbered = Contract(fields=(Field(name="series_id", type="long"), time, *values))
    monkeypatch.setattr("penstock.models.inspection.observations.load_contract", lambda _: numbered)
    made = WrittenTables(tmp_path / "numbered", CONF)
    made.root.mkdir()
    made.append("observations", *rows(macro_frame(), series="7"))
    assert json.loads(inspect(made, "--series", "007", "--json").out)["series_id"] == 7
    assert "there is no series 8; the nearest names are '7'" in inspect(made, "--series", "8").err
    assert "there is no series 'usa': the ids of this pipeline are integers" in inspect(made, "--series", "usa").err

    without = Contract(fields=(time, *values))
    monkeypatch.setattr("penstock.models.inspection.observations.load_contract", lambda _: without)
    single = WrittenTables(tmp_path / "single", CONF.replace("series: {{", "series: {{id: null, "))
    single.root.mkdir()
    single.append("observations", *rows(macro_frame(), series="single"))
    assert json.loads(inspect(single, "--json").out)["series_id"] == "single"
    assert inspect(single, "--series", "usa").code == 1

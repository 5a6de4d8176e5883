from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from init_runs import error_of, jobs_of, steps, written_contract
from projects import use_project

from penstock.config.loading import load_config, load_contract
from penstock.config.series_contract import check_series_contract
from penstock.interfaces.scaffold.frequency import frequency_of_times
from penstock.jobs.init_pipeline import main
from penstock.schemas.contract import Field

HEADER = "Anlage,Zeit,Last,number,Rest"
OPTIONS = ["--series-id", "Anlage", "--time", "Zeit", "--variables", "Last,number"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_sample(times, *, ids=("a",), last="1"):
    lines = [f"{series},{time},{last},{number},x" for series in ids for number, time in enumerate(times)]
    Path("s.csv").write_text("\n".join([HEADER, *lines]) + "\n")


def iso(start, periods, frequency):
    return [str(time) for time in pd.date_range(start, periods=periods, freq=frequency)]


def test_a_pipeline_of_series(folder, capsys, monkeypatch):
    write_sample([f"{day:02}.03.2024" for day in range(1, 31)], ids=("7", "8"))
    assert main(["anlage", "--sample", "s.csv", *OPTIONS]) == 0
    contract = written_contract(folder, "anlage")
    assert contract.fields == (
        Field(name="anlage", type="integer", source="Anlage"),
        Field(name="zeit", type="date", source="Zeit", format="dd.MM.yyyy"),
        Field(name="last", type="double", source="Last"),
        Field(name="number_2", type="double", source="number"),
    )
    config = load_config([Path("conf/anlage.yaml")])
    series = config.the_series
    assert (series.id, series.time, series.variables) == ("anlage", "zeit", ("last", "number_2"))
    assert (series.frequency, series.keep_lags, series.revisions) == ("D", 2, "newest")
    # One lag of 2 variables and a constant are 3 coefficients, which need 22 rows; two lags need 30: 32 observations.
    assert (config.fit.max_lags, config.fit.holdout) == (1, 0)
    assert "longest series bears (30 observations); others get fewer" in Path("conf/anlage.yaml").read_text()
    check_series_contract(contract, config)
    assert [(job, options[2:]) for job, options in jobs_of(steps(capsys))] == [
        ("fit_var", ["--data", "s.csv", "--promote"]),
        ("doctor", []),
        ("backfill", []),
        ("show_status", []),
    ]
    assert Path("data/anlage-sample.csv").read_bytes() == Path("s.csv").read_bytes()
    use_project(monkeypatch, folder)
    assert load_contract(config) == contract


@pytest.mark.parametrize(
    ("times", "frequency"),
    [
        (iso("2024-01-01", 10, "5min"), "5min"),
        (iso("2024-01-01", 10, "h"), "h"),
        (iso("2024-01-01", 10, "W-SUN"), "W-SUN"),
        (iso("2024-01-01", 30, "MS"), "MS"),
        (iso("2024-01-01", 30, "ME"), "ME"),
        (iso("2024-01-01", 12, "QS"), "QS"),
        (iso("2024-02-01", 12, "QS-FEB"), "QS-NOV"),
        (iso("2024-01-01", 12, "QE"), "QE"),
        (iso("2000-01-01", 12, "YS"), "YS"),
        ([*iso("2024-01-01", 10, "D"), "2024-02-05", *iso("2024-02-10", 5, "D")], "D"),
        ([*iso("2000-01-01", 20, "MS")[:7], *iso("2000-01-01", 20, "MS")[8:]], "MS"),
        (["2024-01-01", "2024-01-02", "2024-01-09"], "D"),
        (["2024-01-01", "2024-01-02"], None),
        (["2024-01-01 00:00", "2024-01-02 01:00", "2024-01-09 07:00", "2024-01-10 00:30"], None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_frequency_of_a_sample(folder, capsys, times, frequency):
    write_sample(times)
    code = main(["anlage", "--sample", "s.csv", *OPTIONS])
    if frequency is None:
        assert code == 2
        assert "the frequency can't be inferred; give it with --frequency" in capsys.readouterr().err
    else:
        assert code == 0
        assert load_config([Path("conf/anlage.yaml")]).the_series.frequency == frequency


def test_a_given_frequency_counts(folder):
    write_sample(["2024-01-01", "2024-01-02"])
    assert main(["anlage", "--sample", "s.csv", *OPTIONS, "--frequency", "W"]) == 0
    assert load_config([Path("conf/anlage.yaml")]).the_series.frequency == "W"


def test_times_with_offsets_are_taken_as_one_time(folder):
    times = ["2024-03-31T00:00:00+01:00", "2024-03-31T01:00:00+01:00", "2024-03-31T03:00:00+02:00"]
    write_sample(times)
    assert main(["anlage", "--sample", "s.csv", *OPTIONS]) == 0
    assert load_config([Path("conf/anlage.yaml")]).the_series.frequency == "h"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--time", "Rest"], "--time: 'Rest' is a string, expected timestamp or date"),
        (["--variables", "Last,Rest"], "--variables: 'Rest' is a string, expected double or float or integer or long"),
        (["--variables", "Last,Last"], "name a column twice"),
        (["--variables", "Last,Lust"], "has no column 'Lust'; is 'Last' meant?"),
        (["--frequency", "often"], "frequency 'often' is not supported"),
        (["--target", "Rest"], "a series takes --time and --variables, --series-id if"),
    ],
    ids=repr,
)
def test_what_is_no_series_is_refused(folder, capsys, options, said):
    write_sample(iso("2024-01-01", 10, "D"))
    assert said in error_of(capsys, "anlage", "--sample", "s.csv", *OPTIONS, *options)
    assert not Path("schemas").exists()


def test_the_distance_that_most_have_is_the_frequency():
    times = pd.DatetimeIndex(["2024-01-01 00:00", "2024-01-01 00:15", "2024-01-01 00:30", "2024-01-01 01:30"])
    assert frequency_of_times(times) == "15min"


MONTHS = [datetime(2024, month, 1) for month in range(1, 6)]


@pytest.mark.parametrize("far", [datetime(9999, 12, 31), datetime(1, 1, 1), pd.Timestamp.max.floor("D")])
@pytest.mark.parametrize("form", ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%d.%m.%Y", "parquet"])
def test_a_time_that_stands_for_an_open_end_is_left_out(folder, far, form):
    times = sorted([*MONTHS, far])
    if form == "parquet":
        frame = pa.table({"Anlage": ["a"] * 6, "Zeit": pa.array(times, pa.timestamp("us")), "Last": [1.0] * 6})
        pq.write_table(frame.append_column("number", pa.array([1.0] * 6)), "s.parquet")
    else:
        # strftime does not pad years.
        write_sample([time.strftime(form.replace("%Y", f"{time.year:04}")) for time in times])
    sample = "s.parquet" if form == "parquet" else "s.csv"
    assert main(["anlage", "--sample", sample, *OPTIONS]) == 0
    assert load_config([Path("conf/anlage.yaml")]).the_series.frequency == "MS"

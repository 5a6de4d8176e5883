"""From files with the calendars that people have to forecasts, by the commands that a person types."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.tseries import offsets
from projects import use_project
from sandbox import Sandbox

from penstock.config.loading import load_config
from penstock.jobs.fit_var import main as fit
from penstock.jobs.init_pipeline import main as init
from penstock.operations.run_stream import run_pipeline

HORIZON = 8
#: Independence Day, Labor Day, Thanksgiving, Christmas, and those of the weeks after the sample.
PAST = ["2023-05-29", "2023-07-04", "2023-09-04", "2023-11-23", "2023-12-25", "2024-01-01"]
COMING = ["2024-01-15", "2024-02-19"]


def observations(labels: list[str], *, with_id: bool) -> pd.DataFrame:
    """A stable VAR(1) of two variables."""
    random = np.random.default_rng(5)
    values = np.zeros((len(labels), 2))
    for row in range(1, len(labels)):
        values[row] = values[row - 1] @ np.array([[0.5, 0.1], [-0.2, 0.4]]) + random.normal(size=2)
    frame = pd.DataFrame({"t": labels, "x": values[:, 0].round(4) + 100, "y": values[:, 1].round(4) + 50})
    return frame.assign(id="a") if with_id else frame


def forecasts_after(
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    frame: pd.DataFrame,
    *,
    later: int,
    settings: tuple[str, ...] = (),
) -> pd.DataFrame:
    """Of `init`, `fit_var` and a backfill of the whole file, then of a stream with the last `later` rows."""
    root = sandbox.root
    known, new = frame.iloc[: len(frame) - later], frame.iloc[len(frame) - later :]
    known.to_csv(root / "s.csv", index=False)
    use_project(monkeypatch, root)
    keys = ["--series-id", "id"] if "id" in frame else []
    options = [*keys, "--time", "t", "--variables", "x,y", "--folder", str(root)]
    name = f"n{len(frame)}"
    assert init([name, "--sample", str(root / "s.csv"), *options]) == 0
    conf = Path(root / "conf" / f"{name}.yaml")
    places = [
        f"source.path={root}/inbox",
        f"tables.root={root}/tables",
        f"checkpoint={root}/checkpoint",
        f"mlflow.tracking_uri={sandbox.registry.uri}",
        "source.settle=0.5",
        f"series.horizon={HORIZON}",
        *settings,
    ]
    given = [argument for place in places for argument in ("--set", place)]
    assert fit(["--conf", str(conf), *given, "--data", str(root / "s.csv"), "--promote"]) == 0
    config = load_config([conf], overrides=places)
    sandbox.drop("s.csv", (root / "s.csv").read_bytes())
    [first] = run_pipeline(config, job="test", once=True, resume=False)
    assert sandbox.reasons("s.csv") == []
    assert (first.rows_in, first.failed) == (len(known), 0)
    sandbox.drop("later.csv", new.to_csv(index=False).encode())
    run_pipeline(config, job="test", once=True, resume=False)
    errors = [row.error for row in sandbox.rows("observations")]
    assert len(errors) == len(frame)
    assert set(errors) <= {None, "warming_up"}
    return sandbox.table("forecasts").toPandas()


def check_dates(forecasts: pd.DataFrame, times: pd.DatetimeIndex, future: pd.DatetimeIndex) -> None:
    """Each forecast is dated on the calendar's date that many steps after its cutoff, also of the last cutoff."""
    dates = times.append(future)
    assert forecasts["cutoff"].max() == times[-1]
    expected = dates[dates.get_indexer(forecasts["cutoff"]) + forecasts["step"].to_numpy()]
    assert list(forecasts["ds"]) == list(expected)


def test_business_days_with_holidays(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    offset = offsets.CDay(holidays=PAST + COMING)
    times = pd.date_range("2023-04-03", "2024-01-12", freq=offset)
    frame = observations([str(day.date()) for day in times], with_id=True)
    # The sample ends before Christmas: the last holidays are the user's to add.
    later = int((times > "2023-12-22").sum())
    holidays = f"series.holidays=[{', '.join(PAST + COMING)}]"
    forecasts = forecasts_after(sandbox, monkeypatch, frame, later=later, settings=(holidays,))
    check_dates(forecasts, times, pd.date_range("2024-01-13", periods=HORIZON, freq=offset))
    assert pd.Timestamp("2024-01-15") not in set(forecasts["ds"])


def test_quarters_of_a_file_that_is_one_series(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    times = pd.date_range("2000-01-01", periods=62, freq="QS")
    frame = observations([f"{time.year}Q{time.quarter}" for time in times], with_id=False)
    forecasts = forecasts_after(sandbox, monkeypatch, frame, later=2)
    assert set(forecasts["series_id"]) == {"single"}
    check_dates(forecasts, times, pd.date_range("2015-07-01", periods=HORIZON, freq="QS"))


def test_days_in_mid_month(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    times = pd.date_range("2015-01-01", periods=63, freq="MS") + pd.Timedelta(days=14)
    frame = observations([str(time.date()) for time in times], with_id=True)
    forecasts = forecasts_after(sandbox, monkeypatch, frame, later=3)
    future = pd.date_range("2020-04-01", periods=HORIZON, freq="MS") + pd.Timedelta(days=14)
    check_dates(forecasts, times, future)

"""The leads of windows against a plain look-up in a dict, over pandas' own calendars."""

import random
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from penstock.config.series import SeriesConfig
from penstock.series.exogenous_leads import leads_of, missing_exogenous, with_leads

HORIZON = 3
NAMES = ("price", "is_holiday")
HOLIDAYS = ("2024-03-29", "2024-04-01", "2024-05-01")
PERIODS = {
    "2QS-FEB": pd.date_range("2019-02-01", periods=14, freq="2QS-FEB"),
    "QE": pd.date_range("2019-12-31", periods=14, freq="QE"),
    "15min": pd.date_range("2024-02-29 23:07", periods=14, freq="15min"),
    "B": pd.bdate_range("2024-03-22", periods=14, freq="C", holidays=list(HOLIDAYS)),
}


def config_of(frequency: str, *, by_series: bool) -> SeriesConfig:
    exogenous = {"path": "values.csv", "columns": NAMES, "id": "shop" if by_series else None}
    holidays = HOLIDAYS if frequency == "B" else ()
    return SeriesConfig(  # type: ignore[arg-type]
        variables=("x",), frequency=frequency, horizon=HORIZON, keep_lags=1, exogenous=exogenous, holidays=holidays
    )


def drawn_values(periods: pd.DatetimeIndex, ids: list[str]) -> dict[tuple[str, pd.Timestamp], dict[str, Any]]:
    """A tenth of the rows is missing, and a tenth of the values of the others."""
    random.seed(22)
    kept = [(one, ds) for one in ids for ds in periods if random.random() > 0.1]
    return {key: {name: None if random.random() < 0.1 else random.random() for name in NAMES} for key in kept}


def text_of(ds: pd.Timestamp) -> str:
    return str(ds.date()) if ds == ds.normalize() else str(ds)


def expected(
    periods: pd.DatetimeIndex, values: dict[tuple[str, pd.Timestamp], dict[str, Any]], one: str, at: int
) -> tuple[list[float | None], str | None]:
    """The leads up to the first that is missing, and the reason."""
    leads: list[float | None] = []
    for ds in periods[at + 1 : at + 1 + HORIZON]:
        for name in NAMES:
            leads.append(values.get((one, ds), {}).get(name))
            if leads[-1] is None:
                return leads[:-1], f"missing_exogenous: {name} has no value at {text_of(ds)}"
    return leads, None


@pytest.mark.parametrize("frequency", PERIODS)
def test_the_leads_of_each_series_are_those_of_the_periods_after_its_cutoff(
    spark: SparkSession, frequency: str
) -> None:
    series, periods = config_of(frequency, by_series=frequency != "QE"), PERIODS[frequency]
    ids = ["a", "b"] if frequency != "QE" else ["all"]
    values = drawn_values(periods, ids)
    assert len({ds for _, ds in values}) > len(periods) / 2
    # None of these is of a period of the calendar, or of a series of the batch.
    other = [("a", periods[1] + pd.Timedelta("1s")), ("b", periods[2] + pd.Timedelta("17h")), ("c", periods[3])]
    rows = [(one, ds, row["price"], row["is_holiday"]) for (one, ds), row in values.items()]
    rows += [(one, ds, -1.0, -1.0) for one, ds in other if ids != ["all"]]
    random.shuffle(rows)
    frame = pd.DataFrame(rows, columns=["series_id", "ds", *NAMES])
    table = pa.Table.from_pandas(frame.assign(ds=frame["ds"].dt.tz_localize("UTC")), preserve_index=False)
    table = table.set_column(1, "ds", table["ds"].cast(pa.timestamp("us", tz="UTC")))
    if ids == ["all"]:
        table = table.drop_columns("series_id")
    asked = ids if ids != ["all"] else ["all", "others"]
    cutoffs = [(one, ds.to_pydatetime()) for one in asked for ds in periods[:-HORIZON]]
    windows = spark.createDataFrame(cutoffs, "series_id string, ds timestamp")
    joined = with_leads(windows, leads_of(spark, table, series), series, of=windows)
    found = {
        (row.series_id, row.ds): ([row[f"{name}_lead{step}"] for step in (1, 2, 3) for name in NAMES], row.why)
        for row in joined.withColumn("why", missing_exogenous(series)).collect()
    }
    assert joined.columns == ["series_id", "ds", *[f"{name}_lead{step}" for step in (1, 2, 3) for name in NAMES]]
    assert len(found) == len(cutoffs)
    for one in asked:
        for at, ds in enumerate(periods[:-HORIZON]):
            leads, why = found[one, ds.to_pydatetime()]
            wanted, reason = expected(periods, values, one if one in ids else "all", at)
            assert (leads[: len(wanted)], why) == (wanted, reason)


def test_without_any_values_the_first_of_the_first_step_is_missing(spark: SparkSession) -> None:
    series = config_of("MS", by_series=True)
    windows = spark.createDataFrame([("a", datetime(2024, 4, 1))], "series_id string, ds timestamp")
    joined = with_leads(windows, None, series, of=windows).withColumn("why", missing_exogenous(series))
    assert [row.why for row in joined.collect()] == ["missing_exogenous: price has no value at 2024-05-01"]


def test_without_exogenous_variables_windows_are_as_they_are(spark: SparkSession) -> None:
    windows = spark.range(1).select(F.lit("a").alias("series_id"))
    assert with_leads(windows, None, SeriesConfig(variables=("x",), frequency="MS"), of=windows) is windows

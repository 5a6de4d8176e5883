"""Rows of a file with one ds and different values: the stream and the fit leave out the same, and see the same lags."""

import math
import random
from datetime import datetime
from typing import Literal

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from penstock.config.series import SeriesConfig
from penstock.series.revisions import batch_windows
from penstock.sources.files import PlannedFile
from penstock.udfs.var.histories import Histories, histories

KEEP_LAGS, N_SERIES, N_MONTHS = 3, 30, 12
N_FILES = 2
#: A series, a month, a file, two values.
Row = tuple[str, datetime, int, float | None, float | None]
Window = tuple[float, ...]


def drawn_rows(seed: int) -> list[Row]:
    """Each month of a series up to three times, often in the same file and often with equal values."""
    draw = random.Random(seed)
    rows: list[Row] = []
    for series in range(N_SERIES):
        for month in range(1, N_MONTHS + 1):
            for _ in range(draw.choice([0, 1, 1, 1, 2, 2, 3])):
                # Zeros are equal whatever their sign, and a NaN is as good as a null.
                x, y = draw.choice([1.0, 1.0, 2.0, 0.0, -0.0]), draw.choice([5.0, 5.0, 5.0, None, math.nan])
                rows.append((f"{series}", datetime(2000, month, 1), draw.randrange(N_FILES), x, y))
    draw.shuffle(rows)
    return rows


def is_same(one: Row, other: Row) -> bool:
    return one[3] == other[3] and ((is_missing(one[4]) and is_missing(other[4])) or one[4] == other[4])


def is_missing(value: float | None) -> bool:
    return value is None or math.isnan(value)


def by_the_rule(rows: list[Row]) -> tuple[dict[tuple[str, datetime], Window], dict[str, int]]:
    """The complete values that count of each series and month, and of how many months a series has conflicts alone."""
    counting, lost = {}, {}
    for key in {row[:2] for row in rows}:
        of_month = [row for row in rows if row[:2] == key]
        of_files = [[row for row in of_month if row[2] == file] for file in range(N_FILES)]
        usable = [of_file[0] for of_file in of_files if of_file and all(is_same(of_file[0], row) for row in of_file)]
        if not usable:
            lost[key[0]] = lost.get(key[0], 0) + 1
        elif not is_missing(usable[-1][4]):
            counting[key] = tuple(map(float, usable[-1][3:]))  # type: ignore[arg-type]
    return counting, lost


def windows_of(counting: dict[tuple[str, datetime], Window]) -> dict[tuple[str, datetime], list[Window]]:
    """The lags of each month back to the first hole, the newest first."""
    found = {}
    for series, ds in counting:
        back = [(series, datetime(2000, ds.month - lag, 1)) for lag in range(min(KEEP_LAGS, ds.month))]
        run = next((lag for lag, key in enumerate(back) if key not in counting), len(back))
        found[series, ds] = [counting[key] for key in back[:run]]
    return found


def fitted_on(rows: list[Row]) -> Histories:
    ids, ds, files, x, y = zip(*rows, strict=True)
    columns = {"series_id": ids, "ds": pa.array(ds, pa.timestamp("us", tz="UTC")), "recency": files, "x": x, "y": y}
    return histories(pa.table(columns), variables=["x", "y"], frequency="MS")


def lags_of_fit(found: Histories) -> dict[tuple[str, datetime], list[Window]]:
    """The same as the fit has them: rows one after the other whose periods are consecutive."""
    lags = {}
    for place, name in enumerate(found.ids):
        start, end = found.offsets[place], found.offsets[place + 1]
        for row in range(start, end):
            run = 1
            while (
                run < min(KEEP_LAGS, row - start + 1) and found.periods[row - run + 1] - found.periods[row - run] < 1.5
            ):
                run += 1
            ds = found.ds[row].astype("datetime64[us]").item()
            lags[str(name), ds] = [tuple(found.levels[row - lag]) for lag in range(run)]
    return lags


@pytest.mark.parametrize("seed", range(20))
def test_the_fit_leaves_out_what_contradicts_itself(seed: int) -> None:
    rows = drawn_rows(seed)
    counting, lost = by_the_rule(rows)
    found = fitted_on(rows)
    assert lags_of_fit(found) == windows_of(counting)
    assert found.conflicts.tolist() == [lost.get(str(name), 0) for name in found.ids]
    assert sum(lost.values()) > N_SERIES / 2
    again = fitted_on(random.Random(seed).sample(rows, len(rows)))
    np.testing.assert_array_equal(again.levels, found.levels)


@pytest.mark.parametrize("revisions", ["first", "newest"])
def test_the_stream_has_the_lags_that_the_fit_has(spark: SparkSession, revisions: Literal["first", "newest"]) -> None:
    rows = drawn_rows(100)
    series = SeriesConfig(variables=("x", "y"), frequency="MS", keep_lags=KEEP_LAGS, revisions=revisions)
    given = [(name, ds, x, y, f"/inbox/{file}.csv") for name, ds, file, x, y in rows]
    observed = spark.createDataFrame(given, "series_id string, ds timestamp, x double, y double, source_file string")
    lags = spark.createDataFrame([], "series_id string, slot int, number long, ds timestamp, x double, y double")
    files = [
        PlannedFile(path=f"/inbox/{file}.csv", verdict="accepted", length=1, modified_milliseconds=file)
        for file in range(N_FILES)
    ]
    windows = batch_windows(spark, observed.repartition(5), lags, series=series, files=files).collect()
    assert len(windows) == len(rows)
    mine = {
        (row.series_id, row.ds): [(row[f"x_lag{lag}"], row[f"y_lag{lag}"]) for lag in range(row._position)]
        for row in windows
        if row._place == "new" and row._is_complete
    }
    assert mine == lags_of_fit(fitted_on(rows))
    conflicts = {(row.series_id, row.ds) for row in windows if row._place == "conflict"}
    counting = {(row.series_id, row.ds) for row in windows if row._place == "new"}
    lost = by_the_rule(rows)[1]
    assert len(conflicts - counting) == sum(lost.values())

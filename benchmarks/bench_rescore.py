"""A window scored again, compared with the backfill of the same rows; writes JSON.

Of rows: red wine as in bench_rows. Of series: a fleet, several observations of each series. In each round new files are
scored by a backfill, then by a rescore as a shadow, then by one that replaces the answers; all by one version, in one
process. The first round is discarded. Seconds are those of whole jobs less the start of Spark; `swap` is the
comparison with the answers before, and the replacement.

Usage: python benchmarks/bench_rescore.py [--rows 1000000] [--series 100000] [--periods 2] [--rounds 3] [--out FILE]
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import series_setup
from rows_setup import register_wine_model, rows_config, run_benchmark, session, wines

from penstock.config.pipeline import PipelineConfig
from penstock.operations.run_rescore import run_rescore
from penstock.operations.run_stream import run_pipeline
from penstock.pipeline.rescore.plans import RescoreRequest

FILES = 8
Window = tuple[datetime, datetime]


def rescore_seconds(config: PipelineConfig, window: Window, purpose: Literal["shadow", "replace"]) -> dict[str, float]:
    """`total`; of a replacement also `swap`, between the last chunk and its end."""
    moments = [time.perf_counter()]
    request = RescoreRequest(begin=window[0], end=window[1], version="1", purpose=purpose)
    record = run_rescore(config, request, report=lambda _: moments.append(time.perf_counter()))
    total = time.perf_counter() - moments[0]
    if record is None:
        raise SystemExit(f"the window {window} is empty")
    return {"total": total, "rows": record.rows} | ({"swap": moments[-1] - moments[-2]} if purpose == "replace" else {})


def backfill_seconds(config: PipelineConfig) -> tuple[float, Window]:
    """Of the job and the batch that it scores, and the time of that batch as a window."""
    before = time.perf_counter()
    [record] = run_pipeline(config, job="bench", once=True, resume=False)
    scored_at = record.plan.planned_at
    return time.perf_counter() - before, (scored_at, scored_at + timedelta(microseconds=1))


def rounds_of(
    config: PipelineConfig, drop: Callable[[int], Window | None], *, rounds: int
) -> dict[str, float | dict[str, float]]:
    """drop: the files of a round; its window, None for the time of the batch."""
    found: dict[str, list[float]] = {}
    rows = 0.0
    for number in range(rounds + 1):
        given = drop(number)
        backfilled, scored_at = backfill_seconds(config)
        window = given or scored_at
        shadow, replaced = (rescore_seconds(config, window, purpose) for purpose in ("shadow", "replace"))
        rows = shadow["rows"]
        measured = {
            "backfill": backfilled,
            "shadow": shadow["total"],
            "replace": replaced["total"],
            "swap": replaced["swap"],
        }
        print(number, {name: round(value, 2) for name, value in measured.items()}, flush=True)
        if number:
            for name, value in measured.items():
                found.setdefault(name, []).append(value)
    medians = {name: series_setup.spread(values) for name, values in found.items()}
    return {
        "rows": rows,
        **medians,
        "shadow_over_backfill": medians["shadow"]["median"] / medians["backfill"]["median"],
    }


def write(frame: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(path, index=False, row_group_size=max(1, len(frame) // 4))
    os.utime(path, (time.time() - 60,) * 2)


def measure_rows(folder: Path, *, rows: int, rounds: int) -> dict[str, Any]:
    config = rows_config(folder, format="parquet")
    register_wine_model(config)

    def drop(number: int) -> None:
        for file in range(FILES):
            part = wines(rows // FILES, seed=number * FILES + file)
            write(part, folder / "inbox" / f"{number}-{file}.parquet")

    return rounds_of(config, drop, rounds=rounds)


def measure_series(folder: Path, *, series: int, periods: int, rounds: int) -> dict[str, Any]:
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    series_setup.register_made_up_fleet(uri, folder, n_series=series)
    config = series_setup.series_config(folder, uri)
    ids = series_setup.ids_of(series)

    def drop(number: int) -> Window:
        # The first round has what the windows of its first cutoffs need.
        first = number and series_setup.KEEP_LAGS + number * periods
        last = series_setup.KEEP_LAGS + (number + 1) * periods
        frame = series_setup.observations(ids, first=first, n_periods=last - first)
        write(frame, folder / "inbox" / f"{number}.parquet")
        begin, end = (pd.Timestamp(moment).tz_localize("UTC") for moment in (frame["ds"].min(), frame["ds"].max()))
        return begin.to_pydatetime(), end.to_pydatetime() + timedelta(microseconds=1)

    return rounds_of(config, drop, rounds=rounds)


def measure(folder: Path, *, rows: int, series: int, periods: int, rounds: int) -> dict[str, Any]:
    os.environ["PENSTOCK_MODEL_CACHE"] = str(folder / "cache")
    os.environ["PENSTOCK_SPARK_LOG"] = str(folder / "spark.log")
    session("bench")
    of_rows, of_series = folder / "rows", folder / "series"
    for made in (of_rows, of_series):
        made.mkdir()
    return {
        "rows": measure_rows(of_rows, rows=rows, rounds=rounds),
        "series": measure_series(of_series, series=series, periods=periods, rounds=rounds),
    }


if __name__ == "__main__":
    run_benchmark("rescore", measure, description=__doc__, rows=1_000_000, series=100_000, periods=2, rounds=3)

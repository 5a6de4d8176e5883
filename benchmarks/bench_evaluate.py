"""What an evaluation costs; writes JSON.

Tables of a series pipeline are written, and not run: each micro-batch has one observation of each of `series` series,
and their forecasts of eight steps. All but the last micro-batches are evaluated before; then each of the last ones, in
one session, of which the median counts.

history_ratio: after `history` micro-batches compared with after 10, for the same new actuals; the goal is at most 1.2.
actuals_ratio: ten times the series compared with `series`, after 10 micro-batches; the goal is at most 12.

Usage: python benchmarks/bench_evaluate.py [--series 1000] [--history 1000] [--repeats 5] [--out FILE]
"""

from __future__ import annotations

import statistics
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from bench_fleet_model import HORIZON
from deltalake import write_deltalake
from rows_setup import run_benchmark
from series_setup import VARIABLES, ids_of, series_config, session, timed

from penstock.config.pipeline import PipelineConfig
from penstock.pipeline.evaluation.evaluator import Evaluator
from penstock.schemas import catalog
from penstock.schemas.table_types import Table
from penstock.storage.files import LocalStorage

QUERY = "0b5f7a52-6c1d-4d7e-9a55-3f2f1f6d9c11"
FEW, MORE_SERIES = 10, 10
STARTED = datetime(2025, 1, 1, tzinfo=UTC)


def measure(folder: Path, *, series: int, history: int, repeats: int) -> dict[str, Any]:
    few = measure_after(folder / "few", n_series=series, batches=FEW, repeats=repeats)
    many = measure_after(folder / "many", n_series=series, batches=history, repeats=repeats)
    large = measure_after(folder / "large", n_series=MORE_SERIES * series, batches=FEW, repeats=repeats)
    return {
        "series": series,
        "history": history,
        "median_seconds": {f"after_{FEW}": few, "after_history": many, "of_ten_times_the_series": large},
        "history_ratio": many / few,
        "actuals_ratio": large / few,
    }


def measure_after(folder: Path, *, n_series: int, batches: int, repeats: int) -> float:
    """Seconds of an evaluation of one micro-batch, after so many."""
    config = series_config(folder, "sqlite:///none.db")
    for number in range(batches):
        write_batch(config, number, n_series)
    spark = session("bench-evaluate")
    evaluator = Evaluator.of(spark, config, LocalStorage())
    evaluator.evaluate()
    seconds = []
    for number in range(batches, batches + repeats + 1):
        write_batch(config, number, n_series)
        seconds.append(timed(lambda: expect_pairs(evaluator, n_series * HORIZON * len(VARIABLES))))
    spark.stop()
    return statistics.median(seconds[1:])


def expect_pairs(evaluator: Evaluator, pairs: int) -> None:
    [record] = evaluator.evaluate()
    if record.pairs != pairs:
        raise SystemExit(f"{record.pairs} pairs, expected {pairs}")


def write_batch(config: PipelineConfig, number: int, n_series: int) -> None:
    """A micro-batch as a run of the pipeline leaves it: its forecasts, its observations and its marker."""
    ids, chance = ids_of(n_series), np.random.default_rng(number)
    quarters = pd.date_range("1700-01-01", periods=number + HORIZON + 1, freq="QS", tz="UTC").as_unit("us")
    made_at = STARTED + timedelta(minutes=5 * number)
    observed = pd.DataFrame({"series_id": ids, "ds": quarters[number], "error": None, "observed_at": made_at})
    for variable in VARIABLES:
        observed[variable] = chance.uniform(90, 110, n_series)
    steps = pd.MultiIndex.from_product(
        [ids.tolist(), range(1, HORIZON + 1), VARIABLES], names=["series_id", "step", "variable"]
    )
    forecasts = steps.to_frame(index=False).assign(cutoff=quarters[number], scored_at=made_at, level=0.95)
    forecasts["ds"] = quarters[number + forecasts["step"].to_numpy()]
    forecasts["forecast"] = chance.uniform(90, 110, len(forecasts))
    forecasts = forecasts.assign(lower=forecasts["forecast"] - 8, upper=forecasts["forecast"] + 8, model_version="1")
    append(config, catalog.FORECASTS, number, forecasts)
    append(config, catalog.OBSERVATIONS, number, observed)
    append(config, catalog.BATCHES, number, pd.DataFrame({"pipeline": [config.pipeline], "finished_at": [made_at]}))


def append(config: PipelineConfig, table: Table, number: int, rows: pd.DataFrame) -> None:
    stamped = rows.assign(query_id=QUERY, batch_id=np.int64(number)).convert_dtypes(dtype_backend="pyarrow")
    content = pa.Table.from_pandas(stamped, preserve_index=False)
    columns = [name for name in content.column_names if not pa.types.is_null(content[name].type)]
    typed = content.select(columns)
    if "error" in content.column_names:
        typed = typed.append_column("error", pa.nulls(len(rows), pa.string()))
    settings = {"delta.dataSkippingStatsColumns": ",".join(table.statistics)} if number == 0 else None
    write_deltalake(config.table_path(table.name), typed, mode="append", configuration=settings)


if __name__ == "__main__":
    run_benchmark("evaluate", measure, description=__doc__, series=1_000, history=1_000, repeats=5)

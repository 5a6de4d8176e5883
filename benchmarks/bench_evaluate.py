"""What an evaluation costs; writes JSON.

Pipelines of series with a history that is written, and not run (evaluation_history.py): each micro-batch has one
observation of each of `series` series, and their forecasts of eight steps, and was evaluated. Then one more micro-batch
comes and the evaluator takes it, in turn in each of the pipelines and in one session; the median counts.

history_ratio: after `history` micro-batches compared with after 10, for the same new actuals; the goal is at most 1.2.
actuals_ratio: ten times the series compared with `series`, after 10 micro-batches; the goal is at most 12.

Usage: python benchmarks/bench_evaluate.py [--series 1000] [--history 1000] [--repeats 7] [--out FILE]
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from evaluation_history import EvaluationHistory
from rows_setup import run_benchmark
from series_setup import series_config, session, spread, timed

from penstock.config.pipeline import PipelineConfig
from penstock.pipeline.evaluation.evaluator import Evaluator
from penstock.storage.files import LocalStorage

FEW, MORE_SERIES = 10, 10
#: Evaluations of each pipeline that do not count: the first ones compile.
WARM = 1


def measure(folder: Path, *, series: int, history: int, repeats: int) -> dict[str, Any]:
    spark = session("bench-evaluate")
    sizes = {"few": (series, FEW), "many": (series, history), "large": (MORE_SERIES * series, FEW)}
    histories: dict[str, EvaluationHistory] = {}
    evaluators: dict[str, Evaluator] = {}
    for name, (n_series, batches) in sizes.items():
        config: PipelineConfig = series_config(folder / name, "sqlite:///none.db")
        histories[name] = EvaluationHistory(config=config, n_series=n_series)
        evaluators[name] = Evaluator.of(spark, config, LocalStorage())
        written = timed(partial(histories[name].write, batches, evaluators[name]))
        print(f"{name}: {batches} micro-batches of {n_series} series written in {written:.1f} s", flush=True)
    seconds: dict[str, list[float]] = {name: [] for name in sizes}
    for _ in range(WARM + repeats):
        for name, made in histories.items():
            made.add_batch()
            seconds[name].append(timed(partial(expect_pairs, evaluators[name], made.pairs)))
    spark.stop()
    found = {name: spread(of_name[WARM:]) for name, of_name in seconds.items()}
    few = found["few"]["median"]
    return {
        "series": series,
        "history": history,
        "seconds": {
            f"after_{FEW}": found["few"],
            "after_history": found["many"],
            "of_ten_times_the_series": found["large"],
        },
        "history_ratio": found["many"]["median"] / few,
        "actuals_ratio": found["large"]["median"] / few,
    }


def expect_pairs(evaluator: Evaluator, pairs: int) -> None:
    [record] = evaluator.evaluate()
    if record.pairs != pairs:
        raise SystemExit(f"{record.pairs} pairs, expected {pairs}")


if __name__ == "__main__":
    run_benchmark("evaluate", measure, description=__doc__, series=1_000, history=1_000, repeats=7)

"""The windows of a series against a plain reading of the rules, one observation after the other, in Python."""

import math
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, pairwise, zip_longest

import pandas as pd
from drawing import drawn
from hypothesis import strategies as st
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from penstock.config.series import SeriesConfig
from penstock.series.windows import LAGS_VERSION, arrange, new_lags, windowed
from penstock.sources.files import PlannedFile

KEEP_LAGS = 3
SERIES = SeriesConfig(variables=("x",), frequency="MS", keep_lags=KEEP_LAGS)
STATE = "series_id string, slot int, number long, ds timestamp, x double"


@dataclass(frozen=True)
class Observation:
    """file: its place by age among the files of its batch; a higher one is newer."""

    series_id: str
    month: int
    x: float | None
    file: int = 0

    @property
    def ds(self) -> datetime:
        return datetime(2000 + self.month // 12, self.month % 12 + 1, 1)


@dataclass
class ReferenceSeries:
    """A series as the rules have it: observations in order, each with its run of consecutive complete ones."""

    months: list[int] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)
    runs: list[int] = field(default_factory=list)

    def judge(self, month: int, candidates: list[Observation], answers: list[tuple[object, ...]]) -> None:
        """Add to `answers` what becomes of the observations of one month."""
        of_files = {file: {one.x for one in candidates if one.file == file} for file in range(3)}
        answers += [(one.series_id, one.ds, "conflict", one.x) for one in candidates if len(of_files[one.file]) > 1]
        ranked = sorted(
            (one for one in candidates if len(of_files[one.file]) == 1), key=lambda one: one.file, reverse=True
        )
        if not ranked:
            return
        winner, *doubled = ranked
        answers += [(one.series_id, one.ds, "revision", one.x) for one in doubled]
        if self.months and month <= self.months[-1]:
            is_known = month in self.months[-KEEP_LAGS:]
            answers.append((winner.series_id, winner.ds, "revision" if is_known else "late", winner.x))
            return
        goes_on = bool(self.runs) and self.runs[-1] > 0 and self.months[-1] == month - 1
        run = 0 if winner.x is None else self.runs[-1] + 1 if goes_on else 1
        self.months.append(month)
        self.values.append(winner.x)
        self.runs.append(run)
        window = tuple(self.values[-1 - lag] if run > lag else None for lag in range(KEEP_LAGS))
        answers.append((winner.series_id, winner.ds, "new", winner.x, len(self.months), min(run, KEEP_LAGS), *window))


def reference(batches: list[list[Observation]]) -> list[tuple[object, ...]]:
    series: dict[str, ReferenceSeries] = defaultdict(ReferenceSeries)
    answers: list[tuple[object, ...]] = []
    for batch in batches:
        moments: dict[tuple[str, int], list[Observation]] = defaultdict(list)
        for one in batch:
            moments[one.series_id, one.month].append(one)
        for (series_id, month), candidates in sorted(moments.items()):
            series[series_id].judge(month, candidates, answers)
    return sorted(answers, key=str)


def penstock_answers(spark: SparkSession, batches: list[list[Observation]]) -> list[tuple[object, ...]]:
    """The same by `arrange`, `windowed` and `new_lags`, the state carried from batch to batch: each adds to it, and
    nothing leaves it."""
    state: list[Row] = []
    answers: list[tuple[object, ...]] = []
    for number, batch in enumerate(batches):
        rows = [(one.series_id, one.ds, one.x, f"/inbox/{one.file}.csv") for one in batch]
        observed = spark.createDataFrame(rows, "series_id string, ds timestamp, x double, source_file string")
        files = [
            PlannedFile(path=path, verdict="accepted", length=1, modified_milliseconds=int(path[7]))
            for path in sorted({row[3] for row in rows})
        ]
        lags = spark.createDataFrame(state, f"{STATE}, sequence long")
        windows = windowed(arrange(spark, observed, lags, series=SERIES, files=files), SERIES).persist()
        for row in windows.where("_place in ('late', 'revision', 'conflict')").collect():
            answers.append((row.series_id, row.ds, row._place, row.x))
        for row in windows.where("_place = 'new'").collect():
            window = tuple(row[f"x_lag{lag}"] for lag in range(KEEP_LAGS))
            run = min(row._position, KEEP_LAGS)
            answers.append((row.series_id, row.ds, "new", row.x, row._number, run, *window))
        stamped = windows.withColumns({"query_id": F.lit("q"), "batch_id": F.lit(0), LAGS_VERSION: F.lit(number)})
        state += new_lags(stamped, SERIES).drop("query_id", "batch_id").collect()
        windows.unpersist()
    return sorted(answers, key=str)


values = st.one_of(st.none(), st.integers(1, 9).map(float))
observations = st.builds(
    Observation, series_id=st.sampled_from("ab"), month=st.integers(0, 14), x=values, file=st.integers(0, 2)
)


#: Each is a series of its own beside those of the others.
EXAMPLES = 40


def beside(batches: list[list[Observation]], example: int) -> list[list[Observation]]:
    return [[replace(one, series_id=f"{example}-{one.series_id}") for one in batch] for batch in batches]


def together(examples: list[list[list[Observation]]]) -> list[list[Observation]]:
    """The first batches of all examples as one batch, then the second ones, and so on."""
    apart = [beside(batches, example) for example, batches in enumerate(examples)]
    return [list(chain(*batches)) for batches in zip_longest(*apart, fillvalue=[])]


def test_any_observations_in_any_batches(spark: SparkSession) -> None:
    batches = st.lists(st.lists(observations, min_size=1, max_size=14), min_size=1, max_size=3)
    examples = together(drawn(batches, EXAMPLES))
    assert penstock_answers(spark, examples) == reference(examples)


@st.composite
def cut_and_shuffled(draw: st.DrawFn) -> tuple[list[Observation], list[list[Observation]]]:
    """A series in order, and the same in batches, each of them in any order."""
    months = draw(st.sets(st.integers(0, 20), min_size=2, max_size=16))
    empty = draw(st.sets(st.integers(0, 20), max_size=3))
    edges = [0, *sorted(draw(st.sets(st.integers(1, 19), max_size=3))), 21]
    whole = [Observation("a", month, None if month in empty else float(month + 1)) for month in sorted(months)]
    batches = [[one for one in whole if low <= one.month < high] for low, high in pairwise(edges)]
    return whole, [draw(st.permutations(batch)) for batch in batches if batch]


def test_cuts_between_observations_in_order_change_nothing(spark: SparkSession) -> None:
    """However they are cut into batches, and shuffled within each, the answers are those of one batch."""
    examples = drawn(cut_and_shuffled(), EXAMPLES)
    cut = together([batches for _, batches in examples])
    assert penstock_answers(spark, cut) == reference(together([[whole] for whole, _ in examples]))


def test_a_smaller_keep_lags_forgets_what_a_larger_one_left(spark: SparkSession) -> None:
    """Six observations are in the state, the config keeps three now."""
    months = pd.date_range("2000-01-01", periods=6, freq="MS")
    rows = [("a", number % 6, number, ds.to_pydatetime(), float(number)) for number, ds in enumerate(months, start=1)]
    new = [("a", datetime(2000, 7, 1), 7.0, "/inbox/0.csv")]
    observed = spark.createDataFrame(new, "series_id string, ds timestamp, x double, source_file string")
    file = PlannedFile(path="/inbox/0.csv", verdict="accepted", length=1, modified_milliseconds=0)
    everything = arrange(spark, observed, spark.createDataFrame(rows, STATE), series=SERIES, files=[file])
    assert sorted(row._number for row in everything.where("_place = 'old'").collect()) == [4, 5, 6]
    [answer] = windowed(everything, SERIES).where("_place = 'new'").collect()
    assert (answer._number, answer.x_lag0, answer.x_lag1, answer.x_lag2) == (7, 7.0, 6.0, 5.0)


def test_a_nan_is_no_complete_observation(spark: SparkSession) -> None:
    new = [("a", datetime(2000, 1, 1), math.nan, "/inbox/0.csv")]
    observed = spark.createDataFrame(new, "series_id string, ds timestamp, x double, source_file string")
    file = PlannedFile(path="/inbox/0.csv", verdict="accepted", length=1, modified_milliseconds=0)
    everything = arrange(spark, observed, spark.createDataFrame([], STATE), series=SERIES, files=[file])
    [answer] = windowed(everything, SERIES).collect()
    assert (answer._position, answer._is_complete) == (0, False)


def test_a_batch_is_sorted_once(spark: SparkSession) -> None:
    """All windows of `arrange` share one order, or a beginning of it."""
    new, old = [("a", datetime(2000, 2, 1), 2.0, "/inbox/0.csv")], [("a", 1, 1, datetime(2000, 1, 1), 1.0)]
    observed = spark.createDataFrame(new, "series_id string, ds timestamp, x double, source_file string")
    arranged = arrange(spark, observed, spark.createDataFrame(old, STATE), series=SERIES, files=[])
    plan = arranged._jdf.queryExecution().executedPlan().toString()
    assert plan.count("Window [") >= 3
    assert plan.count("Sort [") == 1, plan

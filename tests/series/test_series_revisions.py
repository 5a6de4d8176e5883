"""`revisions: newest` against a plain reading of the rules: each series is a dict, and all is made from it again."""

import random
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, zip_longest

from drawing import drawn
from hypothesis import strategies as st
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F
from sandbox import current

from penstock.config.series import SeriesConfig
from penstock.series.revisions import batch_windows, changed_lags
from penstock.series.windows import LAGS_VERSION
from penstock.sources.files import PlannedFile

KEEP_LAGS = 4
SERIES = SeriesConfig(variables=("x", "y"), frequency="MS", keep_lags=KEEP_LAGS, revisions="newest")
STATE = "series_id string, slot int, number long, ds timestamp, x double, y double, sequence long"
Values = tuple[float | None, float | None]
Answer = tuple[object, ...]


@dataclass(frozen=True)
class Observation:
    """file: its place by age among the files of its batch; a higher one is newer. Its rows come from the quarantine if
    it is 0 in a batch that is a replay."""

    series_id: str
    month: int
    values: Values
    file: int = 0

    @property
    def ds(self) -> datetime:
        return moment(self.month)


@dataclass(frozen=True)
class Batch:
    observations: tuple[Observation, ...]
    is_replay: bool = False

    def is_replayed(self, one: Observation) -> bool:
        return self.is_replay and one.file == 0


def moment(month: int) -> datetime:
    return datetime(2000 + month // 12, month % 12 + 1, 1)


@dataclass
class ReferenceSeries:
    """values: by month, all that the series knows. before: how many months were forgotten before the first of them."""

    values: dict[int, Values] = field(default_factory=dict)
    before: int = 0

    @property
    def months(self) -> list[int]:
        return sorted(self.values)

    def run(self, month: int) -> int:
        """How many consecutive complete months end with this one, as far as is known."""
        length = 0
        while None not in self.values.get(month - length, (None,)) and length < KEEP_LAGS:
            length += 1
        return length

    def window(self, month: int) -> Answer:
        run = self.run(month)
        lags = [self.values[month - lag] if lag < run else (None, None) for lag in range(KEEP_LAGS)]
        return (self.before + self.months.index(month) + 1, run, *chain(*lags))

    def forget(self) -> None:
        for month in self.months[:-KEEP_LAGS]:
            del self.values[month]
            self.before += 1


def reference(batches: list[Batch]) -> tuple[list[Answer], dict[str, list[Answer]]]:
    """What becomes of each observation, with the windows that get a forecast; and the last observations of each
    series with their numbers."""
    series: dict[str, ReferenceSeries] = defaultdict(ReferenceSeries)
    answers: list[Answer] = []
    for number, batch in enumerate(batches):
        of_series: dict[str, list[Observation]] = defaultdict(list)
        for one in batch.observations:
            of_series[one.series_id].append(one)
        for series_id, observations in of_series.items():
            answers += [(number, series_id, *answer) for answer in applied(series[series_id], batch, observations)]
    return sorted(answers, key=str), {name: state_of(one) for name, one in series.items() if one.values}


def applied(series: ReferenceSeries, batch: Batch, observations: list[Observation]) -> list[Answer]:
    answers: list[Answer] = []
    known = dict(series.values)
    last, first = max(known, default=None), min(known, default=None)
    changed: list[int] = []
    new: list[int] = []
    for month in {one.month for one in observations}:
        of_month = [one for one in observations if one.month == month]
        of_files = {one.file: {other.values for other in of_month if other.file == one.file} for one in of_month}
        answers += [("conflict", one.ds, one.values) for one in of_month if len(of_files[one.file]) > 1]
        counting = [one for one in of_month if len(of_files[one.file]) == 1]
        if not counting:
            continue
        winner, *others = sorted(counting, key=lambda one: one.file, reverse=True)
        outvoted = [one for one in others if one.file < winner.file]
        answers += [("superseded", one.ds, one.values) for one in outvoted]
        if month in known:
            place = "unchanged" if known[month] == winner.values else "revised"
            if place == "revised" and batch.is_replayed(winner):
                place = "superseded"
        elif last is None or month > last:
            place = "new"
        elif first is not None and month < first and series.before:
            place = "earlier"
        else:
            place = "inserted"
        if place in ("new", "revised", "inserted"):
            series.values[month] = winner.values
        changed += [month] if place in ("revised", "inserted") else []
        new += [month] if place == "new" else []
        answers.append((place, winner.ds, winner.values))
        copied = place if place == "superseded" else "unchanged"
        answers += [(copied, one.ds, one.values) for one in others if one.file == winner.file]
    asked = set(new) | ({max(series.values)} if changed else set())
    for month in asked:
        depth = len([other for other in series.months if max(changed, default=-1) < other <= month])
        is_old = month not in new and month not in changed
        answers.append(("window", moment(month), depth if is_old else 0, *series.window(month)))
    series.forget()
    return answers


def state_of(series: ReferenceSeries) -> list[Answer]:
    numbers = [series.before + place for place in range(1, len(series.values) + 1)]
    return [
        (number, number % KEEP_LAGS, moment(month), *series.values[month])
        for number, month in zip(numbers, series.months, strict=True)
    ]


def penstock_answers(spark: SparkSession, batches: list[Batch]) -> tuple[list[Answer], dict[str, list[Answer]]]:
    """The same by `batch_windows` and `changed_lags`, the state carried from batch to batch: each adds to it, and
    nothing leaves it."""
    state: list[Row] = []
    answers: list[Answer] = []
    for number, batch in enumerate(batches):
        rows = [(one.series_id, one.ds, *one.values, f"/inbox/{one.file}.csv") for one in batch.observations]
        random.Random(number).shuffle(rows)
        schema = "series_id string, ds timestamp, x double, y double, source_file string"
        files = [planned(path, batch) for path in sorted({row[-1] for row in rows})]
        lags = spark.createDataFrame(state, STATE)
        observed = spark.createDataFrame(rows, schema).repartition(1 + number)
        windows = batch_windows(spark, observed, lags, series=SERIES, files=files)
        ours = {"query_id": F.lit("q"), "batch_id": F.lit(0), LAGS_VERSION: F.lit(number)}
        stamped = windows.withColumns(ours).persist()
        for row in stamped.collect():
            answers += [(number, row.series_id, *answer) for answer in answers_of(row)]
        state += changed_lags(stamped, SERIES).drop("query_id", "batch_id").collect()
        stamped.unpersist()
    kept: dict[str, list[Answer]] = defaultdict(list)
    for row in current(state):
        kept[row.series_id].append((row.number, row.slot, row.ds, row.x, row.y))
    return sorted(answers, key=str), {name: sorted(rows, key=str) for name, rows in kept.items()}


def planned(path: str, batch: Batch) -> PlannedFile:
    age = int(path.removeprefix("/inbox/").removesuffix(".csv"))
    if batch.is_replay and age == 0:
        return PlannedFile(path=path, verdict="replayed")
    return PlannedFile(path=path, verdict="accepted", length=1, modified_milliseconds=age + 1)


def answers_of(row: Row) -> list[Answer]:
    place = row._place
    answers: list[Answer] = [] if place == "old" else [(place, row.ds, (row.x, row.y))]
    is_asked = row._is_newest and place in ("old", "revised") and row._changed_number is not None
    if place == "new" or is_asked:
        depth = row._number - row._changed_number if place == "old" else 0
        lags = [row[f"{variable}_lag{lag}"] for lag in range(KEEP_LAGS) for variable in SERIES.variables]
        answers.append(("window", row.ds, depth, row._number, row._position, *lags))
    return answers


values = st.one_of(st.none(), st.integers(1, 3).map(float))
observations = st.builds(
    Observation,
    series_id=st.sampled_from("ab"),
    month=st.integers(0, 9),
    values=st.tuples(values, values) | st.just((1.0, 1.0)),
    file=st.integers(0, 2),
)
#: Each is a series of its own beside those of the others.
EXAMPLES = 60


def beside(batches: list[tuple[Observation, ...]], example: int) -> list[list[Observation]]:
    return [[replace(one, series_id=f"{example}-{one.series_id}") for one in batch] for batch in batches]


def test_any_observations_in_any_batches(spark: SparkSession) -> None:
    """All examples side by side: their first batches as one, then their second ones, and so on; the third is a replay
    of the quarantine."""
    batches = st.lists(st.lists(observations, min_size=1, max_size=14).map(tuple), min_size=2, max_size=5)
    apart = [beside(example, number) for number, example in enumerate(drawn(batches, EXAMPLES))]
    together = [
        Batch(tuple(chain(*parts)), is_replay=number == 2)
        for number, parts in enumerate(zip_longest(*apart, fillvalue=[]))
    ]
    (answers, state), (expected, expected_state) = penstock_answers(spark, together), reference(together)
    assert answers == expected
    assert state == {name: sorted(rows, key=str) for name, rows in expected_state.items()}
    places = {answer[2] for answer in answers}
    assert places == {"new", "revised", "inserted", "unchanged", "superseded", "conflict", "earlier", "window"}


def test_the_order_of_arrival_alone_decides(spark: SparkSession) -> None:
    """Whatever the cuts: observations one by one end in the state of one batch with a file for each of them."""
    sequences = drawn(st.permutations(range(KEEP_LAGS)).map(lambda months: [*months, months[0]]), 20)
    whole, single = [], []
    for number, months in enumerate(sequences):
        made = [
            Observation(f"{number}", month, (float(place + 1), 1.0), file=place) for place, month in enumerate(months)
        ]
        whole += made
        single.append(made)
    one_by_one = [Batch(tuple(replace(one, file=0) for one in part)) for part in zip(*single, strict=True)]
    at_once = penstock_answers(spark, [Batch(tuple(whole))])[1]
    assert penstock_answers(spark, one_by_one)[1] == at_once
    assert {len(rows) for rows in at_once.values()} == {KEEP_LAGS}

"""Pairs of two versions, shadow and canary, are judged as DuckDB does from the whole tables, in whatever parts they
come; the champion's sums do not depend on a candidate beside it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pandas as pd
from evaluations import GROUPS, SUMS, arrow_table, evaluate
from labelled_tables import Label, LabelledTables, Prediction
from pyspark.sql.types import StructType
from sandbox import Sandbox
from series_sandbox import VARIABLES, SeriesSandbox

from penstock.operations.run_evaluation import summarised
from penstock.schemas.tables import BATCHES, TableSpec, forecasts, observations
from penstock.spark.local_frames import local_frame
from penstock.spark.tables import append_once, prepare_table, stamped
from penstock.storage.delta_transactions import Transaction

OF_CANDIDATE = [
    "candidate_loss",
    "candidate_abs",
    "candidate_within",
    "candidate_failed",
    "compared_pairs",
    "compared_champion_loss",
]
ALL_GROUPS, ALL_SUMS = ["candidate", *GROUPS], [*SUMS, *OF_CANDIDATE]
NAN = float("nan")
#: Of each row: what the champion said, and where there is a pair what the candidate did.
SIDES = """
SELECT *, shadow_version IS NOT NULL AND role LIKE 'candidate%' AS is_canary,
    CASE WHEN is_canary THEN shadow_version ELSE model_version END AS champion,
    CASE WHEN is_canary THEN model_version ELSE shadow_version END AS candidate,
"""
FINITE = "CASE WHEN isfinite({0}) THEN {0} END"


def finite(name: str) -> str:
    return FINITE.format(name)


def recomputed(sql: str, **tables: Any) -> pd.DataFrame:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, table in tables.items():
            connection.register(name, table)
        found = connection.execute(sql).df()
    return found[[*ALL_GROUPS, *ALL_SUMS]].sort_values(ALL_GROUPS, ignore_index=True)


def stored(sandbox: Sandbox) -> pd.DataFrame:
    evaluations = arrow_table(f"{sandbox.location}/tables/evaluations")
    columns = ", ".join(f"sum({name})::DOUBLE AS {name}" for name in ALL_SUMS)
    return recomputed(
        f"SELECT {', '.join(ALL_GROUPS)}, {columns} FROM evaluations GROUP BY ALL", evaluations=evaluations
    )


def assert_same(found: pd.DataFrame, expected: pd.DataFrame, *, least: int) -> None:
    assert len(expected) >= least
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9, check_dtype=False)


ROWS_SQL = f"""
WITH sides AS (
    {SIDES}
    CASE WHEN is_canary THEN shadow_prediction ELSE prediction END AS p,
    CASE WHEN is_canary THEN prediction ELSE shadow_prediction END AS q
    FROM predictions
),
pairs AS (
    SELECT *, {finite("p")} AS a, {finite("q")} AS b, l.quality AS y,
        time_bucket(INTERVAL 1 HOUR, labelled_at) AS unit
    FROM sides s JOIN labels l USING (order_id)
)
SELECT unit, champion, candidate, 'quality' AS variable, NULL::INT AS step, count(*) AS pairs,
    sum((y - a) ** 2) AS champion_loss, sum(abs(y - a)) AS champion_abs, NULL::DOUBLE AS naive_abs,
    NULL::DOUBLE AS champion_within, sum((a IS NULL)::INT) AS champion_failed,
    sum(epoch_us(labelled_at) - epoch_us(scored_at)) / 1e6 AS delay_seconds, count(a) AS scored_pairs,
    sum(CASE WHEN a IS NOT NULL THEN (y - b) ** 2 END) AS candidate_loss, sum(abs(y - b)) AS candidate_abs,
    NULL::DOUBLE AS candidate_within,
    sum(CASE WHEN candidate IS NOT NULL THEN (b IS NULL)::INT END) AS candidate_failed,
    sum(CASE WHEN candidate IS NOT NULL THEN (a + b IS NOT NULL)::INT END) AS compared_pairs,
    sum(CASE WHEN b IS NOT NULL THEN (y - a) ** 2 END) AS compared_champion_loss
FROM pairs GROUP BY ALL
"""


def predictions_of(chance: random.Random, numbers: Sequence[int], *, mode: str) -> list[Prediction]:
    """mode: `alone`, before any experiment; else shadow or canary, of which half of the rows are sampled."""

    def answer() -> float | None:
        return chance.choice([chance.uniform(3, 8)] * 5 + [None, NAN])

    made = []
    for number in numbers:
        is_sampled = mode != "alone" and chance.random() < 0.6
        one = {"order_id": number, "placed": 50.0, "scored": chance.uniform(10, 40), "answer": answer()}
        if is_sampled and mode == "canary" and one["answer"] is not None:
            made.append(Prediction(**one, version="2", role="candidate", shadow_version="1", shadow_answer=answer()))
        elif is_sampled:
            made.append(Prediction(**one, shadow_version="2", shadow_answer=answer()))
        else:
            made.append(Prediction(**one))
    return made


def test_rows_of_both_versions_are_judged_as_a_recomputation_does(sandbox: Sandbox) -> None:
    """Rows without the columns of an experiment come first; labels come in other parts than their rows."""
    chance, tables = random.Random(25), LabelledTables(sandbox)
    sandbox.changes["evaluate"] = {"loss": "squared"}
    labels = [Label(order_id=n, came=chance.uniform(0, 3), value=chance.uniform(3, 8)) for n in range(90)]
    for number, mode in enumerate(("alone", "shadow", "canary")):
        tables.has_experiment = mode != "alone"
        orders = range(30 * number, 30 * number + 30)
        tables.predict("q", number, *predictions_of(chance, orders, mode=mode))
        cut = (0, 25, 70, 90)
        tables.label("l", number, *labels[cut[number] : cut[number + 1]])
        evaluate(sandbox)
    root = f"{sandbox.location}/tables"
    expected = recomputed(
        ROWS_SQL,
        predictions=arrow_table(f"{root}/predictions"),
        labels=arrow_table(str(sandbox.root / "label-tables" / "labels")),
    )
    assert_same(stored(sandbox), expected, least=6)
    pair = expected[expected["candidate"].notna()]
    assert set(zip(pair["champion"], pair["candidate"], strict=True)) == {("1", "2")}
    assert 0 < pair["compared_pairs"].sum() < pair["scored_pairs"].sum() < pair["pairs"].sum()
    # Of the champion all rows that it was asked for, and none twice; no row of it stands under the candidate.
    [summary] = summarised(sandbox.config(), is_final=False)
    assert (summary.version, summary.pairs, summary.failed) == ("1", 90, expected["champion_failed"].sum())


SCORE = """CASE WHEN {l} <= {u} AND half > 0 AND isfinite({m}) THEN
    (0.5 * abs(y - {m}) + (1 - level) / 2 * ({u} - {l}) + greatest({l} - y, 0) + greatest(y - {u}, 0)) / 1.5 / half
    END"""
SERIES_SQL = f"""
WITH sides AS (
    {SIDES}
    CASE WHEN is_canary THEN shadow_forecast ELSE forecast END AS m,
    CASE WHEN is_canary THEN shadow_lower ELSE lower END AS l,
    CASE WHEN is_canary THEN shadow_upper ELSE upper END AS u,
    CASE WHEN is_canary THEN forecast ELSE shadow_forecast END AS cm,
    CASE WHEN is_canary THEN lower ELSE shadow_lower END AS cl,
    CASE WHEN is_canary THEN upper ELSE shadow_upper END AS cu
    FROM forecasts
),
tall AS (UNPIVOT (SELECT series_id, ds, observed_at, {", ".join(VARIABLES)} FROM observations)
         ON {", ".join(VARIABLES)} INTO NAME variable VALUE y),
joined AS (
    SELECT s.*, t.y, t.observed_at, n.y AS naive, (u - l) / 2 AS half
    FROM sides s JOIN tall t USING (series_id, ds, variable)
    LEFT JOIN tall n ON n.series_id = s.series_id AND n.ds = s.cutoff AND n.variable = s.variable
),
scored AS (SELECT *, {SCORE.format(l="l", u="u", m="m")} AS loss, {SCORE.format(l="cl", u="cu", m="cm")} AS other
           FROM joined)
SELECT ds AS unit, champion, candidate, variable, step, count(*) AS pairs,
    sum(loss) AS champion_loss, sum(abs(y - {finite("m")})) AS champion_abs,
    sum(CASE WHEN isfinite(m) THEN abs(y - naive) END) AS naive_abs,
    sum(CASE WHEN loss IS NOT NULL THEN (y BETWEEN l AND u)::INT END) AS champion_within,
    sum((NOT coalesce(isfinite(m), FALSE))::INT) AS champion_failed,
    sum(epoch_us(observed_at) - epoch_us(scored_at)) / 1e6 AS delay_seconds, count(loss) AS scored_pairs,
    sum(CASE WHEN loss IS NOT NULL THEN other END) AS candidate_loss, sum(abs(y - {finite("cm")})) AS candidate_abs,
    sum(CASE WHEN loss + other IS NOT NULL THEN (y BETWEEN cl AND cu)::INT END) AS candidate_within,
    sum(CASE WHEN candidate IS NOT NULL THEN (NOT coalesce(isfinite(cm), FALSE))::INT END) AS candidate_failed,
    sum(CASE WHEN candidate IS NOT NULL THEN (loss + other IS NOT NULL)::INT END) AS compared_pairs,
    sum(CASE WHEN other IS NOT NULL THEN loss END) AS compared_champion_loss
FROM scored GROUP BY ALL
"""
START = datetime(2020, 1, 1, tzinfo=UTC)


def quarter(number: int) -> datetime:
    return datetime(2000 + number // 4, 1 + 3 * (number % 4), 1, tzinfo=UTC)


@dataclass
class ForecastTables:
    """observations and forecasts of two series; one batch brings an observation of each, and its forecasts."""

    sandbox: Sandbox
    chance: random.Random = field(default_factory=lambda: random.Random(25))

    def batch(self, number: int, *, mode: str) -> None:
        at = START + timedelta(hours=number)
        observed = [
            {
                "series_id": series,
                "ds": quarter(number),
                "observed_at": at,
                **{name: self.chance.gauss(100, 10) for name in VARIABLES},
            }
            for series in ("US", "CA")
        ]
        made = [self.forecast(series, number, step, at, mode) for series in ("US", "CA") for step in range(1, 5)]
        has_experiment = mode != "alone"
        self.write(observations(VARIABLES, has_experiment=has_experiment), number, observed)
        self.write(forecasts(has_experiment=has_experiment), number, [row for rows in made for row in rows])
        self.write(BATCHES, number, [{"pipeline": "macro"}])

    def forecast(self, series: str, number: int, step: int, at: datetime, mode: str) -> list[dict[str, Any]]:
        rows = []
        for variable in VARIABLES:
            row = {"series_id": series, "cutoff": quarter(number), "ds": quarter(number + step), "step": step}
            row |= {"variable": variable, "level": 0.8, "scored_at": at, "role": "champion", "model_version": "1"}
            row |= dict(zip(("forecast", "lower", "upper"), self.answer(), strict=True))
            if mode != "alone" and series == "US":
                row |= dict(zip(("shadow_forecast", "shadow_lower", "shadow_upper"), self.answer(), strict=True))
                row["shadow_version"] = "2"
            if mode == "canary" and series == "US":
                row |= {"model_version": "2", "shadow_version": "1", "role": "candidate_fallback"}
            if mode == "canary" and series == "CA" and number % 2:
                row |= {"model_version": "2", "role": "candidate"}  # and the champion has none
            rows.append(row)
        return rows

    def answer(self) -> tuple[float | None, float | None, float | None]:
        m, half = self.chance.gauss(100, 10), self.chance.uniform(1, 20)
        odd = [(NAN, m - half, m + half), (m, None, None), (m, m, m), (m, m + half, m - half), (None, None, None)]
        return self.chance.choice([*[(m, m - half, m + half)] * 9, *odd])

    def write(self, spec: TableSpec, number: int, rows: list[dict[str, Any]]) -> None:
        spark, path = self.sandbox.spark, f"{self.sandbox.location}/tables/{spec.name}"
        transaction = Transaction(pipeline="macro", query_id="q", batch_id=number)
        prepare_table(spark, path, spec)
        schema = StructType(spec.schema.fields[2:])
        values = [tuple(row.get(name) for name in schema.names) for row in rows]
        append_once(stamped(local_frame(spark, values, schema), transaction), path, transaction)


def test_forecasts_of_both_versions_are_judged_as_a_recomputation_does(sandbox: Sandbox) -> None:
    """The candidate's score is over the champion's width. Intervals that are missing, crossed or of no width, and
    forecasts that are no number, of either version; a canary whose champion has no forecast is the candidate's own."""
    SeriesSandbox(sandbox, "none")
    tables = ForecastTables(sandbox)
    modes = ["alone"] * 2 + ["shadow"] * 3 + ["canary"] * 3
    for number, mode in enumerate(modes):
        tables.batch(number, mode=mode)
        if number in (1, 4, 5, 7):
            evaluate(sandbox)
    root = f"{sandbox.location}/tables"
    expected = recomputed(
        SERIES_SQL, forecasts=arrow_table(f"{root}/forecasts"), observations=arrow_table(f"{root}/observations")
    )
    assert_same(stored(sandbox), expected, least=50)
    pair = expected[expected["candidate"].notna()]
    assert set(zip(pair["champion"], pair["candidate"], strict=True)) == {("1", "2")}
    assert 0 < pair["compared_pairs"].sum() < pair["scored_pairs"].sum() < pair["pairs"].sum()
    assert pair["candidate_within"].sum() > 0
    assert set(expected[expected["candidate"].isna()]["champion"]) == {"1", "2"}

"""Champion and candidate in one pass of Spark over the rows: each answers as it does alone."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType
from sample_contracts import ONE, SMALL, TIMED
from sample_models import hostile
from sandbox import WINE, TestRegistry

from penstock.config.model import ModelConfig
from penstock.errors import CandidateRefusedError, ModelRefusedError
from penstock.models.model_seconds import ModelSeconds
from penstock.models.pair_scoring import SHADOW, PairScorer
from penstock.models.pinned import PinnedModel
from penstock.models.registry import ModelVersion, Registry
from penstock.models.scorers import PairScorers, Scorers
from penstock.models.selection import pinned_model
from penstock.pipeline.pair_rows import FIRST, FIRST_ERROR, SECOND, check_types, has_less, with_answers
from penstock.pipeline.plan import PlannedExperiment
from penstock.schemas.contract import Contract, Field
from penstock.schemas.wine import CONTRACT as WINES
from penstock.udfs.scoring.outputs import ERROR, SCORED
from penstock.udfs.scoring.pair import CandidateLimits

NAME = "paired"
IN_1990, IN_3000 = datetime(1990, 1, 2, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
TIMES = [(0.5, IN_1990, date(2020, 1, 1), "a"), (1.5, IN_3000, None, "b"), (2.5, None, date(2020, 1, 1), None)]
WIDE = Contract(fields=(Field(name="n", type="integer"), Field(name="x", type="double"), Field(name="z", type="long")))


class Versions:
    """Versions of one model, by what they are made of."""

    def __init__(self, spark: SparkSession, registry: TestRegistry) -> None:
        self.spark, self.registry, self.found = spark, registry, dict[tuple[Any, ...], ModelVersion]()
        self.read = Registry(tracking_uri=registry.uri)

    def of(self, code: str, example: dict[str, Any], outputs: Any = (1.5,)) -> ModelVersion:
        key = (code, str(example), str(outputs))
        if key not in self.found:
            answer = pd.Series(outputs) if isinstance(outputs, tuple) else outputs
            version = self.registry.register(NAME, code, example=pd.DataFrame([example]), outputs=answer)
            self.found[key] = self.read.version(NAME, version)
        return self.found[key]

    def pairs(self, contract: Contract, **options: Any) -> PairScorers:
        return PairScorers(
            spark=self.spark, registry=self.read, model=ModelConfig(name=NAME), contract=contract, **options
        )

    def alone(self, version: ModelVersion, rows: DataFrame, contract: Contract) -> list[tuple[Any, ...]]:
        model = ModelConfig(name=NAME)
        scorers = Scorers(spark=self.spark, registry=self.read, model=model, contract=contract)
        return [
            tuple(row) for row in scorers.get(version).score(rows, contract).select("prediction", "error").collect()
        ]


@pytest.fixture(scope="module")
def versions(spark: SparkSession, registry: TestRegistry) -> Iterator[Versions]:
    registry.use()
    yield Versions(spark, registry)
    registry.client.delete_registered_model(NAME)


def pair_of(scorer: PairScorer) -> tuple[PinnedModel, PinnedModel]:
    return pinned_model(scorer.champion.version), pinned_model(scorer.candidate.version, role="candidate")


def experiment(mode: Any = "shadow", *, fraction: float = 1.0, key: tuple[str, ...] = ()) -> PlannedExperiment:
    return PlannedExperiment(mode=mode, fraction=fraction, key=key, salt="s", began_at=datetime.now(UTC))


def standing(scorer: PairScorer, rows: DataFrame, contract: Contract, planned: PlannedExperiment) -> list[Any]:
    answered = with_answers(rows, scorer, pair_of(scorer), contract, planned)
    return answered.select(
        "prediction", "role", "error", "shadow_version", "shadow_prediction", "shadow_error"
    ).collect()


def test_each_is_given_its_own_inputs(versions: Versions, spark: SparkSession) -> None:
    """The models say what they were given. They share one argument, and have another type of one field."""
    one = versions.of("telling", {"n": 1, "x": 1.5}, ("text",))
    other = versions.of("telling", {"z": 1, "x": 1.5, "n": 1.5}, ("text",))
    rows = spark.createDataFrame([(1, 0.5, 7), (2, 1.5, 8), (3, 2.5, 9)], "n int, x double, z long").coalesce(1)
    scorer = versions.pairs(WIDE).get((one, other))
    assert [(column.name, column.type.name) for column in scorer.arguments] == [
        ("n", "long"),
        ("x", "double"),
        ("z", "long"),
        ("n", "double"),
    ]
    found = standing(scorer, rows, WIDE, experiment())
    assert [(row.prediction, row.error) for row in found] == versions.alone(one, rows, WIDE)
    assert [(row.shadow_prediction, row.shadow_error) for row in found] == versions.alone(other, rows, WIDE)
    assert found[0].prediction == "n:int64=1 x:float64=0.5"
    assert found[0].shadow_prediction == "z:int64=7 x:float64=0.5 n:float64=1.0"


def test_a_time_that_pandas_has_no_place_for_fails_the_version_that_wants_it(
    versions: Versions, spark: SparkSession
) -> None:
    without, with_times = (
        versions.of("echo", {"x": 1.5}),
        versions.of("timed", {"x": 1.5, "at": IN_1990, "day": IN_1990}),
    )
    rows = spark.createDataFrame(TIMES, "x double, at timestamp, day date, note string").coalesce(1)
    for pair in ((without, with_times), (with_times, without)):
        found = standing(versions.pairs(TIMED).get(pair), rows, TIMED, experiment())
        assert [(row.prediction, row.error) for row in found] == versions.alone(pair[0], rows, TIMED)
        assert [(row.shadow_prediction, row.shadow_error) for row in found] == versions.alone(pair[1], rows, TIMED)


def test_spark_asks_python_once(versions: Versions, spark: SparkSession) -> None:
    """However many columns are made of both versions' answers."""
    outputs = pd.DataFrame({"score": [1.5], "is_strong": [True], "label": ["strong"]})
    one, other = versions.of("several", WINE, outputs), versions.of("several", {**WINE, "alcohol": 9.5}, outputs)
    scorer = versions.pairs(WINES).get((one, other))
    names = [field.name for field in WINES.fields]
    rows = spark.createDataFrame([tuple(WINE.values())], ", ".join(f"{name} double" for name in names))
    rows = rows.select("*", F.lit("file").alias("source_file"))
    seconds = ModelSeconds()
    planned = experiment("canary", fraction=0.5, key=("alcohol",))
    frames = [
        with_answers(rows, scorer, pair_of(scorer), WINES, planned, seconds),
        with_answers(rows, scorer, pair_of(scorer), WINES, experiment(fraction=0.5), seconds),
        scorer.answer(rows, WINES, F.lit(True)).select(f"{SCORED}.*", SHADOW, f"{SHADOW}.{ERROR}", f"{SCORED}.score"),
    ]
    for frame in frames:
        executed: Any = frame._jdf
        plan = executed.queryExecution().executedPlan().toString()
        assert plan.count("ArrowEvalPython") == 1
        assert plan.count("udf(") == 1
    assert seconds.by_role() is None


def test_several_outputs_stand_whole(versions: Versions, spark: SparkSession) -> None:
    """A text may be None, as in the answer for weak wines: a version without one answers all the same."""
    outputs = pd.DataFrame({"score": [1.5], "is_strong": [True], "label": ["strong"]})
    one, other = versions.of("several", WINE, outputs), versions.of("several", {**WINE, "alcohol": 9.5}, outputs)
    scorer = versions.pairs(WINES).get((one, other))
    names = [field.name for field in WINES.fields]
    lines = [tuple({**WINE, "alcohol": alcohol}.values()) for alcohol in (9.4, 12.0)]
    rows = spark.createDataFrame(lines, ", ".join(f"{name} double" for name in names)).coalesce(1)
    seconds = ModelSeconds()
    answered = with_answers(rows, scorer, pair_of(scorer), WINES, experiment("canary"), seconds)
    found = answered.collect()
    weak, strong = (4.7, False, None), (6.0, True, "strong")
    assert [(tuple(row.prediction), tuple(row.shadow_prediction)) for row in found] == [(weak, weak), (strong, strong)]
    assert [(row.role, row.error, row.shadow_error) for row in found] == [("candidate", None, None)] * 2
    assert answered.schema["shadow_prediction"].dataType == answered.schema["prediction"].dataType
    took = seconds.by_role()
    assert took is not None
    assert set(took) == {"champion", "candidate"}
    assert min(took.values()) > 0


def test_no_answer_beside_a_champion_that_failed_is_a_failure(spark: SparkSession) -> None:
    """Else neither an answer nor an error would stand. Where neither has failed, both have the same: nothing."""
    rows = spark.createDataFrame(
        [
            (1.0, None, None, (None, None), True),
            (None, "raised", None, (None, None), True),
            (None, "raised", 2.0, (None, "weak"), False),
            (None, None, None, (None, None), False),
        ],
        f"{FIRST} double, {FIRST_ERROR} string, {SECOND} double, several struct<score double, label string>, "
        "is_less boolean",
    )
    both = rows.select(
        has_less(DoubleType()).alias("one"),
        "is_less",
        F.struct(F.col(FIRST).alias("score"), F.lit(None).cast("string").alias("label")).alias(FIRST),
        FIRST_ERROR,
        F.col("several").alias(SECOND),
    )
    kind = both.schema[SECOND].dataType
    found = both.select("one", has_less(kind).alias("several"), "is_less").collect()
    assert [(row.one, row.several) for row in found] == [(row.is_less,) * 2 for row in found]


def test_integers_stand_as_integers(versions: Versions, spark: SparkSession) -> None:
    rows = spark.createDataFrame([(1.0, None), (2.5, None)], "x double, note string").coalesce(1)
    scorer = versions.pairs(SMALL).get(
        (versions.of("echo", {"x": 1.5}, (1,)), versions.of("tripled", {"x": 1.5}, (1,)))
    )
    found = standing(scorer, rows, SMALL, experiment("canary"))
    assert [(row.prediction, row.role) for row in found[:1]] == [(3, "candidate")]
    assert (found[1].prediction, found[1].role) == (5, "champion")
    assert "7.5" in found[1].shadow_error


def test_a_candidate_that_hangs_costs_a_worker_its_limit(versions: Versions, spark: SparkSession) -> None:
    limits = CandidateLimits(least_seconds=0.5, factor=0)
    scorer = versions.pairs(SMALL, limits=limits).get(
        (versions.of("echo", {"x": 1.5}), versions.of("hostile", {"x": 1.5}))
    )
    rows = spark.createDataFrame([(hostile.HANGS, None), (2.0, None)], "x double, note string").coalesce(1)
    found = standing(scorer, rows, SMALL, experiment("canary"))
    assert [(row.prediction, row.role, row.error) for row in found] == [
        (1808.0, "champion", None),
        (4.0, "champion", None),
    ]
    assert all("did not answer within 0.5 s" in row.shadow_error for row in found)


def test_who_is_to_blame_where_a_pair_cannot_be_built(versions: Versions) -> None:
    fine, other = versions.of("echo", {"x": 1.5}), versions.of("echo", {"sugar": 1.5})
    pairs = versions.pairs(ONE)
    gone = ModelVersion(name=NAME, version="99", source="file:///nowhere", created_milliseconds=1)
    for candidate, why in ((other, "'sugar' is in no field"), (gone, "can't be fetched")):
        with pytest.raises(CandidateRefusedError, match=why):
            pairs.get((fine, candidate))
    for candidate in (fine, other):
        with pytest.raises(ModelRefusedError, match="'sugar' is in no field"):
            pairs.get((other, candidate))
    text = versions.of("telling", {"x": 1.5}, ("text",))
    with pytest.raises(CandidateRefusedError, match=rf"{NAME}/{text.version} gives string, and .* gives double"):
        check_types(pairs.get((fine, text)))


def test_of_many_pairs_the_last_two_are_kept(versions: Versions) -> None:
    fine = versions.of("echo", {"x": 1.5})
    pairs, folders = versions.pairs(ONE), []
    others = [versions.of("tripled", {"x": 1.5 + number}) for number in range(3)]
    for other in others:
        folders.append(Path(pairs.get((fine, other)).copies.folder))
    assert [folder.exists() for folder in folders] == [False, True, True]
    assert [pairs.has((fine, other)) for other in others] == [False, True, True]

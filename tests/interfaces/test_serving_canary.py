"""A service beside a stream that runs an experiment: the same keys are answered by the same version."""

import math
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import mlflow
import numpy as np
import pandas as pd
import pytest
from free_ports import free_port
from planned_experiments import write_plan
from prometheus_client.parser import text_string_to_metric_families
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType
from sample_contracts import KEYED
from sandbox import WINE, WINE_SCORE, Sandbox, TestRegistry, wine
from series_sandbox import FITTED, VARIABLES, SeriesSandbox, expected_forecasts, quarters, register_fleet
from service import service, until

from penstock.config.experiment import first_bucket_without
from penstock.config.loading import load_contract
from penstock.config.model import ModelConfig
from penstock.config.pipeline import PipelineConfig
from penstock.errors import RegistryUnavailableError
from penstock.interfaces.rest.canary import Candidate, is_failed, may_fail
from penstock.interfaces.rest.experiment import FollowedExperiment
from penstock.interfaces.rest.key_buckets import KeyBuckets
from penstock.interfaces.rest.loading import Loader
from penstock.interfaces.rest.row_results import RowResult
from penstock.models.assignment import is_sampled
from penstock.models.guest_model import TookTooLongError
from penstock.models.in_process import LoadedModel
from penstock.models.registry import ModelVersion, Registry
from penstock.pipeline.pair_rows import FIRST, FIRST_ERROR, SECOND, has_less
from penstock.storage.routing import storage_of

ORDERS = {"contract": "schemas.wine_orders:CONTRACT"}
EXPERIMENT = {"mode": "canary", "key": ["order_id"]}
NAME = "canary-wine"


def sampled_by_spark(spark: SparkSession, orders: list[int], *, salt: str, fraction: float) -> list[bool]:
    frame = spark.createDataFrame([(order,) for order in orders], "order_id long")
    found = frame.select("order_id", is_sampled([F.col("order_id")], salt=salt, fraction=fraction).alias("is_sampled"))
    by_order = dict(found.collect())
    return [by_order[order] for order in orders]


@dataclass
class Setting:
    client: httpx.Client
    config: PipelineConfig
    spark: SparkSession
    versions: dict[str, str]

    def answer(self, *rows: dict[str, Any], **query: str) -> dict[str, Any]:
        response = self.client.post(f"/models/{NAME}/predict", json={"rows": rows}, params=query)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    def set_candidate(self, code: str) -> None:
        registry = mlflow.MlflowClient(self.config.mlflow.tracking_uri)
        registry.set_registered_model_alias(NAME, "candidate", self.versions[code])

    def canary(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.client.get("/models").json()["models"][0]["canary"]
        return found

    def metric(self, name: str) -> dict[tuple[str, ...], float]:
        families = text_string_to_metric_families(self.client.get("/metrics").text)
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return {tuple(sample.labels.values())[1:]: sample.value for sample in samples}


@pytest.fixture(scope="module")
def setting(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    versions = {
        code: registry.register(NAME, code, example=pd.DataFrame([WINE]), outputs=pd.Series([1.5]), alias=code)
        for code in ("linear", "fussy", "unloadable")
    }
    registry.client.set_registered_model_alias(NAME, "champion", versions["linear"])
    changes = ORDERS | {"model": {"name": NAME}, "experiment": EXPERIMENT}
    root = tmp_path_factory.mktemp("canary")
    config = Sandbox(root=root, spark=spark, registry=registry, changes=changes).config()
    with service(spark, config) as client:
        yield Setting(client, config, spark, versions)


def test_the_keys_of_a_canary_are_those_of_the_stream(setting: Setting) -> None:
    """Step by step: no plan, half of the keys, a shadow, a candidate that can't be loaded, a moved alias, no plan."""
    orders = list(range(-20, 180))
    rows = [wine(order_id=order) for order in orders]
    # Without a plan, or with one that has no experiment, the champion answers.
    found = setting.answer(*rows)
    assert found["model_version"] == setting.versions["linear"]
    assert {(row["role"], row["model_version"]) for row in found["rows"]} == {("champion", setting.versions["linear"])}
    assert setting.canary() is None

    setting.set_candidate("fussy")
    plan = write_plan(setting.config, 0, setting.versions["linear"], setting.versions["fussy"], fraction=0.5)
    assert plan.experiment is not None
    until(lambda: (setting.canary() or {}).get("version") == setting.versions["fussy"], "the canary runs")
    assert setting.canary() == {"version": setting.versions["fussy"], "fraction": 0.5, "problem": None}
    is_candidates = sampled_by_spark(setting.spark, orders, salt=plan.experiment.salt, fraction=0.5)
    assert 60 < sum(is_candidates) < 140
    found = setting.answer(*rows)
    assert [row["role"] for row in found["rows"]] == [("champion", "candidate")[one] for one in is_candidates]
    # By hand: fussy gives the alcohol back.
    values = [row["prediction"] for row in found["rows"]]
    assert values == pytest.approx([9.4 if one else WINE_SCORE for one in is_candidates])
    assert {row["model_version"] for row in found["rows"] if row["role"] == "candidate"} == {setting.versions["fussy"]}
    assert setting.metric("penstock_serving_candidate_rows_total") == {
        ("answered",): sum(is_candidates),
        ("failed",): 0,
    }

    # Fussy raises above 14: 10 * 14.5 + 3.51 is the champion's.
    mine, other = orders[is_candidates.index(True)], orders[is_candidates.index(False)]
    found = setting.answer(wine(order_id=mine, alcohol=14.5), wine(order_id=other, alcohol=14.5), wine(order_id=mine))
    assert [(row["role"], row["prediction"]) for row in found["rows"]] == [
        ("champion", pytest.approx(148.51)),
        ("champion", pytest.approx(148.51)),
        ("candidate", 9.4),
    ]
    assert setting.metric("penstock_serving_candidate_rows_total")["failed",] == 1
    # A version that a request names is the one that answers; a rejected row has nobody's answer.
    found = setting.answer(wine(order_id=mine), version=setting.versions["linear"])
    assert found["rows"][0]["prediction"] == pytest.approx(WINE_SCORE)
    assert (found["rows"][0]["role"], found["rows"][0]["model_version"]) == (None, setting.versions["linear"])
    [rejected] = setting.answer(wine(order_id="none"))["rows"]
    assert (rejected["role"], rejected["model_version"]) == (None, None)
    assert rejected["reasons"] == ["order_id: 'none' is not a long"]

    write_plan(setting.config, 1, setting.versions["linear"], setting.versions["fussy"], mode="shadow")
    until(lambda: setting.canary() is None, "a shadow answers nobody")
    assert {row["role"] for row in setting.answer(*rows)["rows"]} == {"champion"}

    setting.set_candidate("unloadable")
    write_plan(setting.config, 2, setting.versions["linear"], setting.versions["unloadable"])
    until(lambda: "no weights" in str(setting.canary()), "it can't be loaded")
    assert {row["role"] for row in setting.answer(*rows)["rows"]} == {"champion"}
    assert setting.metric("penstock_serving_candidate_problem") == {(): 1}

    # The pair of the plan is not the one that is served: the alias means another version by now.
    setting.set_candidate("linear")
    write_plan(setting.config, 3, setting.versions["fussy"], setting.versions["linear"])
    until(lambda: setting.metric("penstock_serving_candidate_problem") == {(): 0}, "the plan is taken")
    time.sleep(0.5)
    assert {row["role"] for row in setting.answer(*rows)["rows"]} == {"champion"}

    setting.set_candidate("fussy")
    write_plan(setting.config, 4, setting.versions["linear"], setting.versions["fussy"])
    until(lambda: {row["role"] for row in setting.answer(*rows)["rows"]} == {"candidate"}, "all keys are its own")
    shutil.rmtree(setting.config.checkpoint)
    until(lambda: {row["role"] for row in setting.answer(*rows)["rows"]} == {"champion"}, "no plan, no experiment")


def test_the_document_has_roles(setting: Setting) -> None:
    schemas = setting.client.get("/openapi.json").json()["components"]["schemas"]
    assert {"role", "model_version"} <= set(schemas["WineRowAnswer"]["properties"])
    assert "canary" in schemas["ModelSummary"]["properties"]


TEXTS = ("", " ", "a", "ä", "日本", "🐟", "a\x1fb", "null", "-1", "O'Neill", "x" * 300)


def test_assignments_of_requests_are_those_of_the_stream(spark: SparkSession, sandbox: Sandbox) -> None:
    """Random keys of all types, as JSON has them, against a query over typed columns."""
    sandbox.changes = {"contract": "sample_contracts:KEYED", "source": {"format": "json"}}
    sandbox.changes |= {"experiment": {}, "model": {"name": "any"}}
    random = np.random.default_rng(25)
    letters = [chr(number) for number in (*range(32, 127), *range(0xC0, 0x250), *range(0x4E00, 0x4E80), 0x1F41F)]
    typed = [
        (
            1.5,
            TEXTS[number] if number < len(TEXTS) else "".join(random.choice(letters, random.integers(0, 40))),
            int(random.integers(-(2**31), 2**31)),
            int(random.integers(-(2**63), 2**63, dtype=np.int64)),
            date(1, 1, 1) + timedelta(days=int(random.integers(0, 3_652_058))),
            bool(random.integers(0, 2)),
        )
        for number in range(1000)
    ]
    given = [[x, name, whole, big, f"{day:%Y-%m-%d}".zfill(10), flag] for x, name, whole, big, day, flag in typed]
    key = ("name", "whole", "big", "day", "flag")
    schema = "number int, x double, name string, whole int, big long, day date, flag boolean"
    frame = spark.createDataFrame([(number, *row) for number, row in enumerate(typed)], schema)
    for columns in (key, ("name",)):
        buckets = KeyBuckets.of(spark, sandbox.config(), KEYED, columns)
        assert buckets is not None
        mine = [bucket < first_bucket_without(0.3) for bucket in buckets(given, salt="prices/7/1700000000123")]
        sample = is_sampled([F.col(name) for name in columns], salt="prices/7/1700000000123", fraction=0.3)
        rows: list[Row] = frame.select(sample.alias("is_sampled")).orderBy("number").collect()
        assert mine == [row.is_sampled for row in rows]
        assert len(set(mine)) == 2
    assert KeyBuckets.of(spark, sandbox.config(), KEYED, ("region",)) is None


def test_series_of_a_canary(series: SeriesSandbox) -> None:
    """The candidate has one lag and the champion two: statsmodels says whose forecast it is. The second observation
    of a request is enough for one lag of differences alone."""
    registry, sandbox = series.sandbox.registry, series.sandbox
    champion = register_fleet(registry, "macro-canary", ids=("US", "CA"), lags=1)
    candidate = register_fleet(registry, "macro-canary", ids=("US", "CA"), lags=2)
    registry.client.set_registered_model_alias("macro-canary", "champion", champion)
    registry.client.set_registered_model_alias("macro-canary", "candidate", candidate)
    sandbox.changes |= {"model": {"name": "macro-canary"}, "experiment": {"mode": "canary"}}
    config = sandbox.config()
    ids = sandbox.spark.createDataFrame([("US",), ("CA",)], "series_id string")
    both: list[bool] = []
    for number in range(100):
        sampled = is_sampled([F.col("series_id")], salt=f"salt {number}", fraction=0.5)
        both = [row.is_sampled for row in ids.select(sampled.alias("is_sampled")).collect()]
        if both == [True, False]:
            break
    assert both == [True, False]
    write_plan(config, 0, champion, candidate, key=("series_id",), fraction=0.5, salt=f"salt {number}")
    rows = pd.concat([quarters(FITTED, FITTED + 4), quarters(FITTED, FITTED + 4, "CA")])
    given = rows[["series_id", "ds", *VARIABLES]].assign(ds=rows["ds"].dt.strftime("%Y-%m-%d")).to_dict("records")
    with service(sandbox.spark, config) as client:

        def canary() -> Any:
            return client.get("/models/macro-canary").json()["canary"]

        until(lambda: (canary() or {}).get("version") == candidate, "the canary runs")
        found = client.post("/models/macro-canary/predict", json={"rows": given}).json()["rows"]
    # Two lags of differences need three observations.
    assert [row["role"] for row in found] == ["champion"] * 2 + ["candidate"] * 2 + ["champion"] * 4
    assert [row["error"] for row in found] == ["warming_up", None, None, None] * 2
    for row, lags in ((found[3], 2), (found[7], 1)):
        forecasts = [step["forecast"] for step in row["forecast"]]
        truth = expected_forecasts(cutoff=FITTED + 3, lags=lags)["forecast"]
        np.testing.assert_allclose(sorted(forecasts), sorted(truth.ravel()), rtol=1e-9)


VERSION = ModelVersion(name="prices", version="8", source="s", created_milliseconds=1)


class Failing:
    """Fails a given number of times, and waits for an event."""

    def __init__(self, failures: int) -> None:
        self.failures, self.calls = failures, 0
        self.entered, self.go_on = threading.Event(), threading.Event()

    def predict(self, rows: Any) -> list[RowResult]:
        self.calls += 1
        self.entered.set()
        self.go_on.wait(20)
        if self.calls <= self.failures:
            raise TookTooLongError("no result within 10 s")
        return [RowResult(value=0.0) for _ in rows]


def test_after_a_rest_one_request_asks_again() -> None:
    now = [0.0]
    predictor = Failing(failures=1)
    predictor.go_on.set()
    candidate = Candidate(version=VERSION, predictor=predictor, clock=lambda: now[0])
    assert candidate.predict([[1.0]]) is None
    assert candidate.problem == ("models:/prices/8: no result within 10 s; the champion answers alone for 300 s")
    now[0] = 299.0
    assert candidate.predict([[1.0]]) is None
    assert predictor.calls == 1
    now[0] = 301.0
    predictor.entered.clear()
    predictor.go_on.clear()
    first = threading.Thread(target=lambda: candidate.predict([[1.0]]))
    first.start()
    assert predictor.entered.wait(20)
    assert candidate.predict([[1.0]]) is None
    assert predictor.calls == 2
    predictor.go_on.set()
    first.join()
    assert candidate.problem == ""
    assert candidate.predict([[1.0]]) == [RowResult(value=0.0)]


NUMBER, NUMBER_AND_TEXT = (True,), (True, False)
INFINITE = RowResult(error="infinite", present=(True,))


def given(*values: Any) -> RowResult:
    value = values[0] if len(values) == 1 else dict(zip("ab", values, strict=True))
    return RowResult(value=value, present=tuple(one is not None for one in values))


@pytest.mark.parametrize(
    ("candidate", "champion", "are_numbers", "is_the_champions"),
    [
        (given(1.0), given(2.0), NUMBER, False),
        (RowResult(error="raised"), given(2.0), NUMBER, True),
        (RowResult(error="raised"), RowResult(error="raised"), NUMBER, True),
        (given(None), given(2.0), NUMBER, True),
        (given(None), given(None), NUMBER, False),
        (given(None), RowResult(error="raised"), NUMBER, True),
        (given(None, "b"), RowResult(error="raised"), NUMBER_AND_TEXT, False),
        (given(None, None), RowResult(error="raised"), NUMBER_AND_TEXT, True),
        # An infinite number is one, though JSON has none.
        (INFINITE, given(2.0), NUMBER, False),
        (given(None), INFINITE, NUMBER, True),
        # A number may not be lost, a text may, but not all of them.
        (given(None, "b"), given(2.0, "b"), NUMBER_AND_TEXT, True),
        (given(None, "b"), given(None, "b"), NUMBER_AND_TEXT, False),
        (given(1.0, None), given(2.0, "b"), NUMBER_AND_TEXT, False),
        (given(None, "b"), given(2.0, None), NUMBER_AND_TEXT, True),
        (given(None, None), given(None, "b"), NUMBER_AND_TEXT, True),
        (given(None), given("a"), (False,), True),
        # A series has a forecast or none.
        (RowResult(value=[1], error="fallback: gap"), RowResult(value=[2]), NUMBER, False),
        (RowResult(error="gap"), RowResult(error="gap"), NUMBER, True),
        (RowResult(reasons=("no",)), RowResult(reasons=("no",)), NUMBER, False),
    ],
)
def test_whose_answer_stands(
    candidate: RowResult, champion: RowResult, are_numbers: tuple[bool, ...], is_the_champions: bool
) -> None:
    assert is_failed(candidate, champion, are_numbers) is is_the_champions
    # One that may not fail does not have the champion asked.
    assert may_fail(candidate, are_numbers) or not is_the_champions


def test_the_stream_has_the_same_rule(spark: SparkSession) -> None:
    """All combinations of a number and a text, by the stream's columns and by the values of a request."""
    answers = [given(number, text) for number in (None, 1.0, math.inf) for text in (None, "b")]
    kind = StructType([StructField("a", DoubleType()), StructField("b", StringType())])
    pairs = [(first, second) for first in answers for second in answers]
    rows = [(number, tuple(a.value.values()), tuple(b.value.values())) for number, (a, b) in enumerate(pairs)]
    schema = StructType([StructField("number", LongType()), StructField(FIRST, kind), StructField(SECOND, kind)])
    frame = spark.createDataFrame(rows, schema).withColumn(FIRST_ERROR, F.lit(None).cast("string"))
    found = [row.lost for row in frame.select("number", has_less(kind).alias("lost")).orderBy("number").collect()]
    assert found == [is_failed(second, first, NUMBER_AND_TEXT) for first, second in pairs]
    # By hand: with no number, or nothing at all, against the champion's number; and nothing against its text.
    assert sum(found) == 4 * 2 + 1


@dataclass
class Loads:
    """A candidate's load, which ends when the test says so. outcome: of the next ones, raised if it is an error."""

    loader: Loader
    may_end: threading.Event = field(default_factory=threading.Event)
    outcome: Exception | None = None
    asked: list[str] = field(default_factory=list)

    def __call__(self, version: ModelVersion) -> LoadedModel:
        self.asked.append(version.version)
        if version.version == "2":
            self.may_end.wait(60)
        if self.outcome is not None:
            raise self.outcome
        return self.loader.load_candidate(version)


@dataclass
class Following:
    config: PipelineConfig
    registry: TestRegistry
    loads: Loads
    experiment: FollowedExperiment
    now: list[float]

    def renewed(self, until_it_is: Callable[[FollowedExperiment], bool]) -> None:
        def is_so() -> bool:
            self.experiment.renew()
            return until_it_is(self.experiment)

        until(is_so, self.experiment.problem)

    def set_alias(self, version: str) -> None:
        self.registry.client.set_registered_model_alias("followed", "candidate", version)


@pytest.fixture
def following(spark: SparkSession, registry: TestRegistry, tmp_path: Path) -> Iterator[Following]:
    if not registry.client.search_registered_models("name = 'followed'"):
        for code in ("linear", "fussy", "fussy"):
            registry.register("followed", code, example=pd.DataFrame([WINE]), outputs=pd.Series([1.5]))
    changes = ORDERS | {"model": {"name": "followed"}, "experiment": EXPERIMENT}
    config = Sandbox(root=tmp_path, spark=spark, registry=registry, changes=changes).config()
    contract, now = load_contract(config), [0.0]
    loads = Loads(Loader(config=config, contract=contract, registry=Registry.of(config)))
    experiment = FollowedExperiment(
        config=config,
        storage=storage_of(config),
        alias=ModelConfig(name="followed", alias="candidate"),
        registry=Registry.of(config),
        load=loads,
        predictor=lambda _: Failing(0),
        buckets=lambda key: KeyBuckets.of(spark, config, contract, key),
        clock=lambda: now[0],
    )
    found = Following(config, registry, loads, experiment, now)
    found.set_alias("2")
    write_plan(config, 0, "1", "2")
    yield found
    loads.may_end.set()


def test_a_load_that_never_ends_holds_up_no_later_candidate(following: Following) -> None:
    experiment = following.experiment
    experiment.renew()
    assert experiment.problem == "models:/followed/2 is being loaded"
    following.now[0] = 601.0
    experiment.renew()
    assert experiment.problem == "models:/followed/2 can't be loaded: no result within 600 s"
    # The repaired one.
    following.set_alias("3")
    write_plan(following.config, 1, "1", "3")
    following.renewed(lambda experiment: experiment.canary is not None)
    assert experiment.candidate is not None
    assert experiment.candidate.version.version == "3"
    # What has come back late is nobody's candidate.
    following.loads.may_end.set()
    time.sleep(0.2)
    experiment.renew()
    assert experiment.candidate.version.version == "3"
    assert following.loads.asked == ["2", "3"]


def test_a_candidate_that_its_alias_has_left_answers_nobody(following: Following) -> None:
    """As after a verdict, until the stream plans a batch without it."""
    following.loads.may_end.set()
    experiment = following.experiment
    following.renewed(lambda experiment: experiment.canary is not None)
    following.registry.client.delete_registered_model_alias("followed", "candidate")
    experiment.renew()
    assert (experiment.canary, experiment.problem) == (None, "")
    following.set_alias("2")
    experiment.renew()
    assert experiment.canary is not None
    following.set_alias("3")
    experiment.renew()
    assert (experiment.canary, experiment.problem) == (None, "")
    # A registry that is away says nothing.
    following.set_alias("2")
    experiment.renew()
    away = PipelineConfig.model_validate(
        following.config.model_dump() | {"mlflow": {"tracking_uri": f"http://127.0.0.1:{free_port()}"}}
    )
    experiment.registry = Registry.of(away)
    experiment.renew()
    assert experiment.canary is not None
    assert following.loads.asked == ["2"]


def test_trouble_is_said_once(following: Following, caplog: pytest.LogCaptureFixture) -> None:
    following.loads.may_end.set()
    following.loads.outcome = RegistryUnavailableError("the registry is away")
    said = "models:/followed/2 can't be loaded now: the registry is away"
    problems = set()
    following.renewed(lambda experiment: experiment.problem == said)
    for _ in range(20):
        following.experiment.renew()
        problems.add(following.experiment.problem)
        time.sleep(0.01)
    assert problems == {said}
    assert len(following.loads.asked) > 2
    assert [record.message for record in caplog.records if said in record.message] == [
        f"wine: the champion answers alone: {said}"
    ]
    following.loads.outcome = None
    following.renewed(lambda experiment: experiment.canary is not None)
    assert following.experiment.problem == ""

"""A service beside a stream that runs an experiment: the same keys are answered by the same version."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from planned_experiments import write_plan
from prometheus_client.parser import text_string_to_metric_families
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F
from sample_contracts import KEYED
from sandbox import WINE, WINE_SCORE, Sandbox, TestRegistry, wine
from series_sandbox import FITTED, VARIABLES, SeriesSandbox, expected_forecasts, quarters, register_fleet
from service import service, until

from penstock.config.experiment import first_bucket_without
from penstock.config.pipeline import PipelineConfig
from penstock.interfaces.rest.canary import Candidate, is_failed
from penstock.interfaces.rest.key_buckets import KeyBuckets
from penstock.interfaces.rest.row_results import RowResult
from penstock.interfaces.rest.time_limit import TookTooLongError, within
from penstock.models.assignment import is_sampled
from penstock.models.registry import ModelVersion

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

    write_plan(setting.config, 2, setting.versions["linear"], setting.versions["unloadable"])
    until(lambda: "no weights" in str(setting.canary()), "it can't be loaded")
    assert {row["role"] for row in setting.answer(*rows)["rows"]} == {"champion"}
    assert setting.metric("penstock_serving_candidate_problem") == {(): 1}

    # The pair of the plan is not the one that is served: the alias means another version by now.
    write_plan(setting.config, 3, setting.versions["fussy"], setting.versions["linear"])
    until(lambda: setting.metric("penstock_serving_candidate_problem") == {(): 0}, "the plan is taken")
    time.sleep(0.5)
    assert {row["role"] for row in setting.answer(*rows)["rows"]} == {"champion"}

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


class Sleeping:
    """Takes longer than one waits."""

    calls = 0

    def predict(self, rows: Any) -> list[RowResult]:
        self.calls += 1
        time.sleep(5)
        return [RowResult(value=0.0) for _ in rows]


def test_a_candidate_that_hangs_is_left_alone() -> None:
    now = [0.0]
    predictor = Sleeping()
    candidate = Candidate(version=VERSION, predictor=predictor, max_seconds=0.05, clock=lambda: now[0])
    assert candidate.predict([[1.0]]) is None
    assert candidate.problem == ("models:/prices/8: no result within 0 s; the champion answers alone for 300 s")
    now[0] = 299.0
    assert candidate.predict([[1.0]]) is None
    assert predictor.calls == 1
    now[0] = 301.0
    assert candidate.predict([[1.0]]) is None
    assert predictor.calls == 2


def test_calls_within_a_time() -> None:
    def ends() -> None:
        raise SystemExit(3)

    assert within(5, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0)
    with pytest.raises(RuntimeError, match="ended by SystemExit: 3"):
        within(5, ends)
    with pytest.raises(TookTooLongError):
        within(0.01, lambda: time.sleep(1))


@pytest.mark.parametrize(
    ("candidate", "champion", "is_the_champions"),
    [
        (RowResult(value=1.0), RowResult(value=2.0), False),
        (RowResult(error="raised"), RowResult(value=2.0), True),
        (RowResult(error="raised"), RowResult(error="raised"), True),
        (RowResult(), RowResult(value=2.0), True),
        (RowResult(), RowResult(), False),
        (RowResult(), RowResult(error="raised"), True),
        (RowResult(value={"a": 1.0, "b": None}), RowResult(error="raised"), False),
        (RowResult(value={"a": None, "b": None}), RowResult(error="raised"), True),
        (RowResult(value={"a": 1.0, "b": None}), RowResult(value={"a": 1.0, "b": 2.0}), True),
        (RowResult(value=[1], error="fallback: gap"), RowResult(value=[2]), False),
        (RowResult(reasons=("no",)), RowResult(reasons=("no",)), False),
    ],
)
def test_whose_answer_stands(candidate: RowResult, champion: RowResult, is_the_champions: bool) -> None:
    assert is_failed(candidate, champion) is is_the_champions

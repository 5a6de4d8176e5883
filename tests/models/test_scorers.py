"""Of many promotions a process, its Python workers and its folders keep the last versions."""

import gc
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest
from pyspark import SparkFiles
from pyspark.sql import SparkSession
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.types import LongType
from sample_contracts import SMALL
from sandbox import Sandbox, TestRegistry

from penstock.config.model import ModelConfig
from penstock.interfaces.rest.loading import Loader
from penstock.interfaces.rest.versions import Versions
from penstock.models.registry import Registry, remove_unused_copies
from penstock.models.resolved import named_version
from penstock.models.scorers import LastBuilt, Scorers
from penstock.spark.added_files import remove_added_file
from penstock.udfs.scoring.model_cache import GuardedModel

NAME = "echo-promoted"
PROMOTIONS = 10


def live_models() -> int:
    gc.collect()
    return sum(isinstance(found, GuardedModel) for found in gc.get_objects())


@pytest.fixture
def versions(registry: TestRegistry) -> Iterator[TestRegistry]:
    registry.use()
    yield registry
    registry.client.delete_registered_model(NAME)


def register(registry: TestRegistry) -> None:
    example = pd.DataFrame({"x": [1.5]})
    registry.register(NAME, "echo", example=example, outputs=pd.Series([3.0]))


def live_in_workers(spark: SparkSession) -> int:
    """How many models live in the worker that has the most."""

    @pandas_udf(LongType())
    def live_in_worker(ids: pd.Series) -> pd.Series:  # the workers can't import this file
        gc.collect()
        return pd.Series([sum(isinstance(found, GuardedModel) for found in gc.get_objects())] * len(ids))

    alive = spark.range(0, 8, 1, 2).select(live_in_worker("id").alias("alive")).collect()
    return max(row.alive for row in alive)


def test_ten_promotions_leave_three_scorers_and_two_models_in_each_worker(
    spark: SparkSession, versions: TestRegistry
) -> None:
    model, registry = ModelConfig(name=NAME), Registry(tracking_uri=versions.uri)
    scorers = Scorers(spark=spark, registry=registry, model=model, contract=SMALL)
    rows = spark.createDataFrame([(1.5, None)] * 4, "x double, note string").repartition(2).cache()
    before = live_in_workers(spark)
    folders, built = [], []
    for number in range(PROMOTIONS):
        register(versions)
        scorer = scorers.get(named_version(registry, model))
        folders.append(Path(scorer.copies.folder))
        built.append(scorer.version)
        scored = scorer.score(rows, SMALL)
        assert [row.prediction for row in scored.collect()] == [3.0] * 4, number

    assert [folder.exists() for folder in folders] == [False] * 7 + [True] * 3
    assert [scorers.has(version) for version in built] == [False] * 7 + [True] * 3
    # Candidates of other tests may live in the workers.
    assert live_in_workers(spark) <= before + 2
    # A version that was let go is built again.
    again = scorers.get(built[0])
    assert [row.prediction for row in again.score(rows, SMALL).collect()] == [3.0] * 4


@dataclass(kw_only=True)
class Slow(LastBuilt[str, Any]):
    """Builds at once, but for what waits until it may."""

    begun: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    may_go_on: threading.Event = field(default_factory=threading.Event)

    def build(self, key: str, *, obsolete: Sequence[str]) -> Any:
        self.begun.append(key)
        if key == "candidate":
            assert self.may_go_on.wait(60)
        copies = SimpleNamespace(archive=None, remove=lambda spark: self.removed.append(key))
        return SimpleNamespace(key=key, copies=copies)


def test_a_champion_does_not_wait_for_a_candidate_that_is_being_built() -> None:
    """And the candidate is built once for all who ask for it meanwhile."""
    model, no_spark = ModelConfig(name=NAME), cast("SparkSession", None)
    slow = Slow(spark=no_spark, registry=Registry(tracking_uri=""), model=model, contract=SMALL)
    keys = ["champion", "before", "next", "champion"]
    slow.get("champion")
    with ThreadPoolExecutor(3) as pool:
        candidates = [pool.submit(slow.get, "candidate") for _ in range(2)]
        try:
            champions = [pool.submit(slow.get, key).result(30).key for key in keys]
        finally:
            slow.may_go_on.set()
        assert candidates[0].result(30) is candidates[1].result(30)
    assert champions == keys
    assert sorted(slow.begun) == ["before", "candidate", "champion", "next"]
    # The one that was used longest ago goes.
    assert slow.removed == ["before"]


def test_ten_promotions_leave_few_models_in_a_service(sandbox: Sandbox, versions: TestRegistry) -> None:
    sandbox.changes = {"model": {"name": NAME}, "contract": "sample_contracts:SMALL"}
    config = sandbox.config()
    registry = Registry.of(config)
    loader = Loader(config=config, contract=SMALL, registry=registry)
    served = Versions(registry=registry, model=config.model, load=loader.load)
    before = live_models()
    for number in range(1, PROMOTIONS + 1):
        register(versions)
        assert served.renew(config.model).model.version.version == str(number)
    assert live_models() - before <= 2


def test_a_file_is_taken_back_from_the_executors(spark: SparkSession, tmp_path: Path) -> None:
    files = [tmp_path / "taken-back.zip", tmp_path / "kept.zip"]
    for file in files:
        file.write_bytes(b"archive")
        spark.sparkContext.addFile(str(file))
    remove_added_file(spark, files[0].name)
    listed = [url.rsplit("/", 1)[-1] for url in spark.sparkContext.listFiles]
    assert ("kept.zip" in listed, "taken-back.zip" in listed) == (True, False)
    assert not (Path(SparkFiles.getRootDirectory()) / "taken-back.zip").exists()
    remove_added_file(spark, files[1].name)


def copy_of(cache: Path, name: str, number: int, *, age_days: float) -> Path:
    folder = cache / f"{name}-{number}-{number:024x}"
    (folder / "model").mkdir(parents=True)
    then = time.time() - age_days * 86400
    os.utime(folder, (then, then))
    return folder


def test_local_copies_of_a_model_that_nobody_uses_are_removed(tmp_path: Path) -> None:
    aged = [copy_of(tmp_path, "wine", number, age_days=100 - number) for number in range(6)]
    used = copy_of(tmp_path, "wine", 7, age_days=1)
    other = copy_of(tmp_path, "wine-2", 1, age_days=100)
    remove_unused_copies(tmp_path, "wine")
    assert [folder.exists() for folder in aged] == [False] * 4 + [True] * 2
    assert used.exists()
    assert other.exists()

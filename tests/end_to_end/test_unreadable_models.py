"""A registered version that is not an MLflow model is refused like any other: the version before stays in use."""

import logging

import pandas as pd
import pytest
from pyspark.sql import SparkSession
from sandbox import WINE, Sandbox, TestRegistry, csv_file
from snapshots import Snapshot

from penstock.errors import EnvironmentCheckError
from penstock.models.resolved import ModelAtStart
from penstock.models.warmup import preload_settings
from penstock.operations.doctor import executors

UNREADABLE = [{"requirements.txt": "mlflow\n"}, {"MLmodel": "flavors: ["}]


@pytest.fixture(scope="module", params=UNREADABLE, ids=["no MLmodel file", "broken YAML"])
def registered(
    request: pytest.FixtureRequest,
    spark: SparkSession,
    registry: TestRegistry,
    tmp_path_factory: pytest.TempPathFactory,
) -> Snapshot:
    sandbox = Sandbox(root=tmp_path_factory.mktemp("unreadable"), spark=spark, registry=registry)
    name = f"wine-{sandbox.root.name}"
    registry.register(name, "linear", example=pd.DataFrame([WINE]), outputs=pd.Series([1.5]))
    sandbox.changes = {"model": {"name": name}}
    sandbox.drop("a.csv", csv_file(WINE))
    sandbox.run()
    registry.register_files(name, request.param)
    return Snapshot.of(sandbox)


@pytest.fixture
def unreadable(registered: Snapshot) -> Sandbox:
    """A pipeline with one finished batch, of version 1; since then the alias points to version 2."""
    return registered.restored()


def test_the_version_before_goes_on_after_a_restart(unreadable: Sandbox) -> None:
    unreadable.drop("b.csv", csv_file(WINE))
    [record] = unreadable.run()
    assert (record.accepted, record.failed, record.plan.champion.version) == (1, 0, "1")
    assert "has no MLmodel file that can be read" in record.plan.refused_versions["2"]


def test_the_executors_are_not_compared_with_it(
    unreadable: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(executors, "is_local", lambda master: False)
    config = unreadable.config()
    with caplog.at_level(logging.WARNING, logger="penstock.operations.doctor.executors"):
        executors.check_executors(unreadable.spark, config, ModelAtStart.of(config))
    assert "were not compared with the model" in caplog.text
    assert "has no MLmodel file that can be read" in caplog.text


def test_no_library_is_imported_for_it(unreadable: Sandbox) -> None:
    assert preload_settings(ModelAtStart.of(unreadable.config())) == {}


def test_with_no_version_before_it_the_job_says_what_to_do(sandbox: Sandbox) -> None:
    sandbox.registry.client.create_registered_model("wine-never-readable")
    sandbox.registry.register_files("wine-never-readable", UNREADABLE[0])
    sandbox.changes = {"model": {"name": "wine-never-readable"}}
    said = (
        r"model: .*/wine-never-readable-1-\w+/model has no MLmodel file that can be read: .*log and register the model"
    )
    with pytest.raises(EnvironmentCheckError, match=said):
        sandbox.run()

"""Models are code: only versions that the config trusts are loaded, else the version before stays in use."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow.models import infer_signature
from pyspark.sql import SparkSession
from sandbox import WINE, WINE_SCORE, Sandbox, TestRegistry, csv_file
from sklearn.linear_model import LinearRegression
from snapshots import Snapshot

from penstock.config.pipeline import PipelineConfig
from penstock.errors import EnvironmentCheckError, ModelRefusedError
from penstock.models.registry import Registry
from penstock.models.resolved import ModelAtStart, named_version
from penstock.models.trust import artifact_digest
from penstock.operations.doctor.checks import check_model
from penstock.udfs.scoring.pickled import VARIABLE, pickle_allowed

ONE = pd.DataFrame([WINE])
BEGUN = "wine-trusted"


def register(sandbox: Sandbox, name: str, code: str) -> str:
    return sandbox.registry.register(name, code, example=ONE, outputs=pd.Series([1.5]))


def use(sandbox: Sandbox, name: str, **settings: Any) -> None:
    sandbox.changes = {"model": {"name": name, **settings}}


def local_copy(config: PipelineConfig) -> Path:
    registry = Registry.of(config)
    return registry.local_copy(named_version(registry, config.model))


def digest(config: PipelineConfig) -> str:
    return artifact_digest(local_copy(config))


@pytest.fixture(scope="module")
def first_batch(shared_sandbox: Sandbox) -> Snapshot:
    shared_sandbox.registry.register(BEGUN, "linear", example=ONE, outputs=pd.Series([1.5]))
    shared_sandbox.changes = {"model": {"name": BEGUN}}
    shared_sandbox.drop("a.csv", csv_file(WINE))
    shared_sandbox.run()
    return Snapshot.of(shared_sandbox)


@pytest.fixture
def begun(first_batch: Snapshot) -> Sandbox:
    """A pipeline that has scored a.csv by version 1 of the model BEGUN, to which the alias points again."""
    sandbox = first_batch.restored()
    sandbox.registry.client.set_registered_model_alias(BEGUN, "champion", "1")
    return sandbox


def test_a_version_with_another_digest_is_refused_and_the_one_before_goes_on(begun: Sandbox) -> None:
    allowed = [digest(begun.config())]
    use(begun, BEGUN, allowed_sha256=allowed)
    second = register(begun, BEGUN, "fussy")
    found = digest(begun.config())
    for name in ("b.csv", "c.csv"):
        begun.drop(name, csv_file(WINE))
        begun.run()
    assert [row.model_version for row in begun.rows("predictions")] == ["1"] * 3
    records = sorted(begun.rows("batches"), key=lambda row: row.batch_id)
    assert [set(record.refused_versions) for record in records] == [set(), {second}, {second}]
    said = records[2].refused_versions[second]
    assert f"have the SHA-256 {found}, which is not in model.allowed_sha256. Add it there" in said

    use(begun, BEGUN, allowed_sha256=[*allowed, found])
    begun.drop("d.csv", csv_file(WINE))
    begun.run()
    [row] = begun.rows("predictions", file="d.csv")
    assert (row.model_version, row.prediction) == (second, 9.4)


def test_nothing_is_planned_where_neither_the_new_version_nor_the_one_before_can_be_used(begun: Sandbox) -> None:
    """A batch planned with the one before could never be finished, whatever is registered later."""
    register(begun, BEGUN, "broken")
    allowed = [digest(begun.config())]
    use(begun, BEGUN, allowed_sha256=allowed)
    begun.drop("b.csv", csv_file(WINE))
    with pytest.raises(
        ModelRefusedError, match=r"version 1, used before it, can't be used any more: it failed on 1 of"
    ):
        begun.run()
    third = register(begun, BEGUN, "fussy")
    use(begun, BEGUN)
    use(begun, BEGUN, allowed_sha256=[*allowed, digest(begun.config())])
    [record] = begun.run()
    assert (record.accepted, record.plan.champion.version) == (1, third)


def test_without_rows_a_version_before_that_is_no_longer_allowed_does_not_go_on(begun: Sandbox) -> None:
    second = register(begun, BEGUN, "fussy")
    use(begun, BEGUN, allowed_sha256=[digest(begun.config())])
    begun.drop("b.csv", csv_file())
    [record] = begun.run()
    assert record.plan.champion.version == second


def test_with_no_version_before_it_the_job_ends(sandbox: Sandbox) -> None:
    use(sandbox, sandbox.registry.wine_model(), allowed_sha256=["0" * 64])
    sandbox.drop("a.csv", csv_file(WINE))
    with pytest.raises(
        EnvironmentCheckError, match=r"model: the files of models:/wine-linear/1 have the SHA-256 \w{64}"
    ):
        sandbox.run()


def test_a_cached_copy_that_was_changed_is_seen(sandbox: Sandbox) -> None:
    register(sandbox, "wine-cached", "linear")
    use(sandbox, "wine-cached")
    use(sandbox, "wine-cached", allowed_sha256=[digest(sandbox.config())])
    sandbox.drop("a.csv", csv_file(WINE))
    sandbox.run()

    folder = local_copy(sandbox.config())
    code = folder / "linear.py"
    code.write_text(code.read_text().replace("10 *", "1000 *"))
    sandbox.drop("b.csv", csv_file(WINE))
    with pytest.raises(EnvironmentCheckError, match=f"the copy in {folder} was changed: remove that folder"):
        sandbox.run()
    assert not sandbox.rows("predictions", file="b.csv")

    folder.rename(folder.with_name("changed"))
    sandbox.run()
    assert [row.prediction for row in sandbox.rows("predictions")] == pytest.approx([WINE_SCORE] * 2)


def test_a_version_logged_with_other_packages_is_refused_at_a_restart_too(begun: Sandbox) -> None:
    second = register(begun, BEGUN, "fussy")
    with (local_copy(begun.config()) / "requirements.txt").open("a") as requirements:
        requirements.write("\nabsent-package==1\n")
    for name in ("b.csv", "c.csv"):
        begun.drop(name, csv_file(WINE))
        [record] = begun.run()
        assert record.plan.champion.version == "1"
        assert "needs absent-package==1, not installed here" in record.plan.refused_versions[second]


def log_sklearn(**options: Any) -> Any:
    model = LinearRegression().fit(ONE, [5.0])
    return mlflow.sklearn.log_model(model, name="model", signature=infer_signature(ONE, pd.Series([5.0])), **options)


class Pickled(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined, unused-ignore]
    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.Series:
        return model_input["alcohol"]


def log_instance(**options: Any) -> Any:
    signature = infer_signature(ONE, pd.Series([5.0]))
    return mlflow.pyfunc.log_model(name="model", python_model=Pickled(), signature=signature, **options)


def register_logged(registry: TestRegistry, name: str, log: Callable[..., Any], **options: Any) -> str:
    registry.use()
    with pickle_allowed(True), mlflow.start_run():
        info = log(registered_model_name=name, pip_requirements=["mlflow"], **options)
    version = str(info.registered_model_version)
    registry.client.set_registered_model_alias(name, "champion", version)
    return version


def test_a_pickled_model_is_refused_unless_the_config_allows_it(sandbox: Sandbox) -> None:
    register_logged(sandbox.registry, "wine-pickled", log_sklearn, serialization_format="cloudpickle")
    use(sandbox, "wine-pickled")
    sandbox.drop("a.csv", csv_file(WINE))
    said = r"would run code from its files when loaded: it is a scikit-learn model saved by cloudpickle; log it with"
    with pytest.raises(EnvironmentCheckError, match=said):
        sandbox.run()
    use(sandbox, "wine-pickled", allow_pickle=True)
    sandbox.run()
    assert [row.prediction for row in sandbox.rows("predictions")] == pytest.approx([5.0])


def test_a_skops_model_needs_no_permission(sandbox: Sandbox) -> None:
    register_logged(sandbox.registry, "wine-skops", log_sklearn, serialization_format="skops")
    use(sandbox, "wine-skops")
    sandbox.drop("a.csv", csv_file(WINE))
    sandbox.run()
    assert [row.prediction for row in sandbox.rows("predictions")] == pytest.approx([5.0])


def test_a_pickled_python_model_is_refused_and_the_one_before_goes_on(begun: Sandbox) -> None:
    second = register_logged(begun.registry, BEGUN, log_instance)
    begun.drop("b.csv", csv_file(WINE))
    [record] = begun.run()
    assert record.plan.champion.version == "1"
    assert "it is a PythonModel saved by cloudpickle" in record.plan.refused_versions[second]


def test_a_version_that_can_not_be_loaded_is_refused(begun: Sandbox) -> None:
    second = register(begun, BEGUN, "unloadable")
    begun.drop("b.csv", csv_file(WINE))
    [record] = begun.run()
    assert record.plan.champion.version == "1"
    assert record.plan.refused_versions == {second: "it can't be loaded: OSError: there are no weights here"}


def test_a_pinned_version_stays_when_the_alias_moves(sandbox: Sandbox) -> None:
    first = register(sandbox, "wine-pinned", "linear")
    register(sandbox, "wine-pinned", "fussy")
    use(sandbox, "wine-pinned", version=first)
    sandbox.drop("a.csv", csv_file(WINE))
    sandbox.run()
    assert [row.prediction for row in sandbox.rows("predictions")] == pytest.approx([WINE_SCORE])


def test_a_pinned_version_that_is_not_there(sandbox: Sandbox) -> None:
    use(sandbox, sandbox.registry.wine_model(), version="99")
    with pytest.raises(EnvironmentCheckError, match="the registry has no version 99 of 'wine-linear'"):
        sandbox.run()


def test_the_doctor_prints_the_digest(sandbox: Sandbox) -> None:
    use(sandbox, sandbox.registry.wine_model())
    config = sandbox.config()
    line = check_model(config, ModelAtStart.of(config), with_digest=True)
    assert line.startswith(f"wine-linear@champion is version 1, SHA-256 {digest(config)}, 11 inputs")


def test_pickle_is_off_in_the_driver_and_in_the_workers(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    name = VARIABLE
    assert os.environ[name] == "false"
    assert spark.sparkContext.parallelize([0], 1).map(lambda _: os.environ.get(name)).collect() == ["false"]

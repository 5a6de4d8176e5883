"""Models are code: only versions that the config trusts are loaded, and the version before them goes on."""

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

from penstock.config.pipeline import PipelineConfig
from penstock.errors import EnvironmentCheckError, ModelRefusedError
from penstock.models.registry import Registry
from penstock.models.resolved import ModelAtStart, named_version
from penstock.models.trust import artifact_digest
from penstock.operations.doctor.checks import check_model
from penstock.udfs.scoring.pickled import VARIABLE, pickle_allowed

ONE = pd.DataFrame([WINE])


def register(sandbox: Sandbox, name: str, code: str) -> str:
    return sandbox.registry.register(name, code, example=ONE, outputs=pd.Series([1.5]))


def use(sandbox: Sandbox, name: str, **settings: Any) -> None:
    sandbox.changes = {"model": {"name": name, **settings}}


def local_copy(config: PipelineConfig) -> Path:
    registry = Registry.of(config)
    return registry.local_copy(named_version(registry, config.model))


def digest(config: PipelineConfig) -> str:
    return artifact_digest(local_copy(config))


def test_a_version_with_another_digest_is_refused_and_the_one_before_goes_on(sandbox: Sandbox) -> None:
    first = register(sandbox, "wine-listed", "linear")
    use(sandbox, "wine-listed")
    allowed = [digest(sandbox.config())]
    use(sandbox, "wine-listed", allowed_sha256=allowed)
    sandbox.drop("a.csv", csv_file(WINE))
    sandbox.run()

    second = register(sandbox, "wine-listed", "fussy")
    found = digest(sandbox.config())
    for name in ("b.csv", "c.csv"):
        sandbox.drop(name, csv_file(WINE))
        sandbox.run()
    assert [row.model_version for row in sandbox.rows("predictions")] == [first] * 3
    records = sorted(sandbox.rows("batches"), key=lambda row: row.batch_id)
    assert [set(record.refused_versions) for record in records] == [set(), {second}, {second}]
    said = records[2].refused_versions[second]
    assert f"have the SHA-256 {found}, which is not in model.allowed_sha256. Add it there" in said

    use(sandbox, "wine-listed", allowed_sha256=[*allowed, found])
    sandbox.drop("d.csv", csv_file(WINE))
    sandbox.run()
    [row] = sandbox.rows("predictions", file="d.csv")
    assert (row.model_version, row.prediction) == (second, 9.4)


def test_nothing_is_planned_where_neither_the_new_version_nor_the_one_before_can_be_used(sandbox: Sandbox) -> None:
    """A batch planned with the one before could never be finished, whatever is registered later."""
    name = "wine-none-left"
    register(sandbox, name, "linear")
    use(sandbox, name)
    sandbox.drop("a.csv", csv_file(WINE))
    sandbox.run()
    register(sandbox, name, "broken")
    allowed = [digest(sandbox.config())]
    use(sandbox, name, allowed_sha256=allowed)
    sandbox.drop("b.csv", csv_file(WINE))
    with pytest.raises(
        ModelRefusedError, match=r"version 1, used before it, can't be used any more: it failed on 1 of"
    ):
        sandbox.run()
    third = register(sandbox, name, "fussy")
    use(sandbox, name)
    use(sandbox, name, allowed_sha256=[*allowed, digest(sandbox.config())])
    [record] = sandbox.run()
    assert (record.accepted, record.plan.champion.version) == (1, third)


def test_without_rows_a_version_before_that_is_no_longer_allowed_does_not_go_on(sandbox: Sandbox) -> None:
    register(sandbox, "wine-no-longer", "linear")
    use(sandbox, "wine-no-longer")
    sandbox.drop("a.csv", csv_file(WINE))
    sandbox.run()
    second = register(sandbox, "wine-no-longer", "fussy")
    use(sandbox, "wine-no-longer", allowed_sha256=[digest(sandbox.config())])
    sandbox.drop("b.csv", csv_file())
    [record] = sandbox.run()
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


def test_a_version_logged_with_other_packages_is_refused_at_a_restart_too(sandbox: Sandbox) -> None:
    first = register(sandbox, "wine-packages", "linear")
    use(sandbox, "wine-packages")
    sandbox.drop("a.csv", csv_file(WINE))
    sandbox.run()
    second = register(sandbox, "wine-packages", "fussy")
    with (local_copy(sandbox.config()) / "requirements.txt").open("a") as requirements:
        requirements.write("\nabsent-package==1\n")
    for name in ("b.csv", "c.csv"):
        sandbox.drop(name, csv_file(WINE))
        [record] = sandbox.run()
        assert record.plan.champion.version == first
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


def test_a_pickled_python_model_is_refused_and_the_one_before_goes_on(sandbox: Sandbox) -> None:
    first = register(sandbox, "wine-instance", "linear")
    use(sandbox, "wine-instance")
    sandbox.drop("a.csv", csv_file(WINE))
    sandbox.run()
    second = register_logged(sandbox.registry, "wine-instance", log_instance)
    sandbox.drop("b.csv", csv_file(WINE))
    [record] = sandbox.run()
    assert record.plan.champion.version == first
    assert "it is a PythonModel saved by cloudpickle" in record.plan.refused_versions[second]


def test_a_version_that_can_not_be_loaded_is_refused(sandbox: Sandbox) -> None:
    first = register(sandbox, "wine-unloadable", "linear")
    use(sandbox, "wine-unloadable")
    sandbox.drop("a.csv", csv_file(WINE))
    sandbox.run()
    second = register(sandbox, "wine-unloadable", "unloadable")
    sandbox.drop("b.csv", csv_file(WINE))
    [record] = sandbox.run()
    assert record.plan.champion.version == first
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

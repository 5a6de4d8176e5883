"""Which version answers, over a real registry; no Spark is needed for that."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from sandbox import WINE, TestRegistry
from served_registry import ServedRegistry, Server

from penstock.config.loading import load_contract
from penstock.config.pipeline import PipelineConfig
from penstock.errors import ModelRefusedError, RegistryUnavailableError
from penstock.interfaces.rest.errors import NotReadyError, TooOftenError, UnknownNameError
from penstock.interfaces.rest.loading import Loader
from penstock.interfaces.rest.versions import MAX_OTHERS, MAX_OTHERS_A_MINUTE, Versions
from penstock.models.registry import Registry
from penstock.models.trust import artifact_digest

ONE = pd.DataFrame([WINE])


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def versions_of(uri: str, name: str, clock: Clock | None = None, **model: Any) -> Versions:
    config = PipelineConfig.model_validate(
        {
            "pipeline": "wine",
            "workload": "rows",
            "source": {"path": "inbox"},
            "contract": "schemas.wine:CONTRACT",
            "model": {"name": name, **model},
            "tables": {"root": "tables"},
            "checkpoint": "checkpoint",
            "mlflow": {"tracking_uri": uri},
        }
    )
    registry = Registry.of(config)
    loader = Loader(config=config, contract=load_contract(config), registry=registry)
    return Versions(registry=registry, model=config.model, load=loader.load, clock=clock or Clock())


def register(registry: TestRegistry, name: str, code: str, *, alias: str = "champion", outputs: Any = None) -> str:
    answer = pd.Series([1.5]) if outputs is None else outputs
    return registry.register(name, code, example=ONE, outputs=answer, alias=alias)


def test_an_alias_that_moves_takes_effect_at_the_next_look(registry: TestRegistry) -> None:
    first = register(registry, "v-moves", "linear")
    versions = versions_of(registry.uri, "v-moves")
    with pytest.raises(NotReadyError, match="v-moves@champion is not loaded: it will be in a moment"):
        versions.choose()
    versions.renew_all()
    assert versions.choose().version.version == first
    second = register(registry, "v-moves", "fussy")
    assert versions.choose().version.version == first
    versions.renew_all()
    assert versions.choose().version.version == second
    assert not versions.default.problem


def test_a_refused_version_leaves_the_one_before(registry: TestRegistry) -> None:
    first = register(registry, "v-refused", "linear")
    versions = versions_of(registry.uri, "v-refused")
    versions.renew_all()
    second = register(registry, "v-refused", "unloadable")
    for _ in range(2):
        versions.renew_all()
        assert versions.choose().version.version == first
        assert versions.default.problem == (
            f"models:/v-refused/{second} can't be loaded: OSError: there are no weights here"
        )
    with pytest.raises(ModelRefusedError, match="there are no weights here"):
        versions.choose(version=second)
    registry.client.set_registered_model_alias("v-refused", "champion", first)
    versions.renew_all()
    assert not versions.default.problem


def test_a_version_that_is_no_model_leaves_the_one_before(registry: TestRegistry) -> None:
    first = register(registry, "v-unreadable", "linear")
    versions = versions_of(registry.uri, "v-unreadable")
    versions.renew_all()
    registry.register_files("v-unreadable", {"MLmodel": "flavors: ["})
    versions.renew_all()
    assert versions.choose().version.version == first
    assert "has no MLmodel file that can be read: ParserError" in versions.default.problem


def test_with_none_before_it_the_reason_is_told(registry: TestRegistry) -> None:
    register(registry, "v-unfit", "echo", outputs=pd.DataFrame({"error": [1.0]}))
    versions = versions_of(registry.uri, "v-unfit")
    versions.renew_all()
    with pytest.raises(NotReadyError, match="not loaded: models:/v-unfit/1: the model's output 'error' has the name"):
        versions.choose()


def test_predictions_of_another_type_are_refused(registry: TestRegistry) -> None:
    register(registry, "v-typed", "linear")
    versions = versions_of(registry.uri, "v-typed")
    versions.renew_all()
    register(registry, "v-typed", "linear", outputs=pd.Series(["text"]))
    versions.renew_all()
    assert versions.choose().version.version == "1"
    assert "it gives string, the service returns double; start it again" in versions.default.problem


def test_only_trusted_files_are_loaded(registry: TestRegistry) -> None:
    register(registry, "v-trusted", "linear")
    found = Registry(tracking_uri=registry.uri)
    digest = artifact_digest(found.local_copy(found.version("v-trusted", "1")))
    versions = versions_of(registry.uri, "v-trusted", allowed_sha256=[digest])
    versions.renew_all()
    register(registry, "v-trusted", "fussy")
    versions.renew_all()
    assert versions.choose().version.version == "1"
    assert "which is not in model.allowed_sha256" in versions.default.problem


def test_other_aliases_and_versions(registry: TestRegistry) -> None:
    first = register(registry, "v-others", "linear")
    second = register(registry, "v-others", "fussy", alias="candidate")
    versions = versions_of(registry.uri, "v-others")
    versions.renew_all()
    assert versions.choose().version.version == first
    assert versions.choose(alias="candidate").version.version == second
    assert versions.choose(version=second) is versions.choose(alias="candidate")
    with pytest.raises(UnknownNameError, match="no model 'v-others' with the alias 'nobody'"):
        versions.choose(alias="nobody")
    with pytest.raises(UnknownNameError, match="no version 77 of 'v-others'"):
        versions.choose(version="77")
    registry.client.delete_registered_model_alias("v-others", "candidate")
    versions.renew_all()
    with pytest.raises(UnknownNameError):
        versions.choose(alias="candidate")


def test_few_others_are_kept(registry: TestRegistry) -> None:
    for _ in range(MAX_OTHERS + 2):
        register(registry, "v-many", "linear")
    versions = versions_of(registry.uri, "v-many")
    versions.renew_all()
    for number in range(1, MAX_OTHERS + 2):
        versions.choose(version=str(number))
    kept = [standing.name.version for standing in versions.all() if standing.name.version]
    assert kept == [str(number) for number in range(2, MAX_OTHERS + 2)]
    assert versions.choose().version.version == str(MAX_OTHERS + 2)


def test_while_the_registry_is_away_the_version_before_goes_on_for_max_staleness(
    registry: TestRegistry, registry_server: Server
) -> None:
    served = ServedRegistry(registry_server)
    register(served, "v-away", "linear")
    clock = Clock()
    versions = versions_of(served.uri, "v-away", clock, max_staleness=60)
    versions.renew_all()
    served.server.stop()
    clock.seconds = 59
    versions.renew_all()
    assert versions.choose().version.version == "1"
    assert "did not answer" in versions.default.problem
    clock.seconds = 61
    with pytest.raises(RegistryUnavailableError, match=r"61 s ago v-away@champion was there, and model\.max_staleness"):
        versions.choose()
    served.server.start()
    versions.renew_all()
    assert versions.choose().version.version == "1"
    assert versions.default == replace(versions.default, confirmed_at=61, trouble="", refused={})


def test_other_versions_are_asked_for_at_a_rate(registry: TestRegistry) -> None:
    """Names that are loaded, and the configured one, do not count."""
    first, clock = register(registry, "v-rate", "linear"), Clock()
    versions = versions_of(registry.uri, "v-rate", clock)
    versions.renew_all()
    for number in range(MAX_OTHERS_A_MINUTE):
        versions.choose(version=first)
        if number:
            with pytest.raises(UnknownNameError):
                versions.choose(version=str(900 + number))
    with pytest.raises(TooOftenError, match="20 others were asked for within a minute; ask again in 60 s") as raised:
        versions.choose(version="999")
    assert raised.value.wait_seconds == 60.0
    assert versions.choose(version=first).version.version == versions.choose().version.version == first
    clock.seconds = 60.0
    with pytest.raises(UnknownNameError):
        versions.choose(version="999")

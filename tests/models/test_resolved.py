"""A start asks the registry once; each micro-batch asks again."""

from collections import Counter
from pathlib import Path

import pytest
from sandbox import WINE, Sandbox, csv_file

from penstock.errors import EnvironmentCheckError, ModelRefusedError
from penstock.models.registry import ModelVersion, Registry
from penstock.models.resolved import ModelAtStart, Once


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the registry was asked what an alias means."""
    counted: Counter[str] = Counter()
    ask = Registry.version_of_alias

    def counting(self: Registry, name: str, alias: str) -> ModelVersion:
        counted[alias] += 1
        return ask(self, name, alias)

    monkeypatch.setattr(Registry, "version_of_alias", counting)
    return counted


def test_a_start_asks_once_and_each_batch_anew(sandbox: Sandbox, asked: Counter[str]) -> None:
    sandbox.changes["source"] = {"max_files_per_trigger": 1}
    for name in ("a.csv", "b.csv"):
        sandbox.drop(name, csv_file(WINE))
    records = sandbox.run()
    assert asked["champion"] == 1 + len(records)
    assert len(records) == 2


def test_a_start_that_fails_asks_once(sandbox: Sandbox, asked: Counter[str]) -> None:
    sandbox.changes["model"] = {"name": "not-registered"}
    with pytest.raises(EnvironmentCheckError, match=r"model: the registry .*; requirements: the registry"):
        sandbox.run()
    assert asked["champion"] == 1


def test_an_answer_is_kept_and_so_is_an_error() -> None:
    given: list[str] = []

    def answer() -> str:
        given.append("asked")
        return "answer"

    def fail() -> str:
        given.append("asked")
        raise ModelRefusedError("no")

    once = Once(answer)
    assert (once.get(), once.get(), given) == ("answer", "answer", ["asked"])
    failing = Once(fail)
    for _ in range(2):
        with pytest.raises(ModelRefusedError, match="no"):
            failing.get()
    assert given == ["asked", "asked"]


def test_what_is_resolved_is_what_the_model_says(sandbox: Sandbox) -> None:
    resolved = ModelAtStart.of(sandbox.config()).resolved()
    assert resolved.version.version == "1"
    assert (Path(resolved.folder) / "MLmodel").exists()
    assert resolved.signature is not None
    assert "python_function" in resolved.flavors

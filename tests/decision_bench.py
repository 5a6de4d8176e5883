"""A pipeline with an experiment, a registry with versions of its model, and cuts at any write of a decision."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox import TestRegistry
from table_rows import read_rows

from penstock.config.pipeline import PipelineConfig
from penstock.models.aliases import ModelAliases
from penstock.pipeline.decisions.decider import Decider, Draft
from penstock.pipeline.decisions.files import Decided, DecisionFiles, History
from penstock.pipeline.decisions.record import Standing
from penstock.storage.files import LocalStorage

NUMBERS = itertools.count()
NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@dataclass
class DecisionBench:
    """versions: how many the model has. champion, candidate: the versions that the aliases mean at first. name: of a
    model that is there already, with whatever aliases it has."""

    root: Path
    registry: TestRegistry
    versions: int = 3
    champion: str | None = "1"
    candidate: str | None = "2"
    sections: dict[str, Any] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self) -> None:
        if self.name:
            return
        self.name = f"decided-{next(NUMBERS)}-{time.monotonic_ns()}"
        self.client.create_registered_model(self.name)
        for _ in range(self.versions):
            self.client.create_model_version(self.name, (self.root / "model").as_uri())
        self.point(champion=self.champion, candidate=self.candidate)

    @property
    def client(self) -> Any:
        return self.registry.client

    def point(self, **aliases: str | None) -> None:
        """As a person does it, in MLflow."""
        for alias, version in aliases.items():
            if version is None:
                self.client.delete_registered_model_alias(self.name, alias)
            else:
                self.client.set_registered_model_alias(self.name, alias, version)

    @property
    def config(self) -> PipelineConfig:
        settings = {
            "pipeline": "wine",
            "workload": "rows",
            "source": {"path": f"{self.root}/inbox"},
            "contract": "schemas.wine:CONTRACT",
            "model": {"name": self.name},
            "experiment": {"mode": "shadow"},
            "tables": {"root": f"{self.root}/tables"},
            "checkpoint": f"{self.root}/checkpoint",
            "mlflow": {"tracking_uri": self.registry.uri},
        }
        return PipelineConfig.model_validate(settings | self.sections)

    @property
    def aliases(self) -> ModelAliases:
        return ModelAliases.of(self.config)

    @property
    def pair(self) -> tuple[str | None, str | None]:
        """What the aliases mean now."""
        return self.aliases.read("champion"), self.aliases.read("candidate")

    def tags(self, version: str) -> dict[str, str]:
        found = self.client.get_model_version(self.name, version).tags
        return {key.removeprefix("penstock."): value for key, value in found.items()}

    @property
    def files(self) -> DecisionFiles:
        return DecisionFiles(storage=LocalStorage(), root=self.config.tables.root)

    def decider(self, **parts: Any) -> Decider:
        return Decider(**{"config": self.config, "storage": LocalStorage(), "job": "test", "by": "anna", **parts})

    def decide(
        self, kind: str, champion: str = "1", candidate: str | None = "2", *, storage: Any = None, **more: Any
    ) -> Decided:
        facts: dict[str, Any] = {"kind": kind, "champion": champion, "candidate": candidate, "reason": "because"}
        draft = Draft(**facts, **more)
        decided = self.decider(storage=storage or LocalStorage()).decide(lambda history: draft)
        assert decided is not None
        return decided

    def rows(self) -> list[Any]:
        return sorted(read_rows(f"{self.config.tables.root}/decisions"), key=lambda row: row.batch_id)


def standing(verdict: str, **changes: Any) -> Standing:
    """Of candidate 2 against champion 1."""
    facts = {
        "model_name": "any",
        "champion": "1",
        "candidate": "2",
        "mode": "shadow",
        "fraction": 1.0,
        "is_last_step": True,
        "is_bake": False,
        "began_at": NOON,
        "looked_at": NOON,
        "pairs": 480,
        "units": 40,
        "blocks": 40,
        "block_units": 1,
        "champion_loss": 1.0,
        "candidate_loss": 0.9,
        "ratio": 0.9,
        "ratio_lower": 0.85,
        "ratio_upper": 0.95,
        "champion_failed": 0.0,
        "candidate_failed": 0.0,
        "reason": f"the rule says {verdict}",
    }
    return Standing.model_validate(facts | {"verdict": verdict} | changes)


class PowerCutError(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


@dataclass
class Cut:
    """Cuts before or after the write of that number, counted from 0; every later write is cut, too. at: None counts."""

    at: int | None = None
    when: str = "before"
    writes: list[str] = field(default_factory=list)

    def around(self, what: str, write: Callable[[], Any]) -> Any:
        number = len(self.writes)
        self.writes.append(what)
        if self.at is not None and (number > self.at or (number == self.at and self.when == "before")):
            raise PowerCutError(what)
        answer = write()
        if number == self.at:
            raise PowerCutError(what)
        return answer


class CutStorage(LocalStorage):
    """The lease is left alone: its holder is this process, which lives on."""

    def __init__(self, cut: Cut) -> None:
        self.cut = cut

    def create(self, path: str, content: bytes) -> bool:
        if "_lease" in path:
            return super().create(path, content)
        created: bool = self.cut.around(Path(path).name, lambda: LocalStorage.create(self, path, content))
        return created


@dataclass(frozen=True, kw_only=True)
class CutAliases(ModelAliases):
    cut: Cut

    def set(self, alias: str, version: str) -> None:
        self.cut.around(f"set {alias}", lambda: ModelAliases.set(self, alias, version))

    def delete(self, alias: str) -> None:
        self.cut.around(f"delete {alias}", lambda: ModelAliases.delete(self, alias))

    def set_tags(self, version: str, tags: Any) -> None:
        self.cut.around(f"tag {version}", lambda: ModelAliases.set_tags(self, version, tags))


def choose(draft: Draft) -> Callable[[History], Draft | None]:
    """Decides it unless it was decided already, as the rule does."""

    def chosen(history: History) -> Draft | None:
        return None if any(one.decision.kind == draft.kind for one in history.decisions) else draft

    return chosen

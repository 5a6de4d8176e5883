"""Plans of a stream that runs an experiment, written as it does."""

from datetime import UTC, datetime
from typing import Any

from penstock.config.pipeline import PipelineConfig
from penstock.models.assignment import salt_of
from penstock.models.pinned import PinnedModel
from penstock.models.registry import Registry
from penstock.pipeline.plan import Plan, PlannedExperiment, plan_path
from penstock.storage.routing import storage_of

BEGAN = datetime(2026, 11, 20, tzinfo=UTC)


def pinned(config: PipelineConfig, version: str, role: str) -> PinnedModel:
    found = Registry.of(config).version(config.the_model.name, version)
    return PinnedModel(
        name=found.name,
        version=version,
        role=role,
        source=found.source,
        created_milliseconds=found.created_milliseconds,
    )


def write_plan(
    config: PipelineConfig, batch_id: int, champion: str, candidate: str | None = None, **experiment: Any
) -> Plan:
    """The plan of a batch, of registered versions. experiment: what differs from a canary of all keys."""
    pair = [pinned(config, champion, "champion")]
    pair += [pinned(config, candidate, "candidate")] if candidate is not None else []
    return write_plan_of(config, batch_id, pair, **experiment)


def version_by_hand(version: str, role: str, *, name: str = "wine-quality") -> PinnedModel:
    return PinnedModel(name=name, version=version, role=role, source="", created_milliseconds=0)


def write_plan_of(
    config: PipelineConfig,
    batch_id: int,
    pair: list[PinnedModel],
    *,
    refused_candidates: dict[str, str] | None = None,
    **experiment: Any,
) -> Plan:
    planned = None
    if len(pair) > 1:
        given = {"mode": "canary", "fraction": 1.0, "key": ("order_id",), "salt": salt_of(pair[1]), "began_at": BEGAN}
        planned = PlannedExperiment.model_validate(given | experiment)
    plan = Plan(
        query_id="q",
        batch_id=batch_id,
        planned_at=BEGAN,
        resolved_at=BEGAN,
        contract_hash="c" * 64,
        config_hash="d" * 64,
        files=(),
        models=tuple(pair),
        experiment=planned,
        refused_candidates=refused_candidates or {},
    )
    storage_of(config).create(plan_path(config.checkpoint, batch_id), plan.model_dump_json().encode())
    return plan

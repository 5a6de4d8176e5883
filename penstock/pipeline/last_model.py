"""The model version used last, to fall back on, from the newest plan of the checkpoint."""

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ModelRefusedError, RegistryUnavailableError
from penstock.models.pinned import PinnedModel
from penstock.models.resolved import ModelAtStart
from penstock.pipeline.plan import newest_plan
from penstock.storage.routing import storage_of


def version_before(config: PipelineConfig) -> PinnedModel | None:
    """The version of the newest plan; None also where the pipeline has no model. Raises PlanError."""
    plan = newest_plan(storage_of(config), config.checkpoint)
    return plan.champion if plan and plan.models else None


def has_other_before(config: PipelineConfig, model: ModelAtStart) -> bool:
    """Whether there is a version before, and it is not the one that the config names now. Raises PlanError."""
    before = version_before(config)
    try:
        named = model.version()
    except (ModelRefusedError, RegistryUnavailableError):
        return before is not None
    return before is not None and (before.name, before.version) != (named.name, named.version)

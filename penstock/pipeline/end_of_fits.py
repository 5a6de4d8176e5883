"""Until when the data goes that the versions of a batch were fitted on."""

import logging
from datetime import datetime
from functools import lru_cache

from penstock.errors import PenstockError
from penstock.models.fleet_check import fitted_until
from penstock.models.pinned import PinnedModel
from penstock.models.registry import ModelVersion, Registry, model_metadata
from penstock.models.selection import version_of
from penstock.pipeline.context import Pipeline

log = logging.getLogger(__name__)


def end_of_fits(pipeline: Pipeline, models: tuple[PinnedModel, ...]) -> datetime | None:
    """The latest of all versions; None without series, and where nobody knows it of any. Nothing is raised: a batch
    needs it for evidence alone."""
    if pipeline.config.series is None or pipeline.selector is None:
        return None
    ends = [end_of_fit(pipeline.selector.registry, version_of(model)) for model in models]
    return max((end for end in ends if end is not None), default=None)


def end_of_fit(registry: Registry, version: ModelVersion) -> datetime | None:
    try:
        return end_in_files(registry, version)
    except (PenstockError, OSError, ValueError) as error:
        log.warning("until when %s was fitted is not known: %s", version.uri, error)
        return None


@lru_cache(maxsize=64)
def end_in_files(registry: Registry, version: ModelVersion) -> datetime | None:
    """Of the local copy; versions are immutable. Raises PenstockError, OSError, ValueError for what is no time."""
    return fitted_until(model_metadata(registry.local_copy(version)).metadata or {})

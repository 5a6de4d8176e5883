"""A model version as a plan pins it."""

from penstock.config.sections import FrozenModel


class PinnedModel(FrozenModel):
    """The immutable version that an alias pointed to when the batch was planned, with all that is needed to find its
    local copy while the registry is unavailable."""

    name: str
    version: str
    role: str
    source: str
    created_milliseconds: int

"""A model version as a plan pins it."""

from penstock.config.sections import FrozenModel


class PinnedModel(FrozenModel):
    """The immutable version that an alias pointed to when the batch was planned, with all that it takes to find its
    local copy again while the registry is away."""

    name: str
    version: str
    role: str
    source: str
    created_milliseconds: int

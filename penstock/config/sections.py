"""The base classes of immutable models that are read from files."""

from pydantic import BaseModel, ConfigDict


class FrozenModel(BaseModel):
    """Immutable; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Section(BaseModel):
    """A section of a pipeline's YAML file, where a text may look like a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), coerce_numbers_to_str=True)

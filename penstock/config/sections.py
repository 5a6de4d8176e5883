"""The base of all that is read from a file and never changed."""

from pydantic import BaseModel, ConfigDict


class FrozenModel(BaseModel):
    """Immutable; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

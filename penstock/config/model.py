"""The config section `model`."""

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from penstock.config.durations import Seconds
from penstock.config.sections import Section


class ModelConfig(Section):
    """The registered model: the version that `alias` points to, or always the same `version`.

    A version that fails on more than `max_failed_fraction` of its probe is refused; so is one whose files have another
    digest than those allowed (none given: any), one that is loaded by pickle, and one whose probe takes longer than
    `probe_timeout`. max_staleness: how long the version before stays in use while the registry is unavailable.
    """

    name: str
    alias: str = "champion"
    version: str | None = Field(default=None, pattern=r"^[1-9][0-9]*$")
    max_failed_fraction: float = Field(default=0.5, ge=0, le=1)
    max_staleness: Seconds = 3600.0
    probe_timeout: Seconds = Field(default=600.0, ge=1)
    allowed_sha256: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")], ...] | None = None
    allow_pickle: bool = False

    @field_validator("name")
    @classmethod
    def name_is_a_registered_models(cls, name: str) -> str:
        if not name or name.startswith(".") or any(character in name for character in "/\\:@"):
            raise ValueError(
                "expected the name of a registered model, found a URI, a path or nothing; models come from the "
                "registry in mlflow.tracking_uri alone: name one there, and its model.alias or model.version"
            )
        return name

    @model_validator(mode="before")
    @classmethod
    def a_version_stands_in_place_of_the_alias(cls, given: Any) -> Any:
        if not isinstance(given, dict) or "alias" not in given or given.get("version") is None:
            return given
        if given["alias"] is not None:
            raise ValueError("names an alias and a version; give one of them (with an overlay or --set: alias: null)")
        return {key: value for key, value in given.items() if key != "alias"}

    @property
    def described(self) -> str:
        """As MLflow writes it: name@alias or name/version."""
        return f"{self.name}/{self.version}" if self.version else f"{self.name}@{self.alias}"

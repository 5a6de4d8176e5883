"""What is to be compared."""

from dataclasses import dataclass
from datetime import datetime

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError

BY_OF_SERIES = ("variable", "step", "series")


@dataclass(frozen=True, kw_only=True)
class Request:
    """versions: the first is what the others are compared with. since, until: of ds (series), or of the time of a row;
    both inclusive, in UTC. by: variable, step, series, or a column of predictions; empty for what the workload has."""

    versions: tuple[str, ...]
    since: datetime | None = None
    until: datetime | None = None
    in_sample: bool = False
    by: tuple[str, ...] = ()


def check_request(config: PipelineConfig, request: Request, columns: tuple[str, ...]) -> None:
    """columns: of predictions. Raises ConfigError."""
    if len(request.versions) < 2 or len(set(request.versions)) < len(request.versions):
        raise ConfigError(
            f"--versions {','.join(request.versions)}: expected at least two different versions, such as 7,8; the "
            "first is what the others are compared with"
        )
    if request.since and request.until and request.since > request.until:
        raise ConfigError(f"--from {request.since:%Y-%m-%d} is after --to {request.until:%Y-%m-%d}; expected it before")
    allowed = BY_OF_SERIES if config.workload == "series" else columns
    doubled = [name for place, name in enumerate(request.by) if name in request.by[:place]]
    if doubled:
        raise ConfigError(f"--by {doubled[0]} is given twice; name each column once")
    unknown = [name for name in request.by if name not in allowed]
    if unknown:
        raise ConfigError(f"--by {unknown[0]}: expected one of {', '.join(allowed)}")
    if config.workload == "rows" and config.labels is None:
        raise ConfigError(
            f"compare: {config.pipeline} has no section labels, which says where the true values are; add it"
        )

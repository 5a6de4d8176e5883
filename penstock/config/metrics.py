"""The config section `metrics`."""

from pydantic import BaseModel, ConfigDict, Field

from penstock.config.durations import Seconds


class MetricsConfig(BaseModel):
    """Where a running stream or backfill exposes its metrics: http://host:port/metrics. Without the section, nowhere.

    Metrics contain no input data, but anyone who can reach host and port can read them. backlog_every: how often the
    inbox is listed, in addition to Spark's own listing, to count the backlog.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int = Field(default=9108, ge=1, le=65535)
    host: str = Field(default="127.0.0.1", min_length=1)
    backlog_every: Seconds = Field(default=60.0, ge=1)

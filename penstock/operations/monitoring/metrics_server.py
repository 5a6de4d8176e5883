"""Serves a pipeline's metrics by HTTP, from before Spark starts until the job ends."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import start_http_server

from penstock.config.metrics import MetricsConfig
from penstock.config.pipeline import PipelineConfig
from penstock.errors import EnvironmentCheckError
from penstock.operations.monitoring.metrics import PipelineMetrics
from penstock.tcp_ports import holder_of


@contextmanager
def served_metrics(config: PipelineConfig) -> Iterator[PipelineMetrics | None]:
    """The pipeline's metrics while they are served; None if the config has no section `metrics`.

    Raises EnvironmentCheckError if it can't listen on host and port.
    """
    if config.metrics is None:
        yield None
        return
    metrics = PipelineMetrics(config)
    section = config.metrics
    try:
        server, thread = start_http_server(section.port, addr=section.host, registry=metrics.registry)
    except OSError as error:
        raise EnvironmentCheckError(not_served(section, error)) from None
    try:
        yield metrics
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def not_served(section: MetricsConfig, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"metrics: port {section.port} of {section.host} is in use by {holder_of(section.port)}; if that is a "
            "stream or backfill of this pipeline, stop it first (jobs/stop.py), else choose another metrics.port"
        )
    return (
        f"metrics: can't listen on port {section.port} of {section.host}: {error.strerror or error}; correct "
        "metrics.host, which is an address of this machine, or metrics.port"
    )

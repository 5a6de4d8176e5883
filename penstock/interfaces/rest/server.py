"""Runs the service: a Spark session for the contracts, the models, and uvicorn."""

import logging
import signal
from collections.abc import Sequence

import uvicorn

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError, ServerError
from penstock.interfaces.rest.app import create_app
from penstock.interfaces.rest.served import served_models
from penstock.interfaces.rest.tokens import Tokens
from penstock.spark.session import build_session
from penstock.tcp_ports import is_free

#: Contracts are checked on the driver, by plans too small for code generation or parallelism to pay off.
SPARK = {
    "spark.master": "local[1]",
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    # History of requests for the disabled UI.
    "spark.sql.ui.retainedExecutions": "1",
    "spark.ui.retainedJobs": "1",
    "spark.ui.retainedStages": "1",
}
#: Further concurrent requests get 503.
MAX_AT_A_TIME = 256
STOP_SECONDS = 20
log = logging.getLogger(__name__)


def serve(configs: Sequence[PipelineConfig], *, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT, which let running requests finish. Raises PenstockError."""
    if not configs:
        raise ConfigError("no pipeline to serve: name its YAML file with --conf")
    models = ", ".join(config.the_model.name for config in configs)
    if not is_free(port):
        raise ServerError(f"port {port} is in use; choose another with --port")
    tokens = tokens_of(configs)
    log.info("serve: starting Spark for %s", models)
    spark = build_session("penstock-serve", settings=SPARK)
    app = create_app(served_models(spark, configs), tokens=tokens)
    log.info("serve: http://%s:%d/docs, ready when /readyz says 200", host, port)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn shuts down gracefully and then re-raises the signal, with which the job would not exit with 0.
        signal.signal(number, lambda *_: None)
    uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            limit_concurrency=MAX_AT_A_TIME,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
    ).run()


def tokens_of(configs: Sequence[PipelineConfig]) -> Tokens | None:
    """None where no pipeline names a file. Raises ConfigError where they name different ones."""
    paths = list(dict.fromkeys(config.serve.tokens_file for config in configs))
    if len(paths) > 1:
        named = ", ".join(f"{config.pipeline}: {config.serve.tokens_file or 'none'}" for config in configs)
        raise ConfigError(f"serve.tokens_file differs ({named}); one service has one file, give all pipelines the same")
    return Tokens.of(paths[0]) if paths[0] else None

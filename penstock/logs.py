"""The log of a job: short lines for a person or, by PENSTOCK_LOG_FORMAT=json, one JSON object a line for a log store.

An object has time (ISO 8601, UTC), level, logger and message, and where there is one: pipeline, batch_id, exception.
"""

import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType

import click

from penstock.errors import ConfigError
from penstock.redaction import without_credentials

FORMAT_VARIABLE = "PENSTOCK_LOG_FORMAT"
#: Loggers that tell of each request or statement.
TALKATIVE = {"alembic": logging.ERROR} | dict.fromkeys(
    ("py4j", "mlflow", "sqlalchemy", "botocore", "boto3", "smart_open"), logging.WARNING
)
_batch_id: ContextVar[int | None] = ContextVar("batch_id", default=None)
log = logging.getLogger(__name__)


class JsonLines(logging.Formatter):
    """pipelines: those that this process has read configs of; where it is one, all lines are about it."""

    def __init__(self) -> None:
        super().__init__()
        self.pipelines: set[str] = set()

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, str | int] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": without_credentials(record.getMessage()),
        }
        if len(self.pipelines) == 1:
            line["pipeline"] = next(iter(self.pipelines))
        batch_id = _batch_id.get()
        if batch_id is not None:
            line["batch_id"] = batch_id
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = without_credentials(self.formatException(record.exc_info))
        return json.dumps(line)


def is_json() -> bool:
    return os.environ.get(FORMAT_VARIABLE) == "json"


def begin() -> None:
    """Send the log of this process to its standard output. Raises ConfigError for a format that is none."""
    written = os.environ.get(FORMAT_VARIABLE, "text")
    if written not in ("text", "json"):
        raise ConfigError(f"{FORMAT_VARIABLE} is {written!r}; expected json or text, or leave it out")
    if is_json():
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(JsonLines())
        logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
        take_over_the_rest()
    else:
        logging.basicConfig(
            stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", force=True
        )
    for name, level in TALKATIVE.items():
        logging.getLogger(name).setLevel(level)
    # MLflow sets its own level when it is imported, and has the last word.
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", logging.getLevelName(TALKATIVE["mlflow"]))


def take_over_the_rest() -> None:
    """What else would write lines of its own: MLflow's handlers, Python's warnings, and errors that nobody handles."""
    os.environ["MLFLOW_CONFIGURE_LOGGING"] = "false"
    for name in TALKATIVE:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.captureWarnings(True)
    sys.excepthook = log_unhandled
    threading.excepthook = lambda failed: log_unhandled(
        failed.exc_type, failed.exc_value or failed.exc_type(), failed.exc_traceback
    )


def log_unhandled(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("not handled: %s", error, exc_info=(kind, error, trace))


def name_pipeline(pipeline: str) -> None:
    """Say which pipeline this process is about."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, JsonLines):
            handler.formatter.pipelines.add(pipeline)


@contextmanager
def in_batch(batch_id: int) -> Iterator[None]:
    """What this thread logs meanwhile is about that micro-batch."""
    token = _batch_id.set(batch_id)
    try:
        yield
    finally:
        _batch_id.reset(token)


def say(text: str) -> None:
    """What a job tells at its end: printed, or where the log is JSON a line of it."""
    if is_json():
        log.info("%s", text)
    else:
        click.echo(text)

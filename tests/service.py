"""The REST service in a thread, behind a real uvicorn on 127.0.0.1."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from pyspark.sql import SparkSession

from penstock.config.pipeline import PipelineConfig
from penstock.interfaces.rest.app import create_app
from penstock.interfaces.rest.served import served_models

PATIENCE_SECONDS = 600.0


def until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {PATIENCE_SECONDS:.0f} s: {what}")


@contextmanager
def running(app: FastAPI) -> Iterator[httpx.Client]:
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started, "uvicorn has started")
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(30)


@contextmanager
def service(spark: SparkSession, *configs: PipelineConfig, wait: bool = True) -> Iterator[httpx.Client]:
    """wait: until all models are loaded."""
    with running(create_app(served_models(spark, configs), renew_seconds=0.1)) as client:
        if wait:
            until(lambda: client.get("/readyz").status_code == 200, "the service is ready")
        yield client


def predict(client: httpx.Client, model: str, *rows: dict[str, Any], **query: str) -> list[dict[str, Any]]:
    """The answer's rows, each without what is null, unless all is."""
    response = client.post(f"/models/{model}/predict", json={"rows": rows}, params=query)
    assert response.status_code == 200, response.text
    return [{key: value for key, value in row.items() if value is not None} for row in response.json()["rows"]]

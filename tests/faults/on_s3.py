"""A place on a real S3 server for the pipelines under fault, straight or through a proxy with a network's faults."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from s3_proxy import Fault, S3Proxy
from s3_server import start_s3_server


@contextmanager
def s3_place(folder: Path) -> Iterator[str]:
    """A bucket whose data stays in `folder`; this process and its children find it by the environment."""
    server = start_s3_server(folder)
    try:
        os.environ.update(server.environment())
        yield f"s3a://{server.running.bucket}"
    finally:
        server.stop()


@contextmanager
def bad_network(fault: Fault) -> Iterator[S3Proxy]:
    """The jobs that are started meanwhile reach S3 through a proxy with that fault."""
    direct = os.environ["AWS_ENDPOINT_URL"]
    proxy = S3Proxy(direct.removeprefix("http://"))
    proxy.fault = fault
    os.environ["AWS_ENDPOINT_URL"] = proxy.endpoint
    try:
        yield proxy
    finally:
        os.environ["AWS_ENDPOINT_URL"] = direct
        proxy.stop()

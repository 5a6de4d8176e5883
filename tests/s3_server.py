"""A real S3 server for tests: versitygw on a free port of 127.0.0.1, over folders that the test throws away."""

import os
import secrets
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

BINARY = Path(__file__).parents[1] / "tools" / "bin" / "versitygw"
REGION = "us-east-1"
READY_SECONDS = 30.0
#: A port that was free may be another's a moment later.
ATTEMPTS = 5


@dataclass(frozen=True, kw_only=True)
class S3Server:
    """A server that has answered."""

    process: subprocess.Popen[bytes]
    port: int
    access_key: str
    secret_key: str = field(repr=False)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def endpoint(self) -> str:
        return f"http://{self.address}"

    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 2}, proxies={}),
        )

    def make_bucket(self, name: str) -> None:
        self.client().create_bucket(Bucket=name)

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def read(self, bucket: str, key: str) -> bytes:
        return self.client().get_object(Bucket=bucket, Key=key)["Body"].read()

    def environment(self) -> dict[str, str]:
        """What a process needs beside `s3a_settings` to be let in."""
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key, "AWS_REGION": REGION}

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)


def s3a_settings(endpoint: str, bucket: str) -> dict[str, str]:
    """S3A's settings of one bucket, without credentials: buckets of one JVM may be reached in different ways."""
    settings = {"endpoint": endpoint, "endpoint.region": REGION, "path.style.access": "true"}
    return {f"fs.s3a.bucket.{bucket}.{key}": value for key, value in settings.items()}


def start_s3_server(folder: Path) -> S3Server:
    if not BINARY.exists():
        raise FileNotFoundError(f"{BINARY}: run make s3-tools")
    for _ in range(ATTEMPTS):
        server = start_once(folder)
        if answers(server):
            return server
        if server.process.poll() is None:
            server.stop()
    raise RuntimeError(f"versitygw did not start: {(folder / 'output.log').read_text()}")


def start_once(folder: Path) -> S3Server:
    data, sidecar = folder / "data", folder / "sidecar"
    for made in (data, sidecar):
        made.mkdir(parents=True, exist_ok=True)
    access_key, secret_key = secrets.token_hex(10), secrets.token_hex(20)
    port = free_port()
    command = [BINARY, "--port", f"127.0.0.1:{port}", "--quiet", "posix", "--sidecar", sidecar, data]
    with (folder / "output.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            # Not as options: a command line is shown to everyone on the machine.
            env={"PATH": os.environ["PATH"], "ROOT_ACCESS_KEY": access_key, "ROOT_SECRET_KEY": secret_key},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    return S3Server(process=process, port=port, access_key=access_key, secret_key=secret_key)


def answers(server: S3Server) -> bool:
    """Whether it lists its buckets for these credentials: another process' server on this port would not."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            server.client().list_buckets()
        except (BotoCoreError, ClientError):
            time.sleep(0.1)
        else:
            return True
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

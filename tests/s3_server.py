"""The project's S3 server on a free port, over folders that the test throws away, and what tests look at on it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from free_ports import free_port

from penstock.interfaces.local_servers.s3 import REGION
from penstock.interfaces.local_servers.servers import S3Server as RunningServer
from penstock.interfaces.local_servers.servers import start_s3


@dataclass(frozen=True, kw_only=True)
class S3Server:
    """A server that has answered."""

    running: RunningServer

    @property
    def address(self) -> str:
        return self.endpoint.removeprefix("http://")

    @property
    def endpoint(self) -> str:
        return self.running.endpoint

    @property
    def access_key(self) -> str:
        return self.running.credentials.access_key

    @property
    def secret_key(self) -> str:
        return self.running.credentials.secret_key

    def client(self) -> Any:
        return self.running.client()

    def make_bucket(self, name: str) -> None:
        self.client().create_bucket(Bucket=name)

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def read(self, bucket: str, key: str) -> bytes:
        return self.client().get_object(Bucket=bucket, Key=key)["Body"].read()

    def environment(self) -> dict[str, str]:
        """What a process needs to find it and to be let in."""
        return self.running.environment()

    def stop(self) -> None:
        self.running.stop()


def s3a_settings(endpoint: str, bucket: str) -> dict[str, str]:
    """S3A's settings of one bucket, without credentials: buckets of one JVM may be reached in different ways."""
    settings = {"endpoint": endpoint, "endpoint.region": REGION, "path.style.access": "true"}
    return {f"fs.s3a.bucket.{bucket}.{key}": value for key, value in settings.items()}


def start_s3_server(folder: Path) -> S3Server:
    return S3Server(running=start_s3(folder, port=free_port()))

"""A real S3 server on 127.0.0.1: versitygw over a local folder, for demos and tests."""

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from penstock.errors import ServerError
from penstock.interfaces.local_servers.process import Program, ServerProcess, clean_environment, locked
from penstock.storage.private_files import write_private
from penstock.tcp_ports import LOOPBACK

BINARY = Path(__file__).parents[3] / "tools" / "bin" / "versitygw"
PORT = 7070
PORT_VARIABLE = "PENSTOCK_S3_PORT"
REGION = "us-east-1"
BUCKET = "penstock"
READY_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Credentials:
    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class S3Server:
    """A running server. environment(): for clients (boto3, Spark, MLflow).

    started_now: it was not running before.
    """

    process: ServerProcess
    endpoint: str
    credentials: Credentials
    region: str = REGION
    bucket: str = BUCKET
    started_now: bool = False

    def client(self) -> Any:
        """A boto3 client of this server only: no profile, no proxy, and a single retry."""
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.credentials.access_key,
            aws_secret_access_key=self.credentials.secret_key,
            config=Config(
                connect_timeout=2,
                read_timeout=10,
                retries={"total_max_attempts": 2},
                s3={"addressing_style": "path"},
                proxies={},
            ),
        )

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": self.credentials.secret_key,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "MLFLOW_S3_ENDPOINT_URL": self.endpoint,
            "PENSTOCK_BUCKET": self.bucket,
        }

    def stop(self) -> bool:
        return self.process.stop()


def start_s3(state: Path, *, port: int = PORT, binary: Path = BINARY, seconds: float = READY_SECONDS) -> S3Server:
    """Start it below `state`, unless it runs there already, and make the bucket. Raises ServerError."""
    if not binary.exists():
        raise ServerError(f"s3: there is no {binary}; build it with: make s3-tools")
    with locked(state):
        process = ServerProcess(folder=state / "s3")
        data, sidecar = process.folder / "data", process.folder / "sidecar"
        for folder in (data, sidecar):
            folder.mkdir(parents=True, exist_ok=True)
        credentials = credentials_of(state)
        started = process.start(
            Program(
                command=[
                    str(binary),
                    "--port",
                    f"{LOOPBACK}:{port}",
                    "--region",
                    REGION,
                    "--quiet",
                    "posix",
                    "--sidecar",
                    str(sidecar.resolve()),
                    str(data.resolve()),
                ],
                # Not as options: command lines are visible to all users of the machine.
                environment=clean_environment(
                    ROOT_ACCESS_KEY_ID=credentials.access_key, ROOT_SECRET_ACCESS_KEY=credentials.secret_key
                ),
                ports={"s3": port},
                port_variables={"s3": PORT_VARIABLE},
            )
        )
        endpoint = f"http://{LOOPBACK}:{port}"
        server = S3Server(process=process, endpoint=endpoint, credentials=credentials, started_now=started)
        process.wait_until(lambda: problem_of(server), seconds=seconds, started=started)
    return server


def running_s3(state: Path) -> S3Server | None:
    process = ServerProcess(folder=state / "s3")
    if not process.is_running:
        return None
    endpoint = f"http://{LOOPBACK}:{process.port('s3')}"
    return S3Server(process=process, endpoint=endpoint, credentials=credentials_of(state))


def problem_of(server: S3Server) -> str | None:
    """None once an authenticated client sees the bucket, which is created if missing."""
    try:
        client = server.client()
        buckets = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
        if server.bucket not in buckets:
            client.create_bucket(Bucket=server.bucket)
    except (BotoCoreError, ClientError) as error:
        return str(error)
    return None


def credentials_of(state: Path) -> Credentials:
    """Created once and stored with the data, which stays readable with them."""
    path = state / "credentials.json"
    try:
        return Credentials(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        made = Credentials(access_key="PENSTOCK" + secrets.token_hex(6).upper(), secret_key=secrets.token_urlsafe(30))
        write_private(path, json.dumps({"access_key": made.access_key, "secret_key": made.secret_key}))
        return made
    except (ValueError, TypeError):
        raise ServerError(f"{path}: is not a pair of credentials; remove it, and new ones are made") from None

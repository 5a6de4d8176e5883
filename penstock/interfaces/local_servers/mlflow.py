"""An MLflow tracking server on 127.0.0.1 with its artifacts on the S3 server."""

import importlib.metadata
import os
import sys
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from penstock.errors import ServerError
from penstock.interfaces.local_servers.process import Program, ServerProcess, clean_environment, get, locked
from penstock.interfaces.local_servers.s3 import S3Server
from penstock.tcp_ports import LOOPBACK

PORT = 5000
PORT_VARIABLE = "PENSTOCK_MLFLOW_PORT"
#: A database in place of the sqlite file: postgresql://user:password@host/name. Read from the environment only.
DATABASE_VARIABLE = "PENSTOCK_MLFLOW_DATABASE"
#: The first start makes the database's tables, which takes most of the time.
READY_SECONDS = 180.0


@dataclass(frozen=True, kw_only=True)
class MlflowServer:
    """A running server. started_now: it was not running before."""

    process: ServerProcess
    uri: str
    started_now: bool = False

    def environment(self) -> dict[str, str]:
        return {"MLFLOW_TRACKING_URI": self.uri}

    def stop(self) -> bool:
        return self.process.stop()


def start_mlflow(
    state: Path, *, s3: S3Server, port: int = PORT, database: str = "", seconds: float = READY_SECONDS
) -> MlflowServer:
    """Start it below `state`, unless it runs there already. database: a URL; '' is sqlite below `state`.

    Raises ServerError.
    """
    if database:
        check_driver(database)
    with locked(state):
        process = ServerProcess(folder=state / "mlflow")
        own_database = f"sqlite:///{(process.folder / 'mlflow.db').resolve()}"
        started = process.start(
            Program(
                command=[sys.executable, "-m", "mlflow", "server", "--host", LOOPBACK, "--port", str(port)],
                # The database too is no option: its URL may hold a password, and a command line is shown to everyone.
                environment=clean_environment(
                    **s3.environment(),
                    MLFLOW_BACKEND_STORE_URI=database or own_database,
                    MLFLOW_ARTIFACTS_DESTINATION=f"s3://{s3.bucket}/mlflow",
                    MLFLOW_SERVE_ARTIFACTS="true",
                    # One process is enough for a pipeline; each further one takes about 300 MB.
                    MLFLOW_WORKERS="1",
                    # Eight processes for features (scheduled scorers, traces) that nothing here uses.
                    MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
                    MLFLOW_DISABLE_TELEMETRY="true",
                    **without_proxy(),
                ),
                ports={"mlflow": port},
                port_variables={"mlflow": PORT_VARIABLE},
                settings={"database": database, "S3 server": f"{s3.endpoint}/{s3.bucket}"},
            )
        )
        server = MlflowServer(process=process, uri=f"http://{LOOPBACK}:{port}", started_now=started)
        process.wait_until(lambda: problem_of(server), seconds=seconds, started=started)
    return server


def check_driver(database: str) -> None:
    """Fail early: the server reports it after half a minute. The URL is never shown: it contains a password."""
    try:
        make_url(database).get_dialect().import_dbapi()
    except ModuleNotFoundError as error:
        raise ServerError(
            f"mlflow: there is no Python package {error.name}, which the database of {DATABASE_VARIABLE} needs; "
            "install it in .venv, or use sqlite"
        ) from None
    except (ArgumentError, NoSuchModuleError):
        raise ServerError(
            f"mlflow: {DATABASE_VARIABLE} is not the URL of a database; expected postgresql://user:password@host/name"
        ) from None


def running_mlflow(state: Path) -> MlflowServer | None:
    process = ServerProcess(folder=state / "mlflow")
    if not process.is_running:
        return None
    return MlflowServer(process=process, uri=f"http://{LOOPBACK}:{process.port('mlflow')}")


def problem_of(server: MlflowServer) -> str | None:
    """None once it is healthy and has the MLflow version of this environment, as the clients have."""
    health = get(f"{server.uri}/health")
    if health.problem:
        return health.problem
    version, expected = get(f"{server.uri}/version"), importlib.metadata.version("mlflow")
    if not version.problem and version.body != expected:
        return f"it says that it is MLflow {version.body[:40]!r}, and {expected} was started"
    return version.problem


def without_proxy() -> dict[str, str]:
    """NO_PROXY with this machine added: otherwise requests and boto3 would use a proxy for 127.0.0.1.

    Both spellings are set: some clients read one, some the other, and most prefer the lower case.
    """
    present = [os.environ.get(name, "").split(",") for name in ("no_proxy", "NO_PROXY")]
    exceptions = ",".join(dict.fromkeys([*filter(None, chain(*present)), LOOPBACK, "localhost"]))
    return {"NO_PROXY": exceptions, "no_proxy": exceptions}

"""Spark's Thrift server on 127.0.0.1 over the tables of some pipelines (jobs/serve_sql.py), for BI tools."""

import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.config.loading import load_config
from penstock.errors import ConfigError
from penstock.interfaces.local_servers.process import Program, ServerProcess, clean_environment, locked
from penstock.interfaces.local_servers.spark_cluster import spark_home
from penstock.interfaces.sql.users import has_user, set_password
from penstock.interfaces.sql.views import require_own_schemas
from penstock.storage.private_files import write_private
from penstock.tcp_ports import LOOPBACK

PORT = 10000
PORT_VARIABLE = "PENSTOCK_THRIFT_PORT"
#: The user created at the first start; its password is in a file beside that of the users.
USER = "penstock"
USERS_FILE = Path("thrift") / "users"
JOB = Path(__file__).parents[3] / "jobs" / "serve_sql.py"
READY_SECONDS = 300.0
ANSWER_SECONDS = 120.0
#: Variables passed on from the user's shell for configs and S3; the server reads as this user.
PASSED_ON = ("AWS_", "MLFLOW_", "PENSTOCK_")


@dataclass(frozen=True, kw_only=True)
class ThriftServer:
    """A running server. environment(): for clients. started_now: it was not running before."""

    process: ServerProcess
    started_now: bool = False

    @property
    def port(self) -> int:
        return self.process.port("thrift")

    @property
    def url(self) -> str:
        return f"jdbc:hive2://{LOOPBACK}:{self.port}"

    @property
    def users(self) -> Path:
        return self.process.folder / USERS_FILE.name

    @property
    def password_file(self) -> Path:
        return self.process.folder / "password"

    def environment(self) -> dict[str, str]:
        return {
            PORT_VARIABLE: str(self.port),
            "PENSTOCK_THRIFT_URL": self.url,
            "PENSTOCK_THRIFT_USER": USER,
            "PENSTOCK_THRIFT_PASSWORD": self.password_file.read_text(),
        }

    def beeline(self, *options: str) -> list[str]:
        """The beeline command for the built-in user, without the password."""
        login = ("-u", self.url, "-n", USER, "-w", str(self.password_file.resolve()))
        return [str(spark_home() / "bin" / "beeline"), *login, *options]

    def stop(self) -> bool:
        return self.process.stop()


def start_thrift(
    state: Path,
    *,
    conf: Sequence[Path],
    overlays: Sequence[Path] = (),
    port: int = PORT,
    seconds: float = READY_SECONDS,
) -> ThriftServer:
    """Start it below `state`, unless it runs there already. conf: a YAML file for each pipeline.

    Raises ConfigError, ServerError.
    """
    if not conf:
        raise ConfigError("thrift: name the pipelines to serve with --conf, for example --conf conf/wine.yaml")
    require_own_schemas([load_config([path, *overlays]) for path in conf])
    with locked(state):
        server = ThriftServer(process=ServerProcess(folder=state / USERS_FILE.parent))
        ensure_user(server)
        files = [("--conf", path) for path in conf] + [("--overlay", path) for path in overlays]
        options = [text for flag, path in files for text in (flag, str(path))]
        # The server runs in its own folder, where relative paths of the configs would resolve differently.
        places = ("--directory", str(Path.cwd()), "--users", str(server.users.resolve()), "--port", str(port))
        program = Program(
            command=[sys.executable, str(JOB), *options, *places],
            environment=environment_for(server.process),
            ports={"thrift": port},
            port_variables={"thrift": PORT_VARIABLE},
            settings={"list of pipelines": " ".join([*options, *places])},
        )
        server = ThriftServer(process=server.process, started_now=server.process.start(program))
        server.process.wait_until(lambda: problem_of(server), seconds=seconds, started=server.started_now)
    return server


def running_thrift(state: Path) -> ThriftServer | None:
    process = ServerProcess(folder=state / USERS_FILE.parent)
    return ThriftServer(process=process) if process.is_running else None


def ensure_user(server: ThriftServer) -> None:
    """Created at the first start and kept, so that passwords stored by clients stay valid."""
    server.process.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not server.password_file.exists() or not has_user(server.users, USER):
        password = secrets.token_urlsafe(24)
        write_private(server.password_file, password)
        set_password(server.users, USER, password)


def environment_for(process: ServerProcess) -> dict[str, str]:
    folder = process.folder.resolve()
    passed = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
    own = {
        "SPARK_LOCAL_IP": LOOPBACK,
        "SPARK_LOCAL_DIRS": str(folder / "local"),
        "PENSTOCK_SPARK_LOG": str(folder / "logs" / "spark.log"),
    }
    return clean_environment(**{**passed, **own})


def problem_of(server: ThriftServer) -> str | None:
    """None once an authenticated client gets a query result."""
    command = server.beeline("--silent=true", "-e", "SELECT 'it ' || 'answers'")
    try:
        result = subprocess.run(
            command, env=clean_environment(), capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"beeline had no answer within {ANSWER_SECONDS:g} s"
    if "it answers" in result.stdout:
        return None
    return f"beeline: {(result.stderr.strip() or 'no answer').splitlines()[-1]}"

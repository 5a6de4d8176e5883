"""One server as processes of this machine: started, recorded, waited for until it answers, found again, stopped.

Each start has a token in its environment, which every process that it starts inherits. What bears the token is this
server and nothing else is: a recorded pid that another program has by now is not mistaken for it, and what a dead
server left behind is found.
"""

import contextlib
import hashlib
import http.client
import json
import os
import secrets
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import psutil
from filelock import BaseFileLock, FileLock

from penstock.errors import ServerError
from penstock.redaction import without_credentials
from penstock.storage.private_files import write_private
from penstock.tcp_ports import LOOPBACK, holder_of, is_free, listeners_of

TOKEN = "PENSTOCK_SERVER"
#: What may be in a person's shell and would turn a server to other places or other credentials than its own.
FOREIGN = ("AWS_", "MLFLOW_", "SPARK_", "PYSPARK_", "VGW_", "ROOT_ACCESS_KEY", "ROOT_SECRET_", "PENSTOCK_")
WAIT_SECONDS = 10.0
LOG_LINES = 15


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is known of a start. `pid` is 0 between the record and the process. settings: the program's, as digests."""

    token: str
    pid: int
    ports: dict[str, int]
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to start. ports: those it will listen on, by what they are for, each with the variable that changes it.
    settings: other fixed settings by name; they can't change while it runs."""

    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    ports: Mapping[str, int] = field(default_factory=dict)
    port_variables: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)

    def digests(self) -> dict[str, str]:
        """A URL may have a password in it, and the record is for comparing only."""
        return {name: hashlib.sha256(value.encode()).hexdigest() for name, value in self.settings.items()}


@dataclass(frozen=True, kw_only=True)
class ServerProcess:
    """A server by its folder: the record, the log (output.log) and its working directory are in there."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def log(self) -> Path:
        return self.folder / "output.log"

    @property
    def record_path(self) -> Path:
        return self.folder / "process.json"

    def record(self) -> Record | None:
        try:
            return Record(**json.loads(self.record_path.read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            raise ServerError(
                f"{self.record_path}: is not a record of this version; end what listens on the ports of {self.name}, "
                "then remove the file"
            ) from None

    def pids(self) -> list[int]:
        """All that live of the last start."""
        record = self.record()
        return [pid for pid in psutil.pids() if belongs(pid, record)] if record else []

    @property
    def is_running(self) -> bool:
        """Whether the process that was started lives; what it left behind does not count."""
        record = self.record()
        return record is not None and record.pid > 0 and belongs(record.pid, record)

    def port(self, purpose: str) -> int:
        record = self.record()
        if record is None:
            raise ServerError(f"{self.name}: is not running; start it first (make help)")
        return record.ports[purpose]

    def start(self, program: Program) -> bool:
        """Start it, or return False because it runs already. Raises ServerError where one of its ports is taken."""
        record = self.record()
        if record and self.is_running:
            for purpose, port in program.ports.items():
                if record.ports.get(purpose) != port:
                    raise ServerError(
                        f"{self.name}: runs already (pid {record.pid}) on port {record.ports.get(purpose)}, and "
                        f"{port} was asked for; stop it first (make down) or leave the port as it is"
                    )
            changed = [name for name, digest in program.digests().items() if record.settings.get(name) != digest]
            if changed:
                raise ServerError(
                    f"{self.name}: runs already (pid {record.pid}), with another {' and another '.join(changed)} than "
                    "asked for now; stop it first (make down)"
                )
            return False
        self.stop()
        for purpose, port in program.ports.items():
            if not is_free(port):
                variable = program.port_variables.get(purpose)
                raise ServerError(
                    f"{self.name}: port {port} of {LOOPBACK} is in use by {holder_of(port)}, which is not the "
                    f"{self.name} of {self.folder.parent}; end that process or choose another port"
                    + (f" ({variable})" if variable else "")
                )
        self._launch(program)
        return True

    def _launch(self, program: Program) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.before"))
        token = secrets.token_hex(16)
        # Recorded before it lives: a crash in between leaves nothing that could not be found and stopped.
        record = Record(token=token, pid=0, ports=dict(program.ports), settings=program.digests())
        self._write(record)
        try:
            with self.log.open("wb") as log:
                process = subprocess.Popen(
                    list(program.command),
                    cwd=self.folder,
                    env={**program.environment, TOKEN: token},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    # Ctrl-C in the terminal that started it is not meant for it.
                    start_new_session=True,
                )
        except OSError as error:
            self.record_path.unlink()
            raise ServerError(f"{self.name}: can't be started: {program.command[0]}: {error.strerror}") from None
        record = replace(record, pid=process.pid)
        self._write(record)
        # A process has no environment to look at for a moment after its program was loaded.
        while process.poll() is None and not belongs(process.pid, record):
            time.sleep(0.01)

    def _write(self, record: Record) -> None:
        written = self.record_path.with_suffix(".new")
        write_private(written, json.dumps(asdict(record)))
        written.replace(self.record_path)

    def wait_until(self, problem: Callable[[], str | None], *, seconds: float, started: bool) -> None:
        """Wait until it listens on its ports itself without a `problem()`. Raises ServerError with the end of the log.

        What was started just now and is not ready in time is stopped; what ran before is left to the person.
        """
        deadline = time.monotonic() + seconds
        found: str | None = None
        try:
            while time.monotonic() < deadline:
                if not self.is_running:
                    raise ServerError(f"{self.name}: ended while starting; the end of {self.log}:\n{self.log_end()}")
                found = self.missing_ports() or problem()
                if not found:
                    return
                time.sleep(0.1)
            raise ServerError(
                f"{self.name}: is not ready after {seconds:g} s: {found}; the end of {self.log}:\n{self.log_end()}"
            )
        except BaseException:
            if started:
                self.stop()
            raise

    def missing_ports(self) -> str | None:
        """A server of someone else that took the port meanwhile must not be taken for this one, whatever it answers."""
        record = self.record()
        own = {one.port for one in listeners_of(self.pids())}
        missing = sorted(set(record.ports.values()) - own) if record else []
        return f"it does not listen on {', '.join(map(str, missing))} yet" if missing else None

    def log_end(self) -> str:
        # Spark's daemons write what conf/log4j2.properties says below their working directory.
        logs = [path for path in (self.log, self.folder / "logs" / "spark.log") if path.exists()]
        lines = [line for path in logs for line in path.read_text(errors="replace").splitlines()[-LOG_LINES:]]
        return without_credentials("\n".join(lines)) or "(it is empty)"

    def stop(self) -> bool:
        """End all that lives of the last start; False if nothing did. The folder keeps its data and logs."""
        pids = self.pids()
        for number, seconds in ((signal.SIGTERM, WAIT_SECONDS), (signal.SIGKILL, WAIT_SECONDS)):
            deadline = time.monotonic() + seconds
            signalled: set[int] = set()
            while (alive := self.pids()) and time.monotonic() < deadline:
                for pid in set(alive) - signalled:
                    send(pid, number)
                signalled.update(alive)
                time.sleep(0.05)
        if alive := self.pids():
            raise ServerError(
                f"{self.name}: pids {', '.join(map(str, alive))} live on after SIGKILL; look what they wait for"
            )
        self.record_path.unlink(missing_ok=True)
        return bool(pids)


def belongs(pid: int, record: Record) -> bool:
    """Whether this process is of the recorded start; not so if it is dead and only waits for its parent.

    What this says yes to is killed by stop(). So the session, which is the server's own, must be right as well as the
    token; a start that was cut off before its pid was known has the token alone.
    """
    try:
        if record.pid and os.getsid(pid) != record.pid:
            return False
        return psutil.Process(pid).environ().get(TOKEN) == record.token
    except (PermissionError, ProcessLookupError, psutil.Error):
        return False


def send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def clean_environment(**own: str) -> dict[str, str]:
    """This process's environment without what would mislead a server, then `own`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {**kept, **own}


def locked(state: Path) -> BaseFileLock:
    """One at a time: two that start or stop the same servers at once would see half of each other's work."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    return FileLock(state / "lock")


@dataclass(frozen=True)
class Answer:
    """body: '' where there was none for the problem."""

    body: str = ""
    problem: str | None = None


def get(url: str, *, seconds: float = 5) -> Answer:
    """Never by a proxy: a proxy's answer says nothing about this machine."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=seconds) as answer:
            return Answer(body=answer.read().decode())
    except (OSError, http.client.HTTPException, UnicodeDecodeError) as error:
        return Answer(problem=f"GET {url}: {error}")

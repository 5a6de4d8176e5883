"""Secrets that go through a failing run, and the search for them in all that it leaves behind."""

import json
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from free_ports import free_port
from sandbox import Sandbox

from faults.bench import PATIENCE_SECONDS, QUICK_SUBMIT, Bench, Process
from faults.feeds import ROWS_FEED
from faults.killing import kill_session, members
from faults.result import Fault, Progress, Seen

ENVIRONMENT = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "MLFLOW_TRACKING_PASSWORD")
SETTINGS = (
    "spark.hadoop.fs.s3a.access.key",
    "spark.hadoop.fs.s3a.secret.key",
    "spark.hadoop.fs.s3a.session.token",
    "spark.hadoop.fs.s3a.bucket.wines.secret.key",
)
TRACKING = "mlflow.tracking_uri"
TABLES = ("predictions", "quarantine", "batches")


def run(bench: Bench, progress: Progress, times: int) -> Seen:
    while progress.done < times:
        secrets = {name: uuid.uuid4().hex for name in (*ENVIRONMENT, *SETTINGS, TRACKING)}
        sandbox = ROWS_FEED.sandbox(bench, f"secrets-{progress.done}-{uuid.uuid4().hex[:6]}")
        with mlflow_server(bench, sandbox) as port:
            places = failing_run(bench, sandbox, secrets, port)
        hits = [f"{name} in {where}" for where, text in places.items() for name in found(secrets, text)]
        progress.add(places=len(places), hits=len(hits), where="; ".join(hits))
    hits = progress.total("hits")
    where = "; ".join(repetition["where"] for repetition in progress.repetitions if repetition["where"])
    return Seen(
        seen=f"{hits} hits of {len(ENVIRONMENT) + len(SETTINGS) + 1} secrets in {progress.total('places')} places"
        + f": {where}" * bool(where),
        passed=hits == 0,
    )


def found(secrets: dict[str, str], text: bytes) -> list[str]:
    return [name for name, secret in secrets.items() if secret.encode() in text]


def failing_run(bench: Bench, sandbox: Sandbox, secrets: dict[str, str], port: int) -> dict[str, bytes]:
    """A stream with one good batch that fails because its registry dies, and so does the next start. Returns all it
    leaves."""
    ui_port = free_port()
    spark = {name: secrets[name] for name in SETTINGS} | {"spark.ui.enabled": "true", "spark.ui.port": str(ui_port)}
    sandbox.changes["spark"] |= spark
    sandbox.changes["mlflow"] = {"tracking_uri": f"http://reader:{secrets[TRACKING]}@127.0.0.1:{port}"}
    sandbox.changes["model"] |= {"max_staleness": 0.01}
    environment = {name: secrets[name] for name in ENVIRONMENT} | {
        "MLFLOW_TRACKING_USERNAME": "reader",
        "PENSTOCK_DEBUG": "1",
        "PENSTOCK_MODEL_CACHE": str(sandbox.root / "models"),
        "PYSPARK_SUBMIT_ARGS": QUICK_SUBMIT.replace("--conf spark.ui.enabled=false", ""),
    }
    ROWS_FEED.deliver(sandbox, 0)
    stream = Process(sandbox, "score_stream", environment=environment)
    places: dict[str, bytes] = {}
    try:
        stream.wait_for("batch 0: 1 files")
        places |= pages(f"http://127.0.0.1:{ui_port}")
        places["command line"] = command_lines(stream)
        stop_server(sandbox)
        ROWS_FEED.deliver(sandbox, 1)
        stream.wait_for("error: ")
    finally:
        stream.kill()
    start = Process(sandbox, "backfill", environment=environment)
    try:
        if start.end() == 0:
            raise AssertionError(f"a start without registry did not fail:\n{start.text}")
    finally:
        start.kill()
    return places | tables(sandbox) | files(sandbox.root) | files(bench.registry.folder)


def command_lines(process: Process) -> bytes:
    """What `ps` shows to everyone on the machine."""
    lines = [Path(f"/proc/{pid}/cmdline") for pid in members(process.process.pid)]
    return b"\n".join(line.read_bytes() for line in lines if line.exists())


def pages(ui: str) -> dict[str, bytes]:
    """Spark's own UI, as text and as its REST interface has it."""
    [application] = json.loads(read(f"{ui}/api/v1/applications"))
    paths = ["/environment/", "/StreamingQuery/", "/SQL/", "/jobs/", "/executors/"]
    paths.append(f"/api/v1/applications/{application['id']}/environment")
    found = {f"UI {path}": read(ui + path) for path in paths}
    if b"spark.hadoop.fs.s3a.secret.key" not in b"".join(found.values()):
        raise AssertionError(f"Spark's UI does not have the setting at all: nothing would be proven:\n{found}")
    return found


def read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return bytes(answer.read())


def tables(sandbox: Sandbox) -> dict[str, bytes]:
    return {f"table {name}": "\n".join(sandbox.table(name).toJSON().collect()).encode() for name in TABLES}


def files(folder: Path) -> dict[str, bytes]:
    """Every file but the configs, which have the secrets because they were put there."""
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("conf-")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@contextmanager
def mlflow_server(bench: Bench, sandbox: Sandbox) -> Iterator[int]:
    """A tracking server over the bench's registry; its log lies in the sandbox."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with (sandbox.root / "mlflow.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--backend-store-uri", bench.registry.uri],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=sandbox.root,
        )
    (sandbox.root / "mlflow.pid").write_text(str(server.pid))
    try:
        wait_until_up(server, f"http://127.0.0.1:{port}/health", sandbox.root / "mlflow.log")
        yield port
    finally:
        kill_session(server.pid)
        server.wait()


def wait_until_up(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            read(url)
        except OSError:
            time.sleep(0.25)
        else:
            return
    raise AssertionError(f"the tracking server does not answer:\n{log.read_text()}")


def stop_server(sandbox: Sandbox) -> None:
    kill_session(int((sandbox.root / "mlflow.pid").read_text()))


FAULT = Fault(
    name="secrets",
    done="canary keys for S3 and MLflow in environment, settings and tracking URI, through a failing run",
    must="0 hits in logs, exceptions, Spark UI, tables, checkpoint, MLflow",
    times=3,
    run=run,
)

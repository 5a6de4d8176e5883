"""The servers of `make servers-up` as real processes: S3, MLflow and a Spark cluster on ports of their own."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import mlflow
import psutil
import psycopg
import pytest
import requests
from faults.bench import wait_until
from free_ports import free_ports
from job_processes import PROJECT
from postgres_server import postgres_server

from penstock.errors import ServerError
from penstock.interfaces.local_servers import spark_cluster
from penstock.interfaces.local_servers.process import get
from penstock.interfaces.local_servers.servers import (
    Cluster,
    MlflowServer,
    S3Server,
    environment,
    recorded,
    start_cluster,
    start_mlflow,
    start_s3,
    stop_all,
)
from penstock.tcp_ports import LOOPBACK, listeners_of

#: What a person's shell may have.
OF_ANOTHER = {
    "http_proxy": "http://proxy.corp.example:3128",
    "no_proxy": ".corp.example",
    "AWS_ENDPOINT_URL_S3": "http://other.example:9000",
    "AWS_SESSION_TOKEN": "of-another-login",
    "AWS_PROFILE": "work",
}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("servers") / "state"
    yield folder
    stop_all(folder)


@pytest.fixture(scope="module")
def s3(state: Path) -> S3Server:
    return start_s3(state, port=free_ports(1)[0])


@pytest.fixture(scope="module")
def tracking(state: Path, s3: S3Server) -> MlflowServer:
    return start_mlflow(state, s3=s3, port=free_ports(1)[0])


@pytest.fixture(scope="module")
def cluster(state: Path) -> Cluster:
    port, ui_port = free_ports(2)
    return start_cluster(state, port=port, ui_port=ui_port, memory="1g")


def port_of(server: S3Server) -> int:
    return server.process.port("s3")


def job(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "jobs/servers.py", "--state", str(state), *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=400, check=False)


def test_an_object_is_there_after_a_restart(state: Path, s3: S3Server) -> None:
    s3.client().put_object(Bucket=s3.bucket, Key="kept/é a.txt", Body=b"kept", Metadata={"of": "before"})
    port = port_of(s3)
    assert s3.stop()
    assert get(s3.endpoint).problem
    again = start_s3(state, port=port)
    assert again.started_now
    found = again.client().get_object(Bucket=again.bucket, Key="kept/é a.txt")
    assert (found["Body"].read(), found["Metadata"]) == (b"kept", {"of": "before"})


def test_the_second_of_two_conditional_puts_is_refused(s3: S3Server) -> None:
    client = s3.client()
    client.put_object(Bucket=s3.bucket, Key="once", Body=b"1", IfNoneMatch="*")
    with pytest.raises(client.exceptions.ClientError, match="PreconditionFailed"):
        client.put_object(Bucket=s3.bucket, Key="once", Body=b"2", IfNoneMatch="*")


def test_without_the_credentials_nothing_is_told(s3: S3Server) -> None:
    for url in (s3.endpoint, f"{s3.endpoint}/{s3.bucket}", f"{s3.endpoint}/{s3.bucket}/once"):
        assert "HTTP Error 403" in str(get(url).problem)


def test_a_second_up_says_that_it_runs(state: Path, s3: S3Server) -> None:
    pids = s3.process.pids()
    answer = job(state, "up", "s3", "--s3-port", str(port_of(s3)))
    assert answer.stdout == f"s3 is running already at {s3.endpoint}, bucket penstock\n", answer.stderr
    assert s3.process.pids() == pids
    other = job(state, "up", "s3", "--s3-port", "1")
    assert (other.returncode, other.stdout) == (1, "")
    assert f"runs already (pid {pids[0]}) on port {port_of(s3)}, and 1 was asked for" in other.stderr


def test_a_server_that_runs_with_other_settings_is_not_taken_for_what_was_asked(
    state: Path, s3: S3Server, tracking: MlflowServer
) -> None:
    port = tracking.process.port("mlflow")
    with pytest.raises(
        ServerError, match=r"mlflow: runs already \(pid \d+\), with another database than asked"
    ) as raised:
        start_mlflow(state, s3=s3, port=port, database="sqlite:////tmp/c4n4ry.db")
    assert "c4n4ry" not in str(raised.value)
    assert not start_mlflow(state, s3=s3, port=port).started_now
    moved = replace(s3, endpoint="http://127.0.0.1:1")
    with pytest.raises(ServerError, match=r"with another S3 server than asked for now; stop it first \(make down\)"):
        start_mlflow(state, s3=moved, port=port)


def test_a_port_in_use_is_an_error_that_names_who(tmp_path: Path, s3: S3Server) -> None:
    answer = job(tmp_path, "up", "s3", "--s3-port", str(port_of(s3)))
    assert (answer.returncode, answer.stdout) == (1, "")
    assert f"is in use by versitygw (pid {s3.process.pids()[0]}), which is not the s3 of {tmp_path}" in answer.stderr
    assert "PENSTOCK_S3_PORT" in answer.stderr
    assert s3.process.is_running


def test_mlflow_without_s3_says_what_to_start(tmp_path: Path) -> None:
    answer = job(tmp_path, "up", "mlflow")
    assert answer.returncode == 1
    assert "start it: make s3-up" in answer.stderr


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("oracle+nowhere://me:hush@host/db", "is not the URL of a database; expected postgresql://"),
        ("me:hush@host", "is not the URL of a database; expected postgresql://"),
        ("mssql+pymssql://me:hush@host/db", "there is no Python package pymssql"),
    ],
)
def test_a_database_that_can_t_be_used_is_told_at_once_without_its_password(
    state: Path, s3: S3Server, url: str, problem: str
) -> None:
    with pytest.raises(ServerError, match=problem) as error:
        start_mlflow(state, s3=s3, port=1, database=url)
    assert "hush" not in str(error.value)


def test_mlflow_keeps_its_runs_in_postgresql(tmp_path: Path, s3: S3Server) -> None:
    with postgres_server(free_ports(1)[0]) as url:
        server = start_mlflow(tmp_path, s3=s3, port=free_ports(1)[0], database=url)
        try:
            client = mlflow.MlflowClient(tracking_uri=server.uri, registry_uri=server.uri)
            run = client.create_run(client.create_experiment("in PostgreSQL"))
            client.create_registered_model("wine")
            with psycopg.connect(url) as database:
                assert database.execute("SELECT run_uuid FROM runs").fetchall() == [(run.info.run_id,)]
                assert database.execute("SELECT name FROM registered_models").fetchall() == [("wine",)]
            password = url.split(":")[2].split("@")[0].encode()
            assert not [pid for pid in server.process.pids() if password in Path(f"/proc/{pid}/cmdline").read_bytes()]
            assert [path for path in tmp_path.rglob("*") if path.is_file() and password in path.read_bytes()] == []
        finally:
            server.stop()


def test_mlflow_keeps_its_artifacts_on_that_s3(s3: S3Server, tracking: MlflowServer) -> None:
    client = mlflow.MlflowClient(tracking_uri=tracking.uri, registry_uri=tracking.uri)
    run = client.create_run(client.create_experiment("servers"))
    client.log_text(run.info.run_id, "a model", "model/code.py")
    keys = [one["Key"] for one in s3.client().list_objects_v2(Bucket=s3.bucket, Prefix="mlflow/")["Contents"]]
    assert [key for key in keys if key.endswith("/artifacts/model/code.py")]
    assert run.info.artifact_uri.startswith("mlflow-artifacts:/")
    assert [one.path for one in client.list_artifacts(run.info.run_id)] == ["model"]


def test_mlflow_refuses_requests_for_another_host(tracking: MlflowServer) -> None:
    """A page in a person's browser that has its name point to 127.0.0.1 gets nothing."""
    url = f"{tracking.uri}/api/2.0/mlflow/experiments/search?max_results=1"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    assert opener.open(url, timeout=60).status == 200
    with pytest.raises(urllib.error.HTTPError, match="403"):
        opener.open(urllib.request.Request(url, headers={"Host": "elsewhere.example"}), timeout=60)


def test_a_killed_worker_is_not_counted_and_is_brought_back(state: Path, cluster: Cluster) -> None:
    assert cluster.alive_workers() == 2
    pids = [process.pids() for process in (cluster.master, *cluster.workers)]
    os.kill(pids[2][0], signal.SIGKILL)
    wait_until(lambda: cluster.alive_workers() == 1, "one worker less")
    assert "worker-2  dead" in job(state, "status").stdout
    master = cluster.master
    again = start_cluster(state, port=master.port("master"), ui_port=master.port("ui"), memory="1g")
    assert again.started_now
    assert again.alive_workers() == 2
    assert [process.pids() for process in (again.master, *again.workers)][:2] == pids[:2]


def test_a_cluster_that_can_t_be_complete_is_stopped_with_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = spark_cluster.spark_class
    broken = ["sh", "-c", "echo there is no memory; exit 1"]
    monkeypatch.setattr(spark_cluster, "spark_class", lambda name: broken if "Worker" in name else real(name))
    port, ui_port = free_ports(2)
    with pytest.raises(ServerError, match=r"(?s)worker-1: ended while starting.*there is no memory"):
        start_cluster(tmp_path, port=port, ui_port=ui_port, workers=1)
    assert [process.pids() for process in recorded(tmp_path)] == [[], []]


def test_all_listen_on_this_machine_alone(state: Path, s3: S3Server, tracking: MlflowServer, cluster: Cluster) -> None:
    found = listeners_of(pid for process in recorded(state) for pid in process.pids())
    ports = {port_of(s3), *(cluster.master.port(one) for one in ("master", "ui")), tracking.process.port("mlflow")}
    assert ports < {one.port for one in found}
    assert len(found) == 4 + 2 * len(cluster.workers)
    assert {str(one.address) for one in found} == {LOOPBACK}


def test_the_credentials_are_in_one_private_file_and_in_no_command_line(
    state: Path, s3: S3Server, tracking: MlflowServer, cluster: Cluster
) -> None:
    secret = s3.credentials.secret_key.encode()
    for pid in psutil.pids():
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        assert secret not in line
        assert s3.credentials.access_key.encode() not in line
    files = [path for path in state.rglob("*") if path.is_file()]
    assert [path.name for path in files if secret in path.read_bytes()] == ["credentials.json"]
    assert (state / "credentials.json").stat().st_mode & 0o777 == 0o600
    assert state.stat().st_mode & 0o777 == 0o700
    assert s3.credentials.secret_key not in repr(s3)


def test_a_shell_takes_over_what_it_needs(state: Path, s3: S3Server, tracking: MlflowServer, cluster: Cluster) -> None:
    exports = f"{sys.executable} jobs/servers.py --state '{state}' env"
    shell = ["bash", "-c", f'eval "$({exports})" && env']
    exported = subprocess.run(
        shell, cwd=PROJECT, env=os.environ | OF_ANOTHER, capture_output=True, text=True, timeout=300, check=True
    ).stdout.splitlines()
    for server in (s3, tracking, cluster):
        assert {f"{name}={value}" for name, value in server.environment().items()} <= set(exported)
    assert f"PENSTOCK_MASTER={cluster.url}" in exported
    assert f"AWS_ENDPOINT_URL_S3={s3.endpoint}" in exported
    assert not [line for line in exported if line.startswith(("AWS_SESSION_TOKEN", "AWS_PROFILE", "SPARK_HOME"))]


def test_no_proxy_is_asked_for_a_server_of_this_machine(
    state: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in OF_ANOTHER.items():
        monkeypatch.setenv(name, value)
    for name, value in environment(state).items():
        monkeypatch.setenv(name, value)
    assert not requests.utils.get_environ_proxies(s3.endpoint)
    assert requests.utils.get_environ_proxies("http://elsewhere.example")["http"] == OF_ANOTHER["http_proxy"]
    assert not requests.utils.get_environ_proxies("http://in.corp.example")


def test_down_ends_what_was_started_and_what_a_crash_left(
    state: Path, s3: S3Server, tracking: MlflowServer, cluster: Cluster
) -> None:
    started = [pid for process in recorded(state) for pid in process.pids()]
    record = tracking.process.record()
    assert record
    os.kill(record.pid, signal.SIGKILL)
    wait_until(lambda: not tracking.process.is_running, "the end of the server")
    assert tracking.process.pids()
    answer = job(state, "down")
    assert answer.stdout == "stopped: worker-1, worker-2, master, mlflow, s3\n", answer.stderr
    assert not {pid for pid in started if Path(f"/proc/{pid}/exe").exists()}
    assert job(state, "down").stdout == "stopped: nothing was running\n"
    assert job(state, "env").returncode == 1

"""The servers of a demo or test: S3, MLflow, a Spark cluster, SQL over tables; processes on 127.0.0.1.

    s3 = start_s3(state)
    mlflow = start_mlflow(state, s3=s3)
    cluster = start_cluster(state)
    thrift = start_thrift(state, conf=[Path("conf/wine.yaml")])
    ... s3.environment(), s3.client(), mlflow.uri, cluster.url, cluster.workers[0].pids(), mlflow.stop()
    stop_all(state)

`state` is a folder: data, logs, process records, credentials (mode 0600). A running server is not started again.
"""

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from penstock.errors import ServerError
from penstock.interfaces.local_servers import mlflow, s3, spark_cluster, thrift
from penstock.interfaces.local_servers.mlflow import (
    DATABASE_VARIABLE,
    MlflowServer,
    running_mlflow,
    start_mlflow,
    without_proxy,
)
from penstock.interfaces.local_servers.process import ServerProcess, locked
from penstock.interfaces.local_servers.s3 import S3Server, running_s3, start_s3
from penstock.interfaces.local_servers.spark_cluster import Cluster, running_cluster, start_cluster
from penstock.interfaces.local_servers.thrift import ThriftServer, running_thrift, start_thrift

__all__ = [
    "DATABASE_VARIABLE",
    "Cluster",
    "MlflowServer",
    "S3Server",
    "ThriftServer",
    "environment",
    "start_cluster",
    "start_mlflow",
    "start_s3",
    "start_thrift",
    "stop_all",
]

STATE = Path("warehouse/servers")
OTHER_CREDENTIALS = ("AWS_SESSION_TOKEN", "AWS_PROFILE")
OTHER_SPARK = "SPARK_HOME"
NEEDS = f"Start them, unless they run. mlflow needs s3; {DATABASE_VARIABLE} may name its database. thrift needs --conf."
#: Default and environment variable of each port that is fixed.
PORTS = {
    "s3": (s3.PORT, s3.PORT_VARIABLE),
    "mlflow": (mlflow.PORT, mlflow.PORT_VARIABLE),
    "master": (spark_cluster.PORT, spark_cluster.PORT_VARIABLE),
    "master-ui": (spark_cluster.UI_PORT, spark_cluster.UI_PORT_VARIABLE),
    "thrift": (thrift.PORT, thrift.PORT_VARIABLE),
}


def start(
    state: Path,
    names: Sequence[str],
    ports: Mapping[str, int],
    *,
    conf: Sequence[Path] = (),
    overlays: Sequence[Path] = (),
) -> Iterator[str]:
    """Start those of s3, mlflow, cluster and thrift that are named; a line for each that is ready.

    ports: s3_port, mlflow_port, master_port, master_ui_port, thrift_port. conf, overlays: the pipelines of thrift.
    Raises ServerError, ConfigError.
    """
    if "s3" in names:
        s3 = start_s3(state, port=ports["s3_port"])
        yield f"s3 {ready_text(s3.started_now)} at {s3.endpoint}, bucket {s3.bucket}"
    if "mlflow" in names:
        found = running_s3(state)
        if found is None:
            raise ServerError("mlflow: keeps its artifacts on the S3 server, which does not run; start it: make s3-up")
        database = os.environ.get(DATABASE_VARIABLE, "")
        mlflow = start_mlflow(state, s3=found, port=ports["mlflow_port"], database=database)
        yield f"mlflow {ready_text(mlflow.started_now)} at {mlflow.uri}"
    if "cluster" in names:
        cluster = start_cluster(state, port=ports["master_port"], ui_port=ports["master_ui_port"])
        ready = ready_text(cluster.started_now)
        yield f"cluster {ready} at {cluster.url}, {len(cluster.workers)} workers, {cluster.ui}"
    if "thrift" in names:
        thrift = start_thrift(state, conf=conf, overlays=overlays, port=ports["thrift_port"])
        ready = ready_text(thrift.started_now)
        yield f"thrift {ready} at {thrift.url}, its password is in {thrift.password_file}"


def ready_text(started_now: bool) -> str:
    return "is ready" if started_now else "is running already"


def environment(state: Path) -> Mapping[str, str]:
    """Environment variables for clients of the running servers. Raises ServerError if none is running."""
    finders = (running_s3, running_mlflow, running_cluster, running_thrift)
    running = [found for find in finders if (found := find(state))]
    if not running:
        raise ServerError(f"no server runs below {state}; start them with: make servers-up")
    merged = without_proxy()
    for server in running:
        merged |= server.environment()
    if "AWS_ENDPOINT_URL" in merged:
        # Clients prefer this variable, which the shell may have set for another server.
        merged["AWS_ENDPOINT_URL_S3"] = merged["AWS_ENDPOINT_URL"]
    return merged


def exports(state: Path) -> str:
    """environment() as shell commands, which also unset variables that select other credentials or another Spark, with
    other jars and another version than the cluster's."""
    given = environment(state)
    misleading = [*(OTHER_CREDENTIALS if "AWS_ACCESS_KEY_ID" in given else ()), OTHER_SPARK]
    exported = [f"export {name}={shlex.quote(value)}" for name, value in given.items()]
    return "\n".join([f"unset {' '.join(misleading)}", *exported])


def status(state: Path) -> list[str]:
    """A line for each server that was ever started here."""
    lines = []
    for process in recorded(state):
        record = process.record()
        if record is None:
            lines.append(f"{process.name:9} stopped")
        elif process.is_running:
            ports = ", ".join(f"{purpose} {port}" for purpose, port in record.ports.items())
            lines.append(f"{process.name:9} running   pid {record.pid}   {ports}".rstrip())
        else:
            lines.append(f"{process.name:9} dead, its log: {process.log}")
    return lines


def stop_all(state: Path) -> list[str]:
    """Stop all servers below `state`, and processes left by a crash; returns the names of those that were running."""
    if not state.exists():
        return []
    with locked(state):
        return [process.name for process in recorded(state) if process.stop()]


def recorded(state: Path) -> list[ServerProcess]:
    """Dependent servers come first, so that none is stopped after a server it uses."""
    names = ["thrift", *sorted(path.name for path in state.glob("worker-*")), "master", "mlflow", "s3"]
    return [ServerProcess(folder=state / name) for name in names if (state / name).exists()]

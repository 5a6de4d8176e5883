"""A Spark standalone cluster on 127.0.0.1: a master and workers, of this environment's pyspark."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pyspark

from penstock.interfaces.local_servers.process import Program, ServerProcess, clean_environment, get, locked
from penstock.spark.jvm_options import DRIVER_OPTIONS, Jit, jvm_settings
from penstock.tcp_ports import LOOPBACK, listeners_of

PORT, UI_PORT = 7077, 8080
PORT_VARIABLE, UI_PORT_VARIABLE = "PENSTOCK_MASTER_PORT", "PENSTOCK_MASTER_UI_PORT"
WORKERS, CORES, MEMORY = 2, 1, "2g"
READY_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster whose workers have registered with the master. started_now: some of it was not running before."""

    master: ServerProcess
    workers: tuple[ServerProcess, ...]
    url: str
    ui: str
    started_now: bool = False

    def alive_workers(self) -> int:
        """The number of alive workers by the master; 0 if it does not respond."""
        return len(alive_ports(self))

    def environment(self) -> dict[str, str]:
        return {
            "PENSTOCK_MASTER": self.url,
            # The workers can't connect back to a driver that advertises another address of this machine.
            "SPARK_LOCAL_IP": LOOPBACK,
            "PYSPARK_PYTHON": sys.executable,
        }

    def stop(self) -> bool:
        # Workers first: otherwise they try to reconnect to the master while shutting down.
        stopped = [process.stop() for process in (*self.workers, self.master)]
        return any(stopped)


def start_cluster(
    state: Path,
    *,
    port: int = PORT,
    ui_port: int = UI_PORT,
    workers: int = WORKERS,
    cores: int = CORES,
    memory: str = MEMORY,
    seconds: float = READY_SECONDS,
) -> Cluster:
    """Start the processes below `state` that are not running, killed workers included. Raises ServerError."""
    with locked(state):
        cluster = cluster_at(state, port=port, ui_port=ui_port, workers=workers)
        new: list[ServerProcess] = []
        try:
            # Workers can start without a master, and starting both concurrently saves half of the time.
            for process, program in programs(cluster, port, ui_port, cores, memory):
                if process.start(program):
                    new.append(process)
            master = cluster.master
            master.wait_until(lambda: get(f"{cluster.ui}/json/").problem, seconds=seconds, started=master in new)
            for worker in cluster.workers:
                worker.wait_until(partial(problem_of, cluster, worker), seconds=seconds, started=worker in new)
        except BaseException:
            for process in reversed(new):
                process.stop()
            raise
    return replace(cluster, started_now=bool(new))


def running_cluster(state: Path) -> Cluster | None:
    master = ServerProcess(folder=state / "master")
    if not master.is_running:
        return None
    workers = len(list(state.glob("worker-*")))
    return cluster_at(state, port=master.port("master"), ui_port=master.port("ui"), workers=workers)


def cluster_at(state: Path, *, port: int, ui_port: int, workers: int) -> Cluster:
    return Cluster(
        master=ServerProcess(folder=state / "master"),
        workers=tuple(ServerProcess(folder=state / f"worker-{number}") for number in range(1, workers + 1)),
        url=f"spark://{LOOPBACK}:{port}",
        ui=f"http://{LOOPBACK}:{ui_port}",
    )


def programs(
    cluster: Cluster, port: int, ui_port: int, cores: int, memory: str
) -> Iterator[tuple[ServerProcess, Program]]:
    address = ("--host", LOOPBACK)
    yield (
        cluster.master,
        Program(
            command=[*spark_class("master.Master"), *address, "--port", str(port), "--webui-port", str(ui_port)],
            environment=daemon_environment(cluster.master),
            ports={"master": port, "ui": ui_port},
            port_variables={"master": PORT_VARIABLE, "ui": UI_PORT_VARIABLE},
        ),
    )
    for worker in cluster.workers:
        size = ("--cores", str(cores), "--memory", memory)
        folder = ("--work-dir", str((worker.folder / "work").resolve()))
        yield (
            worker,
            Program(
                command=[*spark_class("worker.Worker"), *address, "--webui-port", "0", *size, *folder, cluster.url],
                environment=daemon_environment(worker),
            ),
        )


def spark_class(name: str) -> list[str]:
    return [str(spark_home() / "bin" / "spark-class"), f"org.apache.spark.deploy.{name}"]


def spark_home() -> Path:
    return Path(pyspark.__file__).parent


def daemon_environment(process: ServerProcess) -> dict[str, str]:
    """Without credentials: executors get those of the driver, with its Hadoop settings."""
    folder = process.folder.resolve()
    # The daemons only pass messages.
    jvm = jvm_settings(Jit.SHORT)
    return clean_environment(
        SPARK_HOME=str(spark_home()),
        # Otherwise the web UIs of master and workers listen on all interfaces.
        SPARK_LOCAL_IP=LOOPBACK,
        SPARK_LOCAL_DIRS=str(folder / "local"),
        SPARK_DAEMON_MEMORY="512m",
        SPARK_DAEMON_JAVA_OPTS=jvm[DRIVER_OPTIONS],
        SPARK_DAEMON_CLASSPATH=jvm.get("spark.driver.extraClassPath", ""),
        # A third port of the master, on by default: anyone who reaches it may submit programs.
        SPARK_MASTER_OPTS="-Dspark.master.rest.enabled=false",
        SPARK_WORKER_OPTS="-Dspark.worker.cleanup.enabled=true",
        PYSPARK_PYTHON=sys.executable,
    )


def problem_of(cluster: Cluster, worker: ServerProcess) -> str | None:
    """None once the master lists this very worker as alive; a killed one may stay listed for a moment."""
    alive = alive_ports(cluster)
    own = {listener.port for listener in listeners_of(worker.pids())}
    return None if own & alive else f"the master at {cluster.url} counts {len(alive)} workers, not yet this one"


def alive_ports(cluster: Cluster) -> set[int]:
    """The ports of the workers that the master lists as alive; empty if it does not respond."""
    page = get(f"{cluster.ui}/json/").body
    workers = json.loads(page)["workers"] if page else []
    return {int(worker["port"]) for worker in workers if worker["state"] == "ALIVE"}

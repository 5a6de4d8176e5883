"""A registry that does not answer: the version before goes on, for a while, and says so."""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from sandbox import WINE, Sandbox, TestRegistry, csv_file

from penstock.errors import EnvironmentCheckError, RegistryUnavailableError


class Server:
    """A real MLflow server over a sqlite file, started and stopped at will on one port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--backend-store-uri", f"sqlite:///{self.folder / 'mlflow.db'}", "--workers", "1"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        with (self.folder / "server.log").open("ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output, cwd=self.folder)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=1):
                    return
            except OSError:
                time.sleep(0.2)
        raise AssertionError((self.folder / "server.log").read_text())

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=20)


class ServedRegistry(TestRegistry):
    __test__ = False

    def __init__(self, server: Server) -> None:
        super().__init__(server.folder)
        self.server = server

    @property
    def uri(self) -> str:
        return self.server.uri

    def use(self) -> None:
        import mlflow

        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        mlflow.set_experiment("tests")


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.stop()


def test_the_version_before_goes_on_while_the_registry_is_away(sandbox: Sandbox, server: Server) -> None:
    registry = ServedRegistry(server)
    sandbox.registry = registry
    example = pd.DataFrame([WINE])
    first = registry.register("wine-served", "linear", example=example, outputs=pd.Series([1.5]))
    sandbox.changes = {"model": {"name": "wine-served"}}
    sandbox.drop("a.csv", csv_file(WINE))
    sandbox.run()

    # Each run is a process of its own as far as the pipeline knows: this one starts without a registry.
    server.stop()
    sandbox.drop("b.csv", csv_file(WINE, WINE), age_seconds=50)
    [record] = sandbox.run()
    assert (record.accepted, record.plan.champion.version) == (2, first)
    told = {row.batch_id: row.resolved_at for row in sandbox.rows("batches")}
    assert told[1] == told[0]

    sandbox.changes = {"model": {"name": "wine-served", "max_staleness": 1}}
    sandbox.drop("c.csv", csv_file(WINE), age_seconds=40)
    with pytest.raises(RegistryUnavailableError, match=r"version 1, and model\.max_staleness allows 1 s"):
        sandbox.run()
    assert sandbox.table("predictions").count() == 3

    server.start()
    second = registry.register("wine-served", "fussy", example=example, outputs=pd.Series([1.5]))
    sandbox.run()
    versions = sorted((row.source_file[-5:], row.model_version) for row in sandbox.rows("predictions"))
    assert versions == [("a.csv", first), ("b.csv", first), ("b.csv", first), ("c.csv", second)]
    assert sandbox.rows("batches")[0].resolved_at is not None


def test_a_first_start_needs_the_registry(sandbox: Sandbox, tmp_path: Path) -> None:
    server = Server(tmp_path)
    sandbox.registry = ServedRegistry(server)
    sandbox.changes = {"model": {"name": "wine-served"}}
    with pytest.raises(EnvironmentCheckError, match=r"the registry http://127\.0\.0\.1:\d+ did not answer"):
        sandbox.run()

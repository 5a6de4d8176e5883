"""The jobs as processes, as a person starts them."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from sandbox import Sandbox

PROJECT = Path(__file__).parent.parent
CONF = "conf/wine.yaml"


def arguments(sandbox: Sandbox, model: str, *, conf: Path = Path(CONF)) -> list[str]:
    """Options of a job for the sandbox's pipeline, with a model of that name."""
    settings = {
        "source.path": sandbox.inbox,
        "source.settle": "0.5",
        "tables.root": sandbox.root / "tables",
        "checkpoint": sandbox.root / "checkpoint",
        "mlflow.tracking_uri": sandbox.registry.uri,
        "model.name": model,
        "trigger.every": "1 second",
    }
    return ["--conf", str(conf), *[part for key, value in settings.items() for part in ("--set", f"{key}={value}")]]


def environment(sandbox: Sandbox) -> dict[str, str]:
    small = (
        "--conf spark.ui.enabled=false --master local[2] --driver-java-options -XX:TieredStopAtLevel=1 pyspark-shell"
    )
    return os.environ | {"PENSTOCK_SPARK_LOG": str(sandbox.root / "spark.log"), "PYSPARK_SUBMIT_ARGS": small}


class Job:
    """A job in a process group of its own, its output in a file."""

    def __init__(self, sandbox: Sandbox, command: list[str]) -> None:
        self.output = sandbox.root / f"output-{time.monotonic_ns()}.txt"
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env=environment(sandbox),
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_for(self, pattern: str, *, seconds: float = 600) -> str:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = re.search(pattern, self.output.read_text())
            if found:
                return found[0]
            assert self.process.poll() is None, f"ended without {pattern!r}:\n{self.output.read_text()}"
            time.sleep(0.2)
        raise AssertionError(f"no {pattern!r} within {seconds} s:\n{self.output.read_text()}")

    def end(self, *, seconds: float = 600) -> int:
        return self.process.wait(timeout=seconds)

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)


def python(job: str, *options: str) -> list[str]:
    return [sys.executable, f"jobs/{job}.py", *options]


def spark_submit(job: str, *options: str) -> list[str]:
    return [str(Path(sys.executable).parent / "spark-submit"), f"jobs/{job}.py", *options]


def run(sandbox: Sandbox, command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=PROJECT, env=environment(sandbox), capture_output=True, text=True, timeout=600, check=False
    )

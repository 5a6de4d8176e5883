"""Jobs that are killed whatever happens, and the package that spark-submit is given."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from job_processes import PROJECT, Job


@pytest.fixture
def jobs() -> Iterator[list[Job]]:
    started: list[Job] = []
    yield started
    for job in started:
        job.kill()


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip of `make wheel`, of which the processes of a test run each take a copy."""
    folder = tmp_path_factory.mktemp("package")
    with FileLock(tmp_path_factory.getbasetemp().parent / "wheel.lock"):
        # The environment is there: the tests run in it.
        subprocess.run(["make", "--silent", "--assume-old=.venv/.ready", "wheel"], cwd=PROJECT, check=True)
        return Path(shutil.copy(PROJECT / "dist" / "penstock.zip", folder))

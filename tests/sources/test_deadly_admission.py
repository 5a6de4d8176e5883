"""Files in which the process ended: refused without a look into them, also where it ended in admission."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.config.pipeline import SourceConfig
from penstock.pipeline.attempts import MAX_UNEXPLAINED
from penstock.schemas.contract import Contract, Field
from penstock.sources.checkpoint import Arrival
from penstock.sources.deadly_files import MAX_DEATHS, admit_alone
from penstock.storage.files import LocalStorage

CONTRACT = Contract(fields=(Field(name="x", type="double"),))
#: Runs of a batch up to its files' verdicts, each in its own process, which to open a Parquet file ends.
RUNS = """
import os, sys
from types import SimpleNamespace
from penstock.config.pipeline import SourceConfig
from penstock.pipeline.attempts import counted_attempt
from penstock.pipeline.planning import admitted_files
from penstock.schemas.contract import Contract, Field
from penstock.sources.checkpoint import Arrival
from penstock.sources.formats import parquet
from penstock.storage.files import LocalStorage

parquet.FooterReader = lambda file: os.abort()
runs, record, *paths = sys.argv[1:]
config = SimpleNamespace(source=SourceConfig(path="in"))
contract = Contract(fields=(Field(name="x", type="double"),))
pipeline = SimpleNamespace(storage=LocalStorage(), config=config, contract=contract)
arrived = [Arrival(path=path, modified_milliseconds=0) for path in paths]
for _ in range(int(runs)):
    child = os.fork()
    if child == 0:
        with counted_attempt(LocalStorage(), record, 0) as attempt:
            print(*[file.verdict for file in admitted_files(pipeline, arrived, attempt)], flush=True)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    found = []
    for name, content in (("a.csv", b"x\n1\n"), ("b.parquet", b"PAR1"), ("c.csv", b"x\n1\n")):
        path = tmp_path / name
        path.write_bytes(content)
        os.utime(path, (1_700_000_000, 1_700_000_000))
        found.append(str(path))
    return found


class Opened(LocalStorage):
    """Notes which files were opened, and after which marks."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def open(self, path):
        self.steps.append(f"open {path}")
        return super().open(path)


def test_a_deadly_file_is_not_opened_and_the_others_are_under_a_mark(paths: list[str]) -> None:
    storage = Opened()
    first, deadly, last = paths
    files = admit_alone(
        [Arrival(path=path, modified_milliseconds=0) for path in (*paths, "/gone.csv")],
        storage=storage,
        source=SourceConfig(path="in"),
        contract=CONTRACT,
        deaths={first: MAX_DEATHS - 1, deadly: MAX_DEATHS, "/gone.csv": MAX_DEATHS},
        mark=lambda path: storage.steps.append(f"mark {path}"),
    )
    assert [file.verdict for file in files] == ["accepted", "refused", "accepted", "refused"]
    assert files[1].reasons == (
        "file: the process ended 2 times while it read this file alone (4 bytes of 2023-11-14T22:13:20+00:00): in most "
        "cases memory ran out, or the file is damaged; deliver it in smaller parts, or written again",
    )
    assert files[3].reasons == ("file: vanished between listing and reading",)
    opened = dict.fromkeys(step for step in storage.steps)
    assert list(opened) == [f"mark {first}", f"open {first}", f"mark {last}", f"open {last}", "mark /gone.csv"]


def test_a_file_that_ends_the_process_in_admission_is_refused_in_the_end(tmp_path: Path, paths: list[str]) -> None:
    """After as many runs that ended for no known reason."""
    record = tmp_path / "attempts"
    record.write_text(json.dumps({"batch_id": 0, "began": MAX_UNEXPLAINED}))
    command = [sys.executable, "-c", RUNS, str(MAX_DEATHS + 1), str(record), *paths]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    ended = [str(int(-signal.SIGABRT))] * MAX_DEATHS
    assert run.stdout.splitlines() == [*ended, "accepted refused accepted", "0"], run.stderr[-2000:]
    assert json.loads(record.read_text())["trying"] is None

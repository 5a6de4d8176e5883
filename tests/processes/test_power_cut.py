"""A power cut, simulated: the job starts again from what was on the disk when its first batch was committed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from job_processes import PROJECT, arguments, environment, python
from sandbox import WINE, Sandbox, csv_file, wine

SOURCE = Path(__file__).parent / "sync_log.c"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sync-log") / "sync_log.so"
    subprocess.run(["cc", "-std=gnu17", "-shared", "-fPIC", "-o", str(made), str(SOURCE), "-ldl"], check=True)
    return made


def on_disk(events: list[list[str]]) -> set[Path]:
    """The files whose content was synced, and after it, and after they had their names, their folder."""
    content, names, found = set[str](), dict[Path, set[str]](), set[Path]()
    for what, path, other in events:
        if what != "sync":
            found.discard(Path(other))
            if path in content:
                content.add(other)
                names.setdefault(Path(other).parent, set()).add(other)
            continue
        content.add(path)
        names.setdefault(Path(path).parent, set()).add(path)
        # Of a folder: every name in it.
        found |= {Path(name) for name in names.pop(Path(path), set())}
    return found


def backfill(sandbox: Sandbox, **more: str) -> None:
    command = python("backfill", *arguments(sandbox, sandbox.registry.wine_model()))
    there = environment(sandbox) | more
    subprocess.run(command, cwd=PROJECT, env=there, capture_output=True, text=True, timeout=600, check=True)


def test_what_was_committed_is_on_the_disk(sandbox: Sandbox, library: Path, tmp_path: Path) -> None:
    log, kept = tmp_path / "sync.log", tmp_path / "cut"
    sandbox.drop("a.csv", csv_file(WINE, wine(alcohol="abc")))
    backfill(sandbox, LD_PRELOAD=str(library), SYNC_LOG=str(log))
    events = [line.split("\t") for line in log.read_text().splitlines()]
    committed = str(sandbox.root / "checkpoint" / "commits" / "0")
    moment = next(number for number, event in enumerate(events) if committed in event[2:])
    files = on_disk(events[: moment + 1])
    for folder in ("tables", "checkpoint"):
        shutil.move(sandbox.root / folder, kept / folder)
        for path in sorted(files):
            if path.is_relative_to(sandbox.root / folder) and (kept / path.relative_to(sandbox.root)).is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                os.link(kept / path.relative_to(sandbox.root), path)
    assert (sandbox.root / "checkpoint" / "offsets" / "0").exists()
    assert not Path(committed).exists()

    sandbox.drop("b.csv", csv_file(WINE), age_seconds=50)
    backfill(sandbox)
    assert sorted(Path(row.source_file).name for row in sandbox.rows("predictions")) == ["a.csv", "b.csv"]
    assert [Path(row.source_file).name for row in sandbox.rows("quarantine")] == ["a.csv"]

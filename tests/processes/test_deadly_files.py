"""A file that ends every process that reads it, and the others of its batch."""

import subprocess
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from job_processes import PROJECT, arguments, environment, python
from sandbox import Sandbox, TestRegistry
from table_rows import read_rows

#: Of one text, in a file of some kilobytes; a job has 1 GB by default.
CHARACTERS = 600_000_000


def backfill(sandbox: Sandbox) -> subprocess.CompletedProcess[str]:
    options = arguments(sandbox, "small-echo")
    command = python("backfill", *options, "--set", "contract=sample_contracts:SMALL", "--set", "pipeline=deadly")
    return subprocess.run(
        command,
        cwd=PROJECT,
        env=environment(sandbox) | {"PYTHONPATH": str(PROJECT / "tests")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_file_that_takes_all_memory_is_refused_in_the_end(tmp_path: Path, registry: TestRegistry) -> None:
    sandbox = Sandbox(root=tmp_path, spark=None, registry=registry)  # type: ignore[arg-type] - it needs none here
    registry.register("small-echo", "echo", example=pd.DataFrame({"x": [1.5]}), outputs=pd.Series([1.5]))
    sandbox.drop("good.csv", b"x,note\n1.5,fine\n2.5,fine\n")
    sandbox.drop("deadly.parquet", b"")
    texts = pa.table({"x": [1.5], "note": ["x" * CHARACTERS]})
    pq.write_table(texts, sandbox.inbox / "deadly.parquet", compression="zstd", use_dictionary=False)
    sandbox.age(sandbox.inbox / "deadly.parquet")
    runs = [backfill(sandbox)]
    while runs[-1].returncode and len(runs) < 6:
        runs.append(backfill(sandbox))
    said = "\n\n".join(run.stdout[-2000:] + run.stderr[-2000:] for run in runs)
    assert [run.returncode for run in runs[-2:]] == [1, 0], said
    assert "its files are read one by one first" in said
    scored = read_rows(f"{tmp_path}/tables/predictions")
    assert sorted(row.prediction for row in scored) == [3.0, 5.0]
    [refused] = read_rows(f"{tmp_path}/tables/quarantine")
    assert refused.reasons[0].startswith("file: the process ended 2 times while it read this file alone (")

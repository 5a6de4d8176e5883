"""The jobs that `make test` runs as processes: a stream with all that happens to it, and one submitted with the zip."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from job_processes import PROJECT, Job, arguments, environment, python, run, spark_submit
from sandbox import WINE, WINE_SCORE, Sandbox, csv_file

#: Says where its code came from, and runs the job.
SUBMITTED = """
import sys
import penstock
from penstock.jobs.backfill import main
print("code from", penstock.__file__)
sys.exit(main())
"""


def test_a_stream_swaps_its_model_and_stops_on_a_signal(sandbox: Sandbox, jobs: list[Job]) -> None:
    one = pd.DataFrame([WINE])
    first = sandbox.registry.register("wine-live", "linear", example=one, outputs=pd.Series([1.5]))
    options = arguments(sandbox, "wine-live")
    sandbox.drop("a.csv", csv_file(WINE))
    jobs.append(stream := Job(sandbox, python("score_stream", *options)))
    stream.wait_for(r"batch 0: .* by version " + first)

    second_writer = run(sandbox, python("backfill", *options))
    assert second_writer.returncode == 1
    assert f"score_stream, pid {stream.process.pid} on " in second_writer.stderr

    second = sandbox.registry.register("wine-live", "fussy", example=one, outputs=pd.Series([1.5]))
    sandbox.drop("b.csv", csv_file(WINE, WINE), age_seconds=50)
    stream.wait_for(r"batch 1: .* by version " + second)
    stream.process.send_signal(signal.SIGTERM)
    assert stream.end() == 0
    assert "SIGTERM: finishing the running micro-batch" in stream.output.read_text()

    sandbox.drop("c.csv", csv_file(WINE), age_seconds=40)
    backfill = run(sandbox, spark_submit("backfill", *options))
    assert backfill.returncode == 0, backfill.stderr
    assert "done: 1 micro-batches, 1 rows" in backfill.stdout
    files = sorted(Path(row.source_file).name for row in sandbox.rows("predictions"))
    assert files == ["a.csv", "b.csv", "b.csv", "c.csv"]


def test_a_job_is_submitted_with_the_zip(sandbox: Sandbox, package: Path) -> None:
    """From a folder of one's own."""
    sandbox.drop("a.csv", csv_file(WINE))
    script = sandbox.root / "submitted.py"
    script.write_text(SUBMITTED)
    options = arguments(sandbox, sandbox.registry.wine_model(), conf=PROJECT / "conf" / "wine.yaml")
    submit = [str(Path(sys.executable).parent / "spark-submit"), "--py-files", str(package), str(script)]
    there = {name: value for name, value in (os.environ | environment(sandbox)).items() if name != "PYTHONPATH"}
    answer = subprocess.run(
        [*submit, *options], cwd=sandbox.root, env=there, capture_output=True, text=True, timeout=600, check=False
    )
    assert answer.returncode == 0, answer.stderr
    [place] = [line for line in answer.stdout.splitlines() if line.startswith("code from ")]
    assert package.name in place
    assert "done: 1 micro-batches, 1 rows" in answer.stdout
    [row] = sandbox.rows("predictions")
    assert row.prediction == pytest.approx(WINE_SCORE)

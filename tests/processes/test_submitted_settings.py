"""Spark settings of a pipeline's config under spark-submit, whose JVM has settings before ours are known."""

import os
import subprocess
import sys
from pathlib import Path

from job_processes import PROJECT

SCRIPT = """
from penstock.spark.session import build_session
asked = {"spark.sql.shuffle.partitions": "7", "spark.sql.session.timeZone": "Europe/Vienna"}
spark = build_session("asked", settings=asked)
print({key: spark.conf.get(key) for key in (*asked, "spark.sql.csv.parser.columnPruning.enabled")})
"""


def test_they_take_the_place_of_our_own_and_not_of_what_was_given(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    submit = [str(Path(sys.executable).parent / "spark-submit"), "--master", "local[1]"]
    given = ["--conf", "spark.ui.enabled=false", "--conf", "spark.sql.session.timeZone=Asia/Tokyo"]
    output = subprocess.run(
        [*submit, *given, str(tmp_path / "script.py")],
        cwd=PROJECT,
        env=os.environ
        | {
            "PYSPARK_PYTHON": sys.executable,
            "PYTHONPATH": str(PROJECT),
            "PENSTOCK_SPARK_LOG": str(tmp_path / "spark.log"),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    ).stdout
    assert output.splitlines()[-1] == str(
        {
            "spark.sql.shuffle.partitions": "7",
            "spark.sql.session.timeZone": "Asia/Tokyo",
            "spark.sql.csv.parser.columnPruning.enabled": "false",
        }
    )

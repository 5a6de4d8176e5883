"""Spark settings of a pipeline's config under spark-submit, whose JVM has settings before ours are known; and where a
local master listens."""

import os
import subprocess
import sys
from pathlib import Path

from job_processes import PROJECT

SCRIPT = """
from penstock.spark.session import build_session
asked = {"spark.sql.shuffle.partitions": "7", "spark.sql.autoBroadcastJoinThreshold": "1m"}
spark = build_session("asked", settings=asked)
print({key: spark.conf.get(key) for key in (*asked, "spark.sql.csv.parser.columnPruning.enabled")})
"""


def test_they_take_the_place_of_our_own_and_not_of_what_was_given(tmp_path: Path) -> None:
    given = ["--conf", "spark.ui.enabled=false", "--conf", "spark.sql.autoBroadcastJoinThreshold=2m"]
    output = submitted(tmp_path, *given)
    assert output.returncode == 0, output.stderr
    assert output.stdout.splitlines()[-1] == str(
        {
            "spark.sql.shuffle.partitions": "7",
            "spark.sql.autoBroadcastJoinThreshold": "2m",
            "spark.sql.csv.parser.columnPruning.enabled": "false",
        }
    )


def test_a_setting_that_carries_meaning_is_refused(tmp_path: Path) -> None:
    output = submitted(tmp_path, "--conf", "spark.ui.enabled=false", "--conf", "spark.sql.session.timeZone=Asia/Tokyo")
    assert output.returncode != 0
    # spark-submit prints what a script writes to either on its own output.
    assert (
        "spark.sql.session.timeZone is 'Asia/Tokyo' in --conf or --properties-file of spark-submit, expected 'UTC'"
        in output.stdout + output.stderr
    )


def submitted(folder: Path, *given: str) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(SCRIPT)
    submit = [str(Path(sys.executable).parent / "spark-submit"), "--master", "local[1]"]
    return subprocess.run(
        [*submit, *given, str(folder / "script.py")],
        cwd=PROJECT,
        env=os.environ
        | {
            "PYSPARK_PYTHON": sys.executable,
            "PYTHONPATH": str(PROJECT),
            "PENSTOCK_SPARK_LOG": str(folder / "spark.log"),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


LISTENING = """
from pathlib import Path
import psutil
from penstock.spark.session import build_session
spark = build_session("listening", settings={"spark.master": "local[1]"})
me = psutil.Process()
found = {one.laddr.ip for process in (me, *me.children(recursive=True)) for one in process.net_connections("tcp")
         if one.status == psutil.CONN_LISTEN}
print(sorted(found), spark.conf.get("spark.ui.killEnabled"), spark.sparkContext.uiWebUrl.rpartition(":")[0])
spark.stop()
"""


def test_nothing_of_a_local_master_listens_beyond_this_machine(tmp_path: Path) -> None:
    """Spark's page, the driver and its blocks."""
    environment = {key: value for key, value in os.environ.items() if key != "SPARK_LOCAL_IP"}
    output = subprocess.run(
        [sys.executable, "-c", LISTENING],
        cwd=PROJECT,
        env=environment | {"PENSTOCK_SPARK_LOG": str(tmp_path / "spark.log")},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    ).stdout
    assert output.splitlines()[-1] in (
        "['127.0.0.1'] false http://127.0.0.1",
        "['127.0.0.1', '::ffff:127.0.0.1'] false http://127.0.0.1",
        "['::ffff:127.0.0.1'] false http://127.0.0.1",
    )

"""An Airflow 3 DAG: every night refit the VAR, forecast the files that have arrived, maintain the tables.

For nightly pipelines. Where a stream runs permanently, leave `backfill` out: the lease would refuse it, since there is
one writer per pipeline. The Airflow worker has the project at PENSTOCK_HOME, with .venv and dist/penstock.zip.
Credentials: the worker's role or environment. The very first fit has no observations yet: run it manually with --data.
"""

import os
from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

HOME = os.environ.get("PENSTOCK_HOME", "/opt/penstock")
MASTER = os.environ.get("PENSTOCK_MASTER", "yarn")
CONF = "--conf conf/macro.yaml --conf conf/s3.yaml"


def submit(job: str, *options: str, hours: float) -> BashOperator:
    """A job as a task. Airflow kills one that takes too long; the next run resumes where it was interrupted."""
    # Without a SPARK_HOME: another Spark lacks the jars.
    python = f"env --unset=SPARK_HOME PYSPARK_PYTHON={HOME}/.venv/bin/python"
    submitted = f"{python} .venv/bin/spark-submit --master {MASTER} --py-files dist/penstock.zip"
    return BashOperator(
        task_id=job,
        bash_command=" ".join([submitted, f"jobs/{job}.py", CONF, *options]),
        cwd=HOME,
        append_env=True,
        execution_timeout=timedelta(hours=hours),
    )


with DAG(
    dag_id="penstock_macro",
    schedule="30 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # One writer per pipeline: a second run would fail to acquire the lease.
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["penstock"],
):
    fit = submit("fit_var", "--from-table", "--promote", hours=2)
    backfill = submit("backfill", hours=4)
    maintain = submit("maintain_tables", hours=1)
    fit >> backfill >> maintain

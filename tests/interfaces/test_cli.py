import click
import pytest

from penstock.errors import StorageError
from penstock.interfaces.cli.options import run_job, spark_problem

FULL_DISK = """An error occurred while calling o1.save.
: org.apache.spark.SparkException: Task failed while writing rows to file:/tables/quarantine.
\tat org.apache.spark.sql.errors.QueryExecutionErrors$.taskFailed(QueryExecutionErrors.scala:843)
\tat java.base/java.lang.Thread.run(Thread.java:840)
Caused by: org.apache.hadoop.fs.FSError: java.io.IOException: No space left on device
\tat org.apache.hadoop.fs.RawLocalFileSystem.write(RawLocalFileSystem.java:1)
Caused by: java.io.IOException: No space left on device
\t... 17 more"""


def test_the_cause_of_a_java_error_is_in_its_one_line() -> None:
    assert spark_problem(FULL_DISK) == (
        "An error occurred while calling o1.save. : org.apache.spark.SparkException: Task failed while writing rows to "
        "file:/tables/quarantine.; caused by java.io.IOException: No space left on device"
    )


def test_an_error_without_a_trace_is_itself() -> None:
    assert spark_problem("[TABLE_NOT_FOUND] no\ntable") == "[TABLE_NOT_FOUND] no table"


@pytest.mark.parametrize("folder", ["s3a://bucket/checkpoint", "/mnt/checkpoint"])
def test_trouble_with_the_storage_is_one_line_and_no_usage_error(
    capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    @click.command()
    def command() -> None:
        raise StorageError(5, "S3 was not reached: refused; check s3.endpoint", f"{folder}/plan/3.json")

    assert run_job(command, []) == 1
    assert capsys.readouterr().err == f"error: {folder}/plan/3.json: S3 was not reached: refused; check s3.endpoint\n"

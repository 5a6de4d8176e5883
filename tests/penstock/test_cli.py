from penstock.cli import spark_problem

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

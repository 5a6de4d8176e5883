"""Whether files have anything for the quarantine: what a count says is what is in it."""

import pytest
from pyspark.sql import SparkSession
from sandbox import Sandbox, checked_files

from penstock.input import has_rejected, rejected_rows

GOOD, REPEATED, BAD = b"x,note\n1,a\n\n2,b\n", b"x,note\n1,a\nx,note\n", b"x,note\n1,a\none,b\n"


@pytest.mark.parametrize(
    ("contents", "dialect", "reasons"),
    [
        ([GOOD], {}, []),
        ([GOOD, GOOD, GOOD], {}, []),
        ([REPEATED], {}, ["row: is the header line again"]),
        ([GOOD, REPEATED, b"note,x\na,1\n"], {}, ["row: is the header line again"]),
        ([BAD], {}, ["x: 'one' is not a double"]),
        ([GOOD, BAD], {"multi_line": True}, ["x: 'one' is not a double"]),
        ([GOOD, GOOD], {"multi_line": True}, []),
    ],
    ids=str,
)
def test_files(
    spark: SparkSession, sandbox: Sandbox, contents: list[bytes], dialect: dict[str, bool], reasons: list[str]
) -> None:
    rows = checked_files(spark, sandbox, *contents, **dialect)
    assert [reason for row in rejected_rows(rows).collect() for reason in row.reasons] == reasons
    assert has_rejected(rows, headers=len(contents)) is bool(reasons)

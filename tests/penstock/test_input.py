"""Whether files have anything for the quarantine: what a count says is what is in it."""

import pytest
from pyspark.sql import SparkSession
from sample_contracts import SMALL
from sandbox import Sandbox

from penstock.admission import admit_files
from penstock.arrivals import Arrival
from penstock.config import CsvDialect, SourceConfig
from penstock.input import checked_rows, has_rejected, rejected_rows
from penstock.storage import LocalStorage

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
    files = [sandbox.drop(f"{number}.csv", content) for number, content in enumerate(contents)]
    arrivals = [Arrival(path=str(file), modified_milliseconds=file.stat().st_mtime_ns // 1_000_000) for file in files]
    source = SourceConfig(path=str(sandbox.inbox), csv=CsvDialect(**dialect))
    admitted = admit_files(arrivals, storage=LocalStorage(), source=source, contract=SMALL)
    rows = checked_rows(spark, admitted, contract=SMALL, dialect=source.csv)
    assert rows is not None
    assert [reason for row in rejected_rows(rows).collect() for reason in row.reasons] == reasons
    assert has_rejected(rows, headers=len(files)) is bool(reasons)

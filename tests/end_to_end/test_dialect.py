"""CSV dialects: separator, quotes, encoding, null marker, rows that span lines. Each is read as the job reads; the
one with everything in it, and those that quarantine, go through the whole job."""

from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession
from sample_contracts import SMALL
from sandbox import Sandbox, checked_files

from penstock.sources.reading import accepted_rows, rejected_rows


@pytest.mark.parametrize(
    ("content", "dialect", "expected"),
    [
        (b"x;note\n1;a,b\n", {"separator": ";"}, {1.0: "a,b"}),
        (b"x\tnote\n1\ta\n", {"separator": "\t"}, {1.0: "a"}),
        (b'x#note\n1#a,b\n2#"a#b"\n', {"separator": "#"}, {1.0: "a,b", 2.0: "a#b"}),
        (b'x,note\n1,#\n2,"#"\n3,"a"\n', {"null_marker": "#"}, {1.0: None, 2.0: None, 3.0: "a"}),
        (b"x,note\n1,#a,b#\n", {"quote": "#", "escape": "#"}, {1.0: "a,b"}),
        (b"x,note\n1,'a,b'\n", {"quote": "'", "escape": "'"}, {1.0: "a,b"}),
        (b'x,note\n1,"a \\" b"\n', {"escape": "\\"}, {1.0: 'a " b'}),
        (b'x,note\n1,"a "" b"\n', {}, {1.0: 'a " b'}),
        ("x,note\n1,Grün\n".encode("latin-1"), {"encoding": "ISO-8859-1"}, {1.0: "Grün"}),
        ("x,note\n1,Grün\n".encode(), {}, {1.0: "Grün"}),
        (b"x,note\n1,NA\n2,a\n", {"null_marker": "NA"}, {1.0: None, 2.0: "a"}),
        (b"x, note\n 1 , a \n", {"trim": True}, {1.0: "a"}),
        (b'x,note\n1,"two\nlines"\n2,"one"\n', {"multi_line": True}, {1.0: "two\nlines", 2.0: "one"}),
        ('x,note\n1,"Grün\nBlau"\n'.encode(), {"multi_line": True}, {1.0: "Grün\nBlau"}),
        (b"\xef\xbb\xbfx,note\r\n1,a\r\n", {"multi_line": True}, {1.0: "a"}),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_dialect(
    spark: SparkSession, sandbox: Sandbox, content: bytes, dialect: dict[str, Any], expected: dict[float, str | None]
) -> None:
    rows = checked_files(spark, sandbox, content, **dialect)
    assert {row.x: row.note for row in accepted_rows(rows, SMALL).collect()} == expected
    assert rejected_rows(rows).collect() == []


def score(sandbox: Sandbox, content: bytes, **dialect: Any) -> dict[float, str | None]:
    """Run one file of the contract SMALL (x double, note text); returns the notes by x."""
    if "echo" not in sandbox.registry.made:
        sandbox.registry.register("echo", "echo", example=pd.DataFrame({"x": [1.5]}), outputs=pd.Series([3.0]))
        sandbox.registry.made.add("echo")
    sandbox.changes = {
        "contract": "sample_contracts:SMALL",
        "model": {"name": "echo"},
        "source": {"csv": dialect},
    }
    sandbox.drop("file.csv", content)
    sandbox.run()
    return {row.x: row.note for row in sandbox.rows("predictions")}


def test_a_dialect_through_the_whole_job(sandbox: Sandbox) -> None:
    content = "x;note\n1;'Grün; a''s'\n2;NA\n".encode("latin-1")
    dialect = {"separator": ";", "quote": "'", "escape": "'", "encoding": "ISO-8859-1", "null_marker": "NA"}
    assert score(sandbox, content, **dialect) == {1.0: "Grün; a's", 2.0: None}
    assert sandbox.reasons("file.csv") == []


def test_an_unclosed_quote_costs_the_file_where_rows_span_lines(sandbox: Sandbox) -> None:
    assert score(sandbox, b'x,note\n1,"a\n2,b\n3,c\n', multi_line=True) == {}
    assert sandbox.reasons("file.csv") == [["file: a quote is opened and never closed"]]


def test_bad_rows_where_rows_span_lines(sandbox: Sandbox) -> None:
    content = b'x,note\n1,"ok\nok"\nabc,"two\nlines"\n2\n3,\xff\n'
    assert score(sandbox, content, multi_line=True) == {1.0: "ok\nok"}
    assert sandbox.reasons("file.csv") == [
        ["row: bytes that are not valid UTF-8"],
        ["row: has 1 fields where the header has 2"],
        ["x: 'abc' is not a double"],
    ]
    raws = {row.reasons[0]: row.raw for row in sandbox.rows("quarantine")}
    assert raws["x: 'abc' is not a double"] == 'abc,"two\nlines"'
    assert raws["row: bytes that are not valid UTF-8"] == "3,\\xff"

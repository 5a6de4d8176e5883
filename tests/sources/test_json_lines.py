"""JSON lines: what of a line reaches the contract, and which lines and files are no input, each with its reason."""

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import SourceConfig
from penstock.schemas.contract import Contract, Field
from penstock.sources.casts import ACCEPTED, REASONS
from penstock.sources.files import PlannedFile
from penstock.sources.formats import compression
from penstock.sources.formats.json import JsonLines, parse_lines
from penstock.sources.row_checks import check_rows
from penstock.sources.row_columns import RAW
from penstock.spark.functions import split_json_line
from penstock.storage.files import LocalStorage

STORAGE = LocalStorage()
CONTRACT = Contract(
    fields=(
        Field(name="number", type="double", nullable=True),
        Field(name="whole", source="Whole no.", type="long", nullable=True),
        Field(name="money", type="decimal(30,10)", nullable=True),
        Field(name="text", source="a.b`c", type="string", nullable=True),
        Field(name="flag", type="boolean", nullable=True),
        Field(name="at", type="timestamp", nullable=True),
    )
)
STRICT = Contract(fields=(Field(name="x", type="double"),), extra_columns="refuse")


def members(spark: SparkSession, lines: list[str], *names: str, refuse_others: bool = False) -> list[tuple[Any, ...]]:
    """The texts of each line's members, and the reason against it."""
    frame = spark.createDataFrame(list(enumerate(lines)), "number int, line string")
    cut = split_json_line(F.col("line"), names, reason="why", refuse_others=refuse_others).alias("cut")
    return [tuple(row.cut) for row in frame.select("number", cut).orderBy("number").collect()]


def test_values_are_the_texts_that_stand_in_the_line(spark: SparkSession) -> None:
    lines = [
        '{"a": 1.10, "b": "1.10"}',
        '{"a": 1e-07, "b": -0.0}',
        '{"a": 12345678901234567890.123456789, "b": true}',
        '{"b": null, "c": 1}',
        '{"a": "gr\\u00fcn \\ud83d\\ude00", "b": {"k": [1.50, "x"]}}',
        '{"a": NaN, "b": -Infinity}',
        "{}",
        ' {"b" : "two words" } ',
    ]
    assert members(spark, lines, "a", "b") == [
        ("1.10", "1.10", None),
        ("1e-07", "-0.0", None),
        ("12345678901234567890.123456789", "true", None),
        (None, None, None),
        ("grün 😀", '{"k": [1.50, "x"]}', None),
        ("NaN", "-Infinity", None),
        (None, None, None),
        (None, "two words", None),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"a": 1', "row: is not JSON at byte 8"),
        ("{'a': 1}", "row: is not JSON at byte 2"),
        ('{"a": 01}', "row: is not JSON at byte 7"),
        ('{"a": 1} x', "row: is not JSON at byte 10"),
        ('{"a": 1}{"a": 2}', "row: has more than one JSON object"),
        ("[1]", "row: is not a JSON object"),
        ("null", "row: is not a JSON object"),
        ("a,b", "row: is not JSON at byte 2"),
        ('{"a": 1, "a": 2}', "row: 'a' stands twice"),
        ('{"a": "\\u0000"}', "row: 'a' has a NUL byte, which no text has"),
        ('{"a": "\\ud800"}', "row: 'a' has half of a surrogate pair, which no text has"),
        ('{"a": ' + "[" * 2000 + "]" * 2000 + "}", "row: is not JSON that can be read: StreamConstraintsException"),
    ],
)
def test_a_line_that_is_no_object_has_its_reason(spark: SparkSession, line: str, reason: str) -> None:
    [(value, found)] = members(spark, [line], "a")
    assert value is None
    assert found.startswith(reason.rsplit(" at byte", 1)[0])


def test_other_members_are_ignored_or_refused(spark: SparkSession) -> None:
    line = '{"x": 1, "other": {"x": 2}}'
    assert members(spark, [line], "x") == [("1", None)]
    assert members(spark, [line], "x", refuse_others=True) == [(None, "row: 'other' is not in the contract")]


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@settings(max_examples=5, deadline=None)
@given(st.lists(st.tuples(TEXTS, st.floats(), st.integers(), TEXTS), min_size=200, max_size=200))
def test_what_python_writes_is_read(spark: SparkSession, rows: list[tuple[str, float, int, str]]) -> None:
    lines = [json.dumps({"t": text, "f": number, "i": whole, other: 1}) for text, number, whole, other in rows]
    expected = [
        (text, json.dumps(number), str(whole), None) if other not in ("t", "f", "i") else None
        for text, number, whole, other in rows
    ]
    for found, wanted in zip(members(spark, lines, "t", "f", "i"), expected, strict=True):
        assert wanted is None or found == wanted


def checked(spark: SparkSession, contract: Contract, *lines: str | bytes) -> list[Any]:
    rows = [(number, line.encode() if isinstance(line, str) else line) for number, line in enumerate(lines)]
    frame = spark.createDataFrame(rows, "number int, content binary").orderBy("number")
    parsed = parse_lines(
        frame.select(F.col("content").cast("string").alias("_line"), F.lit("f").alias("source_file")), contract
    )
    return check_rows(parsed, contract).collect()


def test_the_contract_casts_what_stands_there(spark: SparkSession) -> None:
    good = '{"number": 1.5, "Whole no.": 9007199254740993, "money": 12345678901234567890.0123456789, "a.b`c": "x"'
    rows = checked(spark, CONTRACT, good + ', "flag": true, "at": "2024-02-29T12:00:00Z"}', "{}", '{"flag": "FALSE"}')
    assert [row[ACCEPTED] for row in rows] == [True] * 3
    first = rows[0]
    assert (first.number, first.whole) == (1.5, 9007199254740993)
    assert (first.money, first.text, first.flag) == (Decimal("12345678901234567890.0123456789"), "x", True)
    assert first["at"].isoformat() == "2024-02-29T12:00:00"
    assert rows[2].flag is False


def test_every_reason_against_a_line(spark: SparkSession) -> None:
    lines = ['{"number": "abc", "Whole no.": 1.5}', '{"number": 1} {"number": 2}', b'{"a.b`c": "caf\xe9"}']
    rows = checked(spark, CONTRACT, *lines)
    assert [row[REASONS] for row in rows] == [
        ["number: 'abc' is not a double", "whole: '1.5' is not a long"],
        ["row: has more than one JSON object"],
        ["row: bytes that are not valid UTF-8"],
    ]
    assert [row[RAW] for row in rows] == [lines[0], lines[1], '{"a.b`c": "caf\\xe9"}']


def test_a_member_that_is_not_there_is_null(spark: SparkSession) -> None:
    [missing, other] = checked(spark, STRICT, "{}", '{"x": 1, "y": 2}')
    assert missing[REASONS] == ["x: is null, and the contract wants a value"]
    assert other[REASONS] == ["row: 'y' is not in the contract"]


def admitted(folder: Path, content: bytes, name: str = "a.jsonl") -> PlannedFile:
    path = folder / name
    path.write_bytes(content)
    status = STORAGE.status(str(path))
    assert status is not None
    source = SourceConfig(path=str(folder), format="json")
    return JsonLines().admit(str(path), status, storage=STORAGE, source=source, contract=STRICT)


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (b"\n \n", "a.jsonl", "file: has only blank lines; expected JSON objects, one a line"),
        (b'[{"x": 1},\n{"x": 2}]', "a.json", "file: is a JSON array; expected objects, one a line"),
        (b'\xef\xbb\xbf{\n "x": 1\n}\n', "a.json", "file: has a JSON object over several lines; expected one a line"),
        (gzip.compress(b'{"x": 1}\n' * 9999)[:-20], "a.jsonl.gz", "file: is not a whole gzip file: "),
        (b'{"x": 1}\n', "a.jsonl.bz2", "file: its name ends in '.bz2', a compression that is not read"),
    ],
)
def test_a_file_that_is_no_json_lines_is_refused(tmp_path: Path, content: bytes, name: str, reason: str) -> None:
    file = admitted(tmp_path, content, name)
    assert file.verdict == "refused"
    assert file.reasons[0].startswith(reason)


@pytest.mark.parametrize("content", [b'{"x": 1}', b'\n{"x": 1}\nnonsense\n', b"{}\n{}\n"])
def test_what_is_wrong_with_a_line_costs_no_file(tmp_path: Path, content: bytes) -> None:
    assert admitted(tmp_path, content).verdict == "accepted"


@pytest.mark.parametrize(
    "content",
    [
        b'{"a": 1}\n{"a": 2}\n',
        b'{"a": 1}',
        b'{\n "a": 1}\n',
        b'{\r "a": 1}\r',
        b"{\r\n}",
        b'[{"a": 1},\n {"a": 2}]',
        b"\xef\xbb\xbf \n\n \t\r\n",
        b"\xef\xbb\xbf\n\n  {\n",
        b"\n" * 300 + b"[1]\n",
    ],
)
def test_what_a_file_is_does_not_depend_on_where_the_first_read_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    status = STORAGE.status(str(path))
    assert status is not None

    def admitted() -> PlannedFile:
        source = SourceConfig(path=str(tmp_path), format="json")
        return JsonLines().admit(str(path), status, storage=STORAGE, source=source, contract=CONTRACT)

    whole = admitted()
    for first in range(1, min(len(content), 40) + 1):
        monkeypatch.setattr(compression, "FIRST_BYTES", first)
        assert admitted() == whole

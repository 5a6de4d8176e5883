"""A value of a request is judged as in a file of the pipeline's format: the same verdict, reasons and value."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from drawing import drawn
from hypothesis import strategies as st
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import SourceConfig
from penstock.interfaces.rest.exact_numbers import WrittenFloat, WrittenInt
from penstock.interfaces.rest.request_rows import checked, text_columns, texts_of
from penstock.schemas.contract import Contract, Field
from penstock.sources.admission import admit_files
from penstock.sources.casts import ACCEPTED, REASONS
from penstock.sources.checkpoint import Arrival
from penstock.sources.reading import checked_rows
from penstock.spark.compiled_rows import CompiledRows
from penstock.storage.files import LocalStorage

TYPES = ["double", "integer", "decimal(30,20)", "boolean", "timestamp", "date", "string"]
FIELDS = [Field(name=kind.partition("(")[0], type=kind, nullable=True) for kind in TYPES]
CONTRACT = Contract(
    fields=(Field(name="id", type="long"), *FIELDS, Field(name="comma", type="double", decimal=",", nullable=True))
)
NAMES = [field.name for field in CONTRACT.fields[1:]]
#: As JSON has them: texts in quotes, numbers as they are written.
ODD = [
    "1e-07",
    "1E5",
    "5.0",
    "-0",
    "0.12345678901234567891",
    "100000000000000000000.5",
    "1e400",
    "-99",
    "true",
    "false",
]
ODD += [
    '"NA"',
    '""',
    '" 1.5 "',
    '"\\u00a02\\u3000"',
    '"1,5"',
    '"1.5"',
    '"1.001,5"',
    '"1\\u0000"',
    '"\\ufffd"',
    '"t"',
    '"Yes"',
]
ODD += [
    '"2024-03-02 10:00:00+00"',
    '"2024-03-02"',
    '"2024-03-02 10:00:00 UTC"',
    '"1e-07"',
    '" NA"',
    '"5.00"',
    '"NaN"',
    "null",
]
DRAWN = (
    st.text(alphabet="0123456789+-.,eE \u00a0NA", max_size=6).map(json.dumps)
    | st.floats(allow_nan=False, allow_infinity=False).map(json.dumps)
    | st.decimals(-1000, 1000, places=20).map(lambda value: f"{value:f}")
    | st.integers(-(10**20), 10**20).map(str)
)
DIALECTS: list[dict[str, Any]] = [{}, {"trim": True, "null_marker": "NA"}, {"null_marker": "-99"}]


def is_text(value: str) -> bool:
    return value.startswith('"') or value == "null"


def values_for(kind: str, written: list[str]) -> list[str]:
    """Those that a request may have for a field of the type: no number for a text or a time, true for a boolean."""
    if kind in ("string", "timestamp", "date"):
        return [value for value in written if is_text(value)]
    if kind == "boolean":
        return [
            value for value in written if is_text(value) or value.lstrip("-").isdigit() or value in ("true", "false")
        ]
    return [value for value in written if value not in ("true", "false")]


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    """One value in each row, by the name of its field, as JSON."""
    written = [*ODD, *drawn(DRAWN, 150)]
    kinds = {field.name: field.type for field in CONTRACT.fields}
    return [{name: value} for name in NAMES for value in values_for(kinds[name], written)]


def of_request(spark: SparkSession, rows: list[dict[str, str]], source: SourceConfig) -> list[tuple[Any, ...]]:
    parsed = [
        {name: json.loads(value, parse_float=WrittenFloat, parse_int=WrittenInt) for name, value in row.items()}
        for row in rows
    ]
    values = [[number, *[row.get(name) for name in NAMES]] for number, row in enumerate(parsed)]
    checks = CompiledRows.of(
        spark, text_columns(CONTRACT), lambda texts: checked(texts, CONTRACT, source).select(*judgement())
    )
    return in_order(checks(texts_of(values, CONTRACT, source)))


def of_file(spark: SparkSession, path: Path, source: SourceConfig) -> list[tuple[Any, ...]]:
    arrival = Arrival(path=str(path), modified_milliseconds=path.stat().st_mtime_ns // 1_000_000)
    [file] = admit_files([arrival], storage=LocalStorage(), source=source, contract=CONTRACT)
    assert file.verdict == "accepted", file.reasons
    read = checked_rows(spark, [file], contract=CONTRACT, source=source)
    assert read is not None
    return in_order(read.where(~F.col("_is_header")).select(*judgement()).collect())


def judgement() -> tuple[Column, Column]:
    """Of an accepted row its values, of another one its reasons."""
    values = F.when(F.col(ACCEPTED), F.to_json(F.struct("id", *NAMES), {"ignoreNullFields": "false"}))
    return values.alias("values"), F.array_join(REASONS, "; ").alias("why")


def in_order(found: Iterable[Sequence[str | None]]) -> list[tuple[Any, ...]]:
    return sorted((values or "", why or "") for values, why in found)


@pytest.mark.parametrize("dialect", DIALECTS, ids=repr)
def test_as_in_csv(spark: SparkSession, rows: list[dict[str, str]], tmp_path: Path, dialect: dict[str, Any]) -> None:
    """A number stands in CSV as it is written in JSON, but for its decimal mark."""

    def cell(name: str, row: dict[str, str]) -> str:
        if name not in row or row[name] == "null":
            return ""
        if is_text(row[name]):
            return str(json.loads(row[name]))
        return row[name].replace(".", ",") if name == "comma" else row[name]

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", *NAMES])
    writer.writerows([number, *[cell(name, row) for name in NAMES]] for number, row in enumerate(rows))
    path = tmp_path / "all.csv"
    path.write_text(text.getvalue(), encoding="utf-8")
    source = SourceConfig(path=str(tmp_path), csv=dialect)
    found, expected = of_request(spark, rows, source), of_file(spark, path, source)
    damaged = "row: bytes that are not valid UTF-8"
    assert found == sorted(
        (values, why.replace(damaged, "row: text that is not valid UTF-8")) for values, why in expected
    )


def test_as_in_json_lines(spark: SparkSession, rows: list[dict[str, str]], tmp_path: Path) -> None:
    lines = [
        f'{{"id": {number}, {", ".join(f"{json.dumps(name)}: {value}" for name, value in row.items())}}}'
        for number, row in enumerate(rows)
    ]
    path = tmp_path / "all.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    source = SourceConfig(path=str(tmp_path), format="json", csv={"trim": True, "null_marker": "NA"})

    def same_words(verdicts: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """JSON lines name the member."""
        nul = "a NUL byte, which no text has"
        return sorted((values, nul if nul in why else why) for values, why in verdicts)

    found, expected = of_request(spark, rows, source), of_file(spark, path, source)
    assert same_words(found) == same_words(expected)

"""Where a row stands in its file: lines as an editor counts them, rows of Parquet."""

import gzip
import io
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.config.csv_dialect import CsvDialect
from penstock.config.pipeline import SourceConfig
from penstock.schemas.contract import Contract, Field
from penstock.sources.row_search.search import FoundRows, find_rows
from penstock.storage.files import LocalStorage

CONTRACT = Contract(
    fields=(
        Field(name="x", type="double"),
        Field(name="n", type="integer", nullable=True),
        Field(name="money", type="decimal(8,2)", nullable=True),
        Field(name="flag", type="boolean", nullable=True),
        Field(name="at", type="timestamp", nullable=True),
        Field(name="day", type="date", format="dd.MM.yyyy", nullable=True),
        Field(name="note", type="string", source="the note", nullable=True),
    )
)
ROW: dict[str, Any] = {
    "x": 7.4,
    "n": 3,
    "money": Decimal("1.50"),
    "flag": True,
    "at": datetime(2026, 11, 21, 15, 48, tzinfo=UTC),
    "day": date(2026, 11, 21),
    "note": "a,b",
}
HEADER = "n,x,money,flag,at,day,the note,other"
LINE = '3,7.4,1.5,yes,2026-11-21T15:48:00Z,21.11.2026,"a,b",z'
SAME = '3.0,7.40,1.500,TRUE,2026-11-21 16:48+01:00,21.11.2026,"a,b",'
OTHER = '3,7.5,1.5,yes,2026-11-21T15:48:00Z,21.11.2026,"a,b",z'


def found(tmp_path: Path, name: str, content: bytes, row: dict[str, Any] = ROW, **dialect: Any) -> FoundRows:
    path = tmp_path / name
    path.write_bytes(content)
    source = SourceConfig(path=str(tmp_path), csv=CsvDialect(**dialect))
    return find_rows(LocalStorage(), str(path), row, length=len(content), source=source, contract=CONTRACT)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_of_csv(tmp_path: Path, end: str) -> None:
    content = end.join([HEADER, OTHER, LINE, "", "too,few", SAME, LINE]).encode()
    assert found(tmp_path, "a.csv", content).numbers == (3, 6, 7)
    assert found(tmp_path, "a.csv.gz", gzip.compress(content)).numbers == (3, 6, 7)


def test_skipped_lines_other_separators_and_null_markers(tmp_path: Path) -> None:
    content = f"sep=;\n\n{HEADER.replace(',', ';')}\n3;7.4;NA;;NA;;NA;\n".encode()
    row = dict.fromkeys(ROW) | {"x": 7.4, "n": 3}
    assert found(tmp_path, "a.csv", content, row, separator=";", skip_lines=2, null_marker="NA").numbers == (4,)
    assert found(tmp_path, "a.csv", content, ROW, separator=";", skip_lines=2, null_marker="NA").numbers == ()


def test_rows_over_lines(tmp_path: Path) -> None:
    line = '3,7.4,1.5,yes,2026-11-21T15:48:00Z,21.11.2026,"a\nb",z'
    content = "\n".join([HEADER, line, line]).encode()
    assert found(tmp_path, "a.csv", content, ROW | {"note": "a\nb"}, multi_line=True).numbers == (2, 4)


def test_lines_of_json_and_rows_of_parquet(tmp_path: Path) -> None:
    line = (
        b'{"x": 7.40, "n": 3, "money": 1.5, "flag": true, "at": "2026-11-21T15:48:00Z", "day": "21.11.2026", '
        b'"the note": "a,b"}'
    )
    assert found(tmp_path, "a.jsonl", b'{"x": 1}\n' + line + b"\n\n[]\nno json\n" + line).numbers == (2, 6)
    table = pa.table(
        {
            "the note": ["a,b", "a,b", "a,b"],
            **{name: [value, value, value] for name, value in ROW.items() if name not in ("note", "x")},
            "x": [7.4, 1.0, 7.4],
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    rows = found(tmp_path, "a.parquet", buffer.getvalue())
    assert (rows.unit, rows.numbers) == ("row", (1, 3))


def test_what_can_not_be_found_says_why(tmp_path: Path) -> None:
    assert found(tmp_path, "a.csv", f"{HEADER}\n{OTHER}".encode()).unknown == "no line of it has the values of the row"
    assert "has no column" in found(tmp_path, "a.csv", b"x,n\n1,2\n").unknown
    assert "can't be read" in found(tmp_path, "a.csv.gz", b"no gzip").unknown
    assert "can't be read" in found(tmp_path, "a.parquet", b"no parquet").unknown
    contract = Contract(fields=(Field(name="x", type="double"), Field(name="at", type="timestamp", format="EEE yyyy")))
    (tmp_path / "b.csv").write_bytes(b"x,at\n1,Mon 2026\n")
    loose = find_rows(
        LocalStorage(),
        str(tmp_path / "b.csv"),
        {"x": 1.0, "at": datetime(2026, 1, 1, tzinfo=UTC)},
        length=20,
        source=SourceConfig(path=str(tmp_path)),
        contract=contract,
    )
    assert (loose.numbers, loose.not_compared) == ((2,), ("at",))
    huge = find_rows(
        LocalStorage(),
        str(tmp_path / "b.csv"),
        {"x": 1.0},
        length=1 << 40,
        source=SourceConfig(path=str(tmp_path)),
        contract=contract,
    )
    assert "are searched" in huge.unknown

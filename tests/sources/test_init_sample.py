import datetime
import decimal
import gzip
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from file_kinds import BINARY, JSON, MARKUP

from penstock.errors import ConfigError
from penstock.interfaces.scaffold.contract import fields_of
from penstock.interfaces.scaffold.naming import column_names
from penstock.schemas.contract import Contract
from penstock.sources.formats.csv_header import read_header
from penstock.sources.formats.parquet_types import parquet_columns, schema_reasons
from penstock.sources.inference.sample import read_sample


@pytest.fixture
def read(tmp_path):
    def read_content(content, name="sample.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_sample(path)

    return read_content


def changed(dialect):
    """What is not as the config has it anyway."""
    return dialect.model_dump(exclude_defaults=True)


@pytest.mark.parametrize(
    ("content", "dialect", "rows"),
    [
        ("a,b\n1,x\n2,y\n", {}, [["1", "x"], ["2", "y"]]),
        ("a;b\n1,5;x\n2,5;y\n", {"separator": ";"}, [["1,5", "x"], ["2,5", "y"]]),
        ("Preis, netto;b\n1,5;x\n", {"separator": ";"}, [["1,5", "x"]]),
        ("a\tb\n1\tx, y\n", {"separator": "\t"}, [["1", "x, y"]]),
        ("a|b\n1|x\n", {"separator": "|"}, [["1", "x"]]),
        ('a,b\n1,"x, ""y"""\n', {}, [["1", 'x, "y"']]),
        ("a,b\n1,'x, y'\n", {"quote": "'", "escape": "'"}, [["1", "x, y"]]),
        ("a,b\n1,it's\n", {}, [["1", "it's"]]),
        ('a,b\n1,"x \\" y"\n', {"escape": "\\"}, [["1", 'x " y']]),
        ("a;b\n1;Grün\n".encode("latin-1"), {"separator": ";", "encoding": "ISO-8859-1"}, [["1", "Grün"]]),
        ("a,b\n1,Grün\n", {}, [["1", "Grün"]]),
        ("\ufeffa,b\r\n1,x\r\n", {}, [["1", "x"]]),
        ("a,b\r1,x\r", {}, [["1", "x"]]),
        ("a,b\n\n1,x\n  \n", {}, [["1", "x"]]),
        ('a,b\n1,"x\ny"\n2,z\n', {"multi_line": True}, [["1", "x\ny"], ["2", "z"]]),
        ("a,b\n1,NA\n2,3\n", {"null_marker": "NA"}, [["1", None], ["2", "3"]]),
        ("a, b\n1, 2\n", {"trim": True}, [["1", "2"]]),
        ("a,b\n1,\n", {}, [["1", None]]),
        ("a\nx\ny\n", {}, [["x"], ["y"]]),
    ],
    ids=repr,
)
def test_the_dialect_of_a_file(read, content, dialect, rows):
    sample = read(content)
    assert changed(sample.dialect) == dialect
    assert sample.frame.to_numpy().tolist() == rows
    # As the stream reads that header by that dialect.
    contract = Contract(fields=fields_of(sample.kinds, column_names(list(sample.kinds))))
    raw = content if isinstance(content, bytes) else content.encode()
    assert read_header(raw, dialect=sample.dialect, contract=contract)[0] == []


def test_types_and_missing_values(read):
    sample = read("Id;Wert;Tag;ok\n1;1.5;31.12.2024;true\n2;;01.01.2025;false\n")
    found = {name: (kind.type, kind.nullable, kind.format) for name, kind in sample.kinds.items()}
    assert found == {
        "Id": ("integer", False, None),
        "Wert": ("double", True, None),
        "Tag": ("date", False, "dd.MM.yyyy"),
        "ok": ("boolean", False, None),
    }
    assert sample.notes == ()


def test_a_gzip_file(read):
    assert read(gzip.compress(b"a,b\n1,x\n"), "sample.csv.gz").frame.to_numpy().tolist() == [["1", "x"]]


def test_rows_with_other_fields_are_told_and_left_out(read):
    sample = read("a,b\n1,x\n2\n3,y\n4,z\n5,z\n")
    assert sample.frame["a"].tolist() == ["1", "3", "4", "5"]
    assert sample.notes == ("rows: 1 do not have the header's fields; the stream puts such into quarantine",)


def test_a_column_without_a_name_is_left_out(read):
    sample = read(",x\n0,1.5\n1,2.5\n")
    assert list(sample.kinds) == ["x"]
    assert sample.notes == ("column 1: has no name in the header, and is left out",)


def test_letters_of_windows_are_told(read):
    sample = read(b"a,b\n1,5 \x80\n")
    assert sample.notes[0].startswith("encoding: some letters are none in ISO-8859-1")


def test_one_damaged_line_does_not_change_the_encoding(read):
    lines = ["a,b", *["1,Grün"] * 5]
    sample = read("\n".join(lines).encode() + b"\n1,Gr\xfcn\n")
    assert sample.dialect.encoding == "UTF-8"
    assert sample.frame["b"].tolist() == ["Grün"] * 5


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty; expected a header and rows"),
        (b"\n \n", "has only blank lines"),
        (b"a,b\n", "has a header and no rows"),
        (b"a,b,a\n1,2,3\n", "header: column 'a' stands twice"),
        (b"5.1,3.5,setosa\n4.9,3.0,setosa\n", "has no header: its first line is data ('5.1')"),
        (b"1,2\n3,4\n", "has no header: its first line is data ('1')"),
        (b'{"a": 1, "b": 2}\n{"a": 1, "b": 3}\n', "looks like JSON or XML"),
        (b"<a>\n<b>\n</a>\n", "looks like JSON or XML"),
        (b"PK\x03\x04\x00\x00", "is a zip archive or a workbook"),
        (b"\x7fELF\x00\x00\n\x00", "is a binary file"),
        ("a,b\n1,2\n".encode("utf-16"), "is UTF-16"),
        (b"Dear all,\nhow are you, and you, and you?\nI am well.\nSee you; bye\n", "is no CSV: with no separator"),
        (b"PAR1 and then nothing", "is not a readable Parquet file"),
    ],
    ids=repr,
)
def test_what_is_no_sample_is_refused_in_a_sentence(read, tmp_path, content, said):
    with pytest.raises(ConfigError) as error:
        read(content)
    assert str(error.value).startswith(f"{tmp_path / 'sample.csv'}: {said}")
    assert "\n" not in str(error.value)


def test_a_broken_gzip_file_is_refused(read):
    with pytest.raises(ConfigError, match="is not a whole gzip file"):
        read(gzip.compress(b"a,b\n1,x\n" * 1000)[:-20], "sample.csv.gz")


@pytest.mark.parametrize(("name", "said"), [("none.csv", "there is no such file"), (".", "is no file")])
def test_no_file(tmp_path, name, said):
    with pytest.raises(ConfigError, match=said):
        read_sample(tmp_path / name)


def test_years_may_be_names(read):
    assert list(read("city,2019,2020\nBonn,1,2\n").kinds) == ["city", "2019", "2020"]


@pytest.fixture
def parquet(tmp_path):
    def write(columns, name="sample.parquet"):
        pq.write_table(pa.table(columns), tmp_path / name)
        return tmp_path / name

    return write


def test_a_parquet_file_has_the_types_of_its_schema(parquet):
    day = datetime.date(2024, 1, 31)
    columns = {
        "i8": pa.array([1, None], pa.int8()),
        "u32": pa.array([1, 2], pa.uint32()),
        "i64": pa.array([1, 2], pa.int64()),
        "f32": pa.array([1.5, 2.5], pa.float32()),
        "f64": pa.array([1.5, float("nan")], pa.float64()),
        "flag": pa.array([True, None]),
        "text": pa.array(["a", "b"]).dictionary_encode(),
        "day": pa.array([day, day]),
        "at": pa.array([datetime.datetime(2024, 1, 31)] * 2, pa.timestamp("us")),
        "money": pa.array([decimal.Decimal("1.50"), None], pa.decimal128(6, 2)),
    }
    path = parquet(columns)
    sample = read_sample(path)
    assert {name: (kind.type, kind.nullable) for name, kind in sample.kinds.items()} == {
        "i8": ("integer", True),
        "u32": ("long", False),
        "i64": ("long", False),
        "f32": ("float", False),
        "f64": ("double", True),
        "flag": ("boolean", True),
        "text": ("string", False),
        "day": ("date", False),
        "at": ("timestamp", False),
        "money": ("decimal(6,2)", True),
    }
    assert sample.kinds["f64"].nan == "null"
    contract = Contract(fields=fields_of(sample.kinds, column_names(list(sample.kinds))))
    assert schema_reasons(*parquet_columns(pq.ParquetFile(path)), contract) == []


def test_parquet_columns_that_no_contract_knows_are_left_out_and_told(parquet):
    path = parquet({"x": [1.5], "list": [[1]], "ns": pa.array([0], pa.timestamp("ns")), "none": pa.nulls(1)})
    sample = read_sample(path)
    assert {name: kind.type for name, kind in sample.kinds.items()} == {"x": "double", "ns": "timestamp"}
    assert sample.notes == (
        "column 'list': is a list, map or struct, which no contract knows (give each of its values a column); it is "
        "left out",
        "column 'none': is null, which no contract knows (write the column with its type also where all its values are "
        "missing, or make the field nullable); it is left out",
    )


def test_a_sample_that_the_stream_would_refuse_is_told(tmp_path):
    path = tmp_path / "sample.parquet"
    pq.write_table(pa.table({"x": [1.5]}), path, compression="brotli")
    assert read_sample(path).notes == (
        "schema: column 'x' is compressed with BROTLI, which Spark can't unpack; write it with zstd, snappy or gzip",
    )


def test_a_parquet_column_whose_name_is_not_utf8(tmp_path):
    path = tmp_path / "sample.parquet"
    pq.write_table(pa.table({"x": [1.5], "größe": [1.0]}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace("größe".encode(), b"gr\xf6\xdfe__"))
    with pytest.raises(ConfigError, match=r"can't be read: the name of a column is not UTF-8; write the file with"):
        read_sample(path)


def test_a_parquet_file_without_rows(parquet):
    with pytest.raises(ConfigError, match="has no rows"):
        read_sample(parquet({"x": pa.array([], pa.float64())}))


def test_the_content_tells_parquet_where_the_name_does_not(parquet):
    assert read_sample(parquet({"x": [1.5]}, "sample.data")).format == "parquet"


@pytest.mark.parametrize("name", ["xlsx", "zip", "utf_16", "utf_16_le", "avro", "orc", "html", "json_lines"])
def test_files_that_are_no_parquet_are_named(tmp_path, name):
    content, expected = {**BINARY, **MARKUP, **JSON}[name]
    path = tmp_path / "sample.parquet"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=re.escape(f"is not a readable Parquet file: it is {expected}; ")):
        read_sample(path)


@pytest.mark.parametrize("name", ["avro", "orc", "utf_16_le", "pickle", "bzip2", "xls"])
def test_files_that_are_no_text_are_named(tmp_path, name):
    content, expected = BINARY[name]
    path = tmp_path / "sample.csv"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=re.escape(f"is {expected}; ")):
        read_sample(path)


def test_zeros_behind_a_gzip_file_are_told(read):
    with pytest.raises(ConfigError, match="zero bytes stand behind its end"):
        read(gzip.compress(b"a,b\n1,x\n" * 1000) + bytes(512), "sample.csv.gz")

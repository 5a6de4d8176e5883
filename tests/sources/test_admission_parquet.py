import decimal
from datetime import date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.config.pipeline import SourceConfig
from penstock.schemas.contract import Contract, Field
from penstock.sources.formats.parquet import Parquet
from penstock.storage.files import LocalStorage

STORAGE = LocalStorage()
MOMENT = datetime(2024, 2, 29, 12)


@pytest.fixture
def admit(tmp_path):
    def admit_table(columns, *fields, extra_columns="ignore", change=lambda content: content, **options):
        path = tmp_path / "a.parquet"
        table = columns if isinstance(columns, pa.Table) else pa.table(columns)
        pq.write_table(table, path, **options)
        path.write_bytes(change(path.read_bytes()))
        contract = Contract(fields=fields, extra_columns=extra_columns)
        source = SourceConfig(path="in", format="parquet")
        return Parquet().admit(str(path), STORAGE.status(str(path)), storage=STORAGE, source=source, contract=contract)

    return admit_table


def field(kind, name="x", **given):
    return Field(name=name, type=kind, **given)


def test_the_row_count_and_the_types_come_from_the_footer(admit):
    columns = {"pH": pa.array([3.5, 3.6], pa.float32()), "n": pa.array([1, 2], pa.int32()), "more": ["a", "b"]}
    file = admit(columns, field("long", "n"), field("double", "ph", source="pH"))
    assert (file.verdict, file.reasons, file.rows) == ("accepted", (), 2)
    assert file.layout.types == (("n", "int"), ("pH", "float"))
    assert file.layout.header is None


def test_rows_of_all_row_groups_are_counted(admit):
    assert admit({"x": [1.0] * 1001}, field("double"), row_group_size=100).rows == 1001


def test_no_rows_are_no_reason(admit):
    file = admit({"x": pa.array([], pa.float64())}, field("double"))
    assert (file.verdict, file.rows) == ("accepted", 0)


def test_every_reason_is_told(admit):
    file = admit({"a": ["text"], "b": [True]}, field("double", "a"), field("double", "b"), field("double", "c"))
    assert file.verdict == "refused"
    assert file.reasons == (
        "schema: column 'a' is string, which can't be a double without loss",
        "schema: column 'b' is bool, which can't be a double without loss",
        "schema: column 'c' is missing",
    )


def test_a_doubled_column_is_refused(admit):
    table = pa.Table.from_arrays([pa.array([1.0]), pa.array([2.0])], names=["x", "x"])
    assert admit(table, field("double")).reasons == ("schema: column 'x' stands 2 times",)


def test_a_column_doubled_but_for_its_case_is_refused(admit):
    """Spark reads Parquet columns whatever their case, and can't choose between the two."""
    file = admit({"x": [1.0], "X": [2.0]}, field("double"))
    assert file.verdict == "refused"


def test_extra_columns_are_refused_where_the_contract_says_so(admit):
    file = admit({"x": [1.0], "note": ["a"]}, field("double"), extra_columns="refuse")
    assert file.reasons == ("schema: column 'note' is not in the contract",)


CASTABLE = [
    (pa.float32(), "double", "float"),
    (pa.float64(), "double", "double"),
    (pa.float32(), "float", "float"),
    (pa.int8(), "double", "tinyint"),
    (pa.int16(), "double", "smallint"),
    (pa.int32(), "double", "int"),
    (pa.int64(), "double", "bigint"),
    (pa.uint8(), "double", "smallint"),
    (pa.uint16(), "integer", "int"),
    (pa.uint32(), "double", "bigint"),
    (pa.uint32(), "long", "bigint"),
    (pa.int16(), "float", "smallint"),
    (pa.int32(), "integer", "int"),
    (pa.int8(), "integer", "tinyint"),
    (pa.int32(), "long", "int"),
    (pa.int64(), "long", "bigint"),
    (pa.int32(), "decimal(10,0)", "int"),
    (pa.int64(), "decimal(21,2)", "bigint"),
    (pa.bool_(), "boolean", "boolean"),
    (pa.string(), "string", "string"),
    (pa.large_string(), "string", "string"),
    (pa.date32(), "date", "date"),
    (pa.timestamp("us"), "timestamp", "timestamp_ntz"),
    (pa.timestamp("ms"), "timestamp", "timestamp_ntz"),
    (pa.timestamp("us", tz="UTC"), "timestamp", "timestamp"),
    (pa.timestamp("ms", tz="Europe/Berlin"), "timestamp", "timestamp"),
    (pa.decimal128(5, 2), "decimal(5,2)", "decimal(5,2)"),
    (pa.decimal128(5, 2), "decimal(7,4)", "decimal(5,2)"),
    (pa.dictionary(pa.int32(), pa.string()), "string", "string"),
]


@pytest.mark.parametrize(("found", "wanted", "spark"), CASTABLE, ids=lambda value: str(value))
def test_types_that_lose_nothing_are_taken(admit, found, wanted, spark):
    file = admit({"x": pa.array([None], found)}, field(wanted))
    assert file.reasons == ()
    assert file.layout.types == (("x", spark),)


NOT_CASTABLE = [
    (pa.string(), "double"),
    (pa.bool_(), "double"),
    (pa.bool_(), "string"),
    (pa.float64(), "float"),
    (pa.float64(), "integer"),
    (pa.float64(), "long"),
    (pa.float32(), "decimal(10,2)"),
    (pa.int64(), "integer"),
    (pa.uint32(), "integer"),
    (pa.uint64(), "long"),
    (pa.int32(), "float"),
    (pa.int64(), "float"),
    (pa.int32(), "decimal(9,0)"),
    (pa.int32(), "decimal(11,2)"),
    (pa.int64(), "string"),
    (pa.int64(), "timestamp"),
    (pa.int32(), "boolean"),
    (pa.binary(), "string"),
    (pa.string(), "timestamp"),
    (pa.string(), "date"),
    (pa.date32(), "timestamp"),
    (pa.timestamp("us"), "date"),
    (pa.timestamp("ns"), "timestamp"),
    (pa.timestamp("ns", tz="UTC"), "timestamp"),
    (pa.time64("us"), "timestamp"),
    (pa.decimal128(6, 2), "decimal(5,2)"),
    (pa.decimal128(5, 3), "decimal(7,2)"),
    (pa.decimal128(5, 2), "decimal(5,3)"),
    (pa.decimal128(5, 2), "long"),
    (pa.decimal256(50, 2), "decimal(38,2)"),
    (pa.decimal256(50, 2), "double"),
    (pa.list_(pa.float64()), "double"),
    (pa.struct([("a", pa.float64())]), "double"),
    (pa.dictionary(pa.int32(), pa.string()), "double"),
    (pa.null(), "double"),
]


@pytest.mark.parametrize(("found", "wanted"), NOT_CASTABLE, ids=lambda value: str(value))
def test_types_that_lose_something_are_refused(admit, found, wanted):
    file = admit({"x": pa.array([None], found)}, field(wanted))
    assert file.verdict == "refused"
    assert "schema: column 'x' is " in file.reasons[0]
    assert f"which can't be a {wanted} without loss" in file.reasons[0]


def test_values_of_every_kind(admit):
    columns = {
        "d": pa.array([decimal.Decimal("1.25")], pa.decimal128(5, 2)),
        "t": pa.array([MOMENT], pa.timestamp("us")),
        "day": [date(2024, 2, 29)],
        "s": pa.array(["a"]).dictionary_encode(),
    }
    fields = [field("decimal(5,2)", "d"), field("timestamp", "t"), field("date", "day"), field("string", "s")]
    assert admit(columns, *fields).reasons == ()


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: content[:3],
        lambda content: b"PAR1",
        lambda content: b"alcohol,pH\n9.4,3.5\n",
        lambda content: b"\x00" * 100,
    ],
    ids=["half", "without last byte", "3 bytes", "magic only", "text", "zeros"],
)
def test_a_file_that_is_no_whole_parquet_is_refused(admit, change):
    file = admit({"x": [1.0]}, field("double"), change=change)
    assert file.verdict == "refused"
    assert file.reasons[0].startswith("file: is not a readable Parquet file: ")


def test_a_file_that_can_not_be_opened_raises(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": [1.0]}), path)
    status = STORAGE.status(str(path))
    path.unlink()
    source, contract = SourceConfig(path="in", format="parquet"), Contract(fields=(field("double"),))
    with pytest.raises(OSError, match="No such file"):
        Parquet().admit(str(path), status, storage=STORAGE, source=source, contract=contract)

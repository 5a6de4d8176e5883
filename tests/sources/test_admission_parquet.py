import base64
import decimal
import io
import time
from datetime import date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as encryption
import pytest

from penstock.config.pipeline import SourceConfig
from penstock.schemas.contract import Contract, Field
from penstock.sources.formats.parquet import Parquet, footer_rows
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


def test_a_column_doubled_but_for_its_case_is_counted_as_spark_finds_it(admit):
    reasons = admit({"x": [1.0], "X": [2.0]}, field("double")).reasons
    assert reasons == ("schema: column 'x' stands 2 times",)


@pytest.mark.parametrize(("name", "verdict"), [("column {}", "refused"), ("field_{}", "accepted")])
def test_a_wide_file_costs_little(admit, name, verdict):
    columns = {name.format(number): [1.0] for number in range(2000)}
    fields = [field("double", f"field_{number}") for number in range(2000)]
    began = time.monotonic()
    assert admit(columns, *fields).verdict == verdict
    assert time.monotonic() - began < 10


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
    (pa.timestamp("ns"), "timestamp", "timestamp_ntz(9)"),
    (pa.timestamp("ns", tz="UTC"), "timestamp", "timestamp(9)"),
    (pa.uint64(), "decimal(20,0)", "decimal(20,0)"),
    (pa.uint64(), "decimal(22,2)", "decimal(20,0)"),
    (pa.uint64(), "double", "decimal(20,0)"),
    (pa.json_(), "string", "string"),
    (pa.string_view(), "string", "string"),
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
    (pa.uint64(), "decimal(19,0)"),
    (pa.float16(), "double"),
    (pa.uuid(), "string"),
    (pa.binary(16), "string"),
    (pa.time32("ms"), "integer"),
    (pa.timestamp("ns"), "long"),
    (pa.date32(), "integer"),
    (pa.int64(), "date"),
    (pa.map_(pa.string(), pa.float64()), "double"),
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


def admitted(path, *fields):
    source, contract = SourceConfig(path="in", format="parquet"), Contract(fields=fields)
    return Parquet().admit(str(path), STORAGE.status(str(path)), storage=STORAGE, source=source, contract=contract)


class Keys(encryption.KmsClient):
    """Keys that are no secret."""

    def __init__(self, _):
        encryption.KmsClient.__init__(self)

    def wrap_key(self, key, master):
        return base64.b64encode(key)

    def unwrap_key(self, wrapped, master):
        return base64.b64decode(wrapped)


@pytest.mark.parametrize("plaintext_footer", [True, False])
def test_an_encrypted_file_is_refused_as_such(tmp_path, plaintext_footer):
    path, table = tmp_path / "a.parquet", pa.table({"x": [1.5], "y": [2.5]})
    properties = encryption.CryptoFactory(Keys).file_encryption_properties(
        encryption.KmsConnectionConfig(),
        encryption.EncryptionConfiguration(footer_key="f", column_keys={"c": ["x"]}, plaintext_footer=plaintext_footer),
    )
    with pq.ParquetWriter(path, table.schema, encryption_properties=properties) as writer:
        writer.write_table(table)
    assert admitted(path, field("double")).reasons == (
        "file: is not a readable Parquet file: it is an encrypted Parquet file; deliver it unencrypted: there are no "
        "keys here",
    )


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "lz4"])
def test_codecs_that_spark_has(admit, codec):
    assert admit({"x": [1.5]}, field("double"), compression=codec).reasons == ()


def test_a_codec_that_spark_lacks_is_refused(admit):
    assert admit({"x": [1.5]}, field("double"), compression="brotli").reasons == (
        "schema: column 'x' is compressed with BROTLI, which Spark can't unpack; write it with zstd, snappy or gzip",
    )


def test_a_codec_counts_in_the_columns_that_are_read(admit):
    codecs = {"x": "snappy", "more": "brotli"}
    assert admit({"x": [1.5], "more": ["a"]}, field("double"), compression=codecs).reasons == ()


def test_a_codec_counts_in_every_row_group(tmp_path):
    path = tmp_path / "a.parquet"
    schema = pa.schema([("x", pa.float64())])
    parts = []
    for number, codec in enumerate(("snappy", "brotli")):
        part = tmp_path / f"{number}.parquet"
        collected = []
        pq.write_table(pa.table({"x": [1.5]}, schema=schema), part, compression=codec, metadata_collector=collected)
        parts += collected
    for part in parts:
        part.set_file_path("a.parquet")
    pq.write_metadata(schema, path, metadata_collector=parts)
    assert "BROTLI" in admitted(path, field("double")).reasons[0]


def test_an_encoding_that_spark_lacks_is_refused(admit):
    columns = {"x": [1.5, 2.5], "y": [1.5, 2.5]}
    file = admit(columns, field("double"), use_dictionary=False, use_byte_stream_split=["x"])
    assert file.reasons == (
        "schema: column 'x' has the encoding BYTE_STREAM_SPLIT, which Spark can't read; write it without "
        "(use_byte_stream_split=False)",
    )
    assert admit(columns, field("double", "y"), use_dictionary=False, use_byte_stream_split=["x"]).reasons == ()


def test_milliseconds_beyond_microseconds_are_refused(admit):
    times = pa.array([2**62, 5], pa.int64()).cast(pa.timestamp("ms", tz="UTC"))
    assert "has times in milliseconds that do not fit" in admit({"x": times}, field("timestamp")).reasons[0]
    assert admit({"x": times[1:]}, field("timestamp")).reasons == ()


def test_int96_is_a_timestamp(admit):
    times = pa.array([MOMENT], pa.timestamp("us"))
    file = admit({"x": times}, field("timestamp"), use_deprecated_int96_timestamps=True)
    assert (file.reasons, file.layout.types) == ((), (("x", "timestamp"),))


def test_decimals_in_whole_numbers(admit):
    values = pa.array([decimal.Decimal("1.25")], pa.decimal128(5, 2))
    file = admit({"x": values}, field("decimal(5,2)"), store_decimal_as_integer=True)
    assert (file.reasons, file.layout.types) == ((), (("x", "decimal(5,2)"),))


def test_an_untyped_column_without_values_is_one_of_nulls(admit):
    file = admit({"x": pa.nulls(2)}, field("timestamp", nullable=True))
    assert (file.reasons, file.layout.types) == ((), (("x", "void"),))


def test_a_name_with_a_dot_is_not_a_nested_column(admit):
    table = pa.table({"s": pa.array([{"a": 1}]), "s.a": pa.array([2.5])})
    assert admit(table, field("double", "sa", source="s.a")).reasons == ()
    file = admit(pa.table({"s": pa.array([{"a": 1.5}])}), field("double", "sa", source="s.a"))
    assert file.reasons == ("schema: column 's.a' is missing",)


def test_what_to_write_instead_is_said(admit):
    assert admit({"x": pa.array([1], pa.uint64())}, field("long")).reasons == (
        "schema: column 'x' is uint64, which can't be a long without loss; write it as int64, or make the field a "
        "decimal(20,0)",
    )
    assert admit({"x": pa.array([[1.5]])}, field("double")).reasons == (
        "schema: column 'x' is a list, map or struct, which can't be a double without loss; give each of its values a "
        "column",
    )


def test_a_column_that_is_a_folders_name_is_said_to_be_missing_in_the_file(tmp_path):
    folder = tmp_path / "year=2024"
    folder.mkdir()
    pq.write_table(pa.table({"x": [1.5]}), folder / "a.parquet")
    assert admitted(folder / "a.parquet", field("integer", "year")).reasons == (
        "schema: column 'year' is missing; it is in the folder's name alone, which is not read; write it into the "
        "files, too",
    )


def test_a_name_that_is_not_utf8_is_refused(admit):
    """Also of a column without a field."""

    def in_latin_1(content):
        return content.replace("größe".encode(), b"gr\xf6\xdfe__")

    table = pa.table({"x": [1.0], "größe": [1.0]})
    file = admit(table, field("double"), change=in_latin_1, store_schema=False)
    assert file.reasons == ("schema: the name of a column is not UTF-8; write the file with names in UTF-8",)
    assert footer_rows(STORAGE, file.path) is None


def test_a_footer_is_read_once(tmp_path):
    """On S3 each read is a request."""
    pq.write_table(pa.table({"x": [1.5]}), tmp_path / "a.parquet")
    sizes = []

    class Counted(io.BytesIO):
        def read(self, size=-1):
            sizes.append(size)
            return super().read(size)

    class Storage(LocalStorage):
        def open(self, path):
            return Counted((tmp_path / path).read_bytes())

    status = STORAGE.status(str(tmp_path / "a.parquet"))
    source, contract = SourceConfig(path="in", format="parquet"), Contract(fields=(field("double"),))
    assert Parquet().admit("a.parquet", status, storage=Storage(), source=source, contract=contract).reasons == ()
    assert len(sizes) == 1

import gzip
import io
import os

import pytest

from penstock.config.csv_dialect import CsvDialect
from penstock.config.pipeline import SourceConfig
from penstock.schemas.contract import Contract, Field
from penstock.sources.formats import compression, csv, csv_header
from penstock.sources.formats.csv import Csv
from penstock.storage.files import LocalStorage

STORAGE = LocalStorage()
FIELDS = (
    Field(name="alcohol", type="double"),
    Field(name="ph", source="pH", type="double"),
    Field(name="so2", source="free so2", type="double"),
)
HEADER = b"alcohol,pH,free so2\n"
ROW = b"9.4,3.5,11\n"


@pytest.fixture
def admit(tmp_path):
    def admit_content(content, *, name="a.csv", extra_columns="ignore", **dialect):
        path = tmp_path / name
        path.write_bytes(content)
        return Csv().admit(
            str(path),
            STORAGE.status(str(path)),
            storage=STORAGE,
            source=SourceConfig(path="in", csv=CsvDialect(**dialect)),
            contract=Contract(fields=FIELDS, extra_columns=extra_columns),
        )

    return admit_content


def test_a_file_with_the_columns_is_accepted(admit):
    file = admit(HEADER + ROW)
    assert (file.verdict, file.reasons) == ("accepted", ())
    assert file.layout.header == "alcohol,pH,free so2"
    assert file.layout.columns == ("alcohol", "pH", "free so2")
    assert (file.length, file.rows, file.layout.types) == (31, None, ())


def test_a_header_alone_is_accepted(admit):
    assert admit(b"alcohol,pH,free so2").verdict == "accepted"


def test_the_files_order_is_kept(admit):
    assert admit(b"free so2,alcohol,pH\n").layout.columns == ("free so2", "alcohol", "pH")


def test_every_missing_column_is_a_reason(admit):
    file = admit(b"alcohol,x\n")
    assert file.verdict == "refused"
    assert file.layout is None
    assert file.reasons == ("header: column 'pH' is missing", "header: column 'free so2' is missing")


def test_a_doubled_column_is_refused(admit):
    file = admit(b"alcohol,pH,alcohol,free so2,alcohol\n")
    assert file.reasons == ("header: column 'alcohol' stands 3 times",)


def test_extra_columns_are_ignored_where_the_contract_says_so(admit):
    assert admit(b"note,alcohol,pH,free so2,note\n").verdict == "accepted"


def test_extra_columns_are_refused_where_the_contract_says_so(admit):
    file = admit(b"note,alcohol,pH,free so2,note,x\n", extra_columns="refuse")
    assert file.reasons == ("header: column 'note' is not in the contract", "header: column 'x' is not in the contract")


@pytest.mark.parametrize("found", ["free_so2", "Free so2", "free so2 ", "free  so2"])
def test_a_near_name_is_hinted_at(admit, found):
    file = admit(f"alcohol,pH,{found}\n".encode())
    assert file.reasons == (f"header: column 'free so2' is missing; is {found!r} meant?",)


def test_a_name_of_the_contract_is_no_hint_for_another(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"column_a\n")
    contract = Contract(fields=(Field(name="column_a", type="double"), Field(name="column_b", type="double")))
    file = Csv().admit(
        str(path), STORAGE.status(str(path)), storage=STORAGE, source=SourceConfig(path="in"), contract=contract
    )
    assert file.reasons == ("header: column 'column_b' is missing",)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_line_end_is_one(admit, end):
    file = admit(b"alcohol,pH,free so2" + end + b"1,2,3" + end)
    assert (file.verdict, file.layout.header) == ("accepted", "alcohol,pH,free so2")


def test_a_byte_order_mark_is_no_part_of_a_name(admit):
    file = admit(b"\xef\xbb\xbf" + HEADER)
    assert file.layout.columns[0] == "alcohol"
    assert file.layout.header == "alcohol,pH,free so2"


def test_quoted_names(admit):
    assert admit(b'"alcohol","pH","free so2","a,b ""c"""\n').layout.columns == ("alcohol", "pH", "free so2", 'a,b "c"')


def test_quoted_names_in_another_dialect(admit):
    file = admit(b"'alcohol';pH;free so2;'a;b \\'c'\n", separator=";", quote="'", escape="\\")
    assert file.layout.columns == ("alcohol", "pH", "free so2", "a;b 'c")


def test_blanks_round_names_go_where_the_dialect_trims(admit):
    content = b" alcohol , pH,free so2 \n"
    assert admit(content, trim=True).layout.columns == ("alcohol", "pH", "free so2")
    assert len(admit(content).reasons) == 3


def test_blank_lines_before_the_header_are_skipped(admit):
    file = admit(b"\n \t\r\n\r" + HEADER + ROW)
    assert (file.verdict, file.layout.header) == ("accepted", "alcohol,pH,free so2")


@pytest.mark.parametrize("content", [b"\n", b"\n\n \t\n", b"\xef\xbb\xbf", b" "])
def test_only_blank_lines_are_refused(admit, content):
    assert admit(content).reasons == ("file: has only blank lines; expected a header",)


def test_a_header_longer_than_the_limit_is_refused(admit):
    file = admit(b"x," * (csv_header.HEADER_BYTES // 2 + 10) + HEADER)
    assert file.reasons == ("file: has no line within its first 1048576 bytes; expected a header",)


@pytest.mark.parametrize("blanks", [0, 70_000, 300_000, 1_000_000])
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_no_more_of_a_file_is_read_than_its_header_takes(tmp_path, blanks, name):
    """64 KiB at first, twice as much each time; the rest of a file of 3 MB is left where it is."""
    content = b" " * blanks + b"\n" + HEADER + ROW * 300_000
    path = tmp_path / name
    path.write_bytes(gzip.compress(content, 1) if name.endswith(".gz") else content)
    read = []

    class Counting(io.BufferedReader):
        def read(self, size=-1):
            read.append(size)
            return super().read(size)

    class Storage(LocalStorage):
        def open(self, path):
            return Counting(io.FileIO(path))

    status = STORAGE.status(str(path))
    file = Csv().admit(
        str(path), status, storage=Storage(), source=SourceConfig(path="in"), contract=Contract(fields=FIELDS)
    )
    assert file.layout.header == HEADER.decode().strip()
    if name == "a.csv":
        assert sum(read) == {0: 1 << 16, 70_000: 1 << 17, 300_000: 1 << 19, 1_000_000: 1 << 20}[blanks]


@pytest.mark.parametrize("cut", range(1, len(HEADER) + 3))
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_header_is_read_whole_wherever_the_first_read_ends(admit, monkeypatch, cut, end):
    monkeypatch.setattr(compression, "FIRST_BYTES", cut)
    file = admit(HEADER.replace(b"\n", end) + ROW.replace(b"\n", end))
    assert (file.verdict, file.layout.header) == ("accepted", "alcohol,pH,free so2")
    assert admit(HEADER.rstrip()).layout.header == "alcohol,pH,free so2"


def test_a_name_of_200000_characters_is_refused(admit):
    file = admit(b"x" * 200_000 + b"\n")
    assert file.verdict == "refused"
    assert len(file.reasons) >= 1


def test_bytes_in_the_header_that_are_not_in_the_encoding_are_named(admit):
    assert admit(b"alcohol,pH,caf\xe9\n").reasons == ("header: byte 0xe9 is not UTF-8",)
    assert admit("alcohol,pH,café\n".encode(), encoding="US-ASCII").reasons == ("header: byte 0xc3 is not US-ASCII",)


def test_the_header_is_read_in_the_declared_encoding(admit):
    file = admit(b"alcohol,pH,free so2,caf\xe9\n", encoding="ISO-8859-1")
    assert file.layout.columns[-1] == "café"


def test_utf16_is_refused(admit):
    assert admit("alcohol,pH,free so2\n".encode("utf-16")).verdict == "refused"


def test_bytes_of_no_encoding_below_the_header_do_not_cost_the_file(admit):
    assert admit(HEADER + b"1,2,\xff\n").verdict == "accepted"


@pytest.mark.parametrize("name", ["a.csv.gz", "A.CSV.gz"])
def test_a_whole_gzip_is_accepted(admit, name):
    content = gzip.compress(HEADER + ROW)
    file = admit(content, name=name)
    assert (file.verdict, file.length) == ("accepted", len(content))


@pytest.mark.parametrize("ending", [".GZ", ".Gz", ".gZ"])
def test_a_gzip_under_an_ending_that_spark_does_not_know_is_refused(admit, ending):
    file = admit(gzip.compress(HEADER + ROW), name=f"a.csv{ending}")
    assert file.verdict == "refused"
    assert file.reasons == (
        f"file: its name ends in {ending!r}, and only '.gz' is read as gzip; rename it to end in '.gz'",
    )


@pytest.mark.parametrize("ending", [".bz2", ".deflate", ".lz4", ".snappy", ".zst", ".BZ2"])
def test_an_ending_that_spark_would_unpack_is_refused(admit, ending):
    file = admit(HEADER + ROW, name=f"a.csv{ending}")
    assert file.verdict == "refused"
    assert file.reasons == (
        f"file: its name ends in {ending!r}, a compression that is not read; deliver it as plain text, or as gzip "
        "under '.gz'",
    )


@pytest.mark.parametrize("name", ["A.CSV", "a.gz.csv", "a.bz2.txt", "zst"])
def test_other_endings_are_plain_text(admit, name):
    assert admit(HEADER + ROW, name=name).verdict == "accepted"


def test_a_gzip_of_several_members_is_accepted(admit):
    assert admit(gzip.compress(HEADER) + gzip.compress(ROW), name="a.csv.gz").verdict == "accepted"


@pytest.mark.parametrize("kept", [5, 15, -20, -8, -1])
def test_a_truncated_gzip_is_refused(admit, kept):
    content = gzip.compress(HEADER + os.urandom(3_000_000))
    file = admit(content[:kept], name="a.csv.gz")
    assert file.verdict == "refused"
    assert file.reasons[0].startswith("file: is not a whole gzip file: ")


def test_a_gzip_with_a_wrong_checksum_is_refused(admit):
    content = bytearray(gzip.compress(HEADER + ROW))
    content[-8] ^= 1
    assert admit(bytes(content), name="a.csv.gz").reasons[0].startswith("file: is not a whole gzip file: ")


def test_a_gzip_with_damaged_content_is_refused(admit):
    content = bytearray(gzip.compress(HEADER + os.urandom(50_000)))
    content[12:40] = b"\xff" * 28
    assert admit(bytes(content), name="a.csv.gz").reasons[0].startswith("file: is not a whole gzip file: ")


def test_what_is_named_gz_and_is_none_is_refused(admit):
    assert admit(HEADER + ROW, name="a.csv.gz").reasons[0].startswith("file: is not a whole gzip file: ")


def test_a_gzip_of_nothing_is_refused(admit):
    assert admit(gzip.compress(b""), name="a.csv.gz").reasons == ("file: has only blank lines; expected a header",)


UNCLOSED = "file: a quote is opened and never closed"


@pytest.mark.parametrize(
    ("rows", "closed"),
    [
        (b'"1\n2",3,4\n', True),
        (b'"1,3,4\n5,6,7\n', False),
        (b'"a ""b"" c",3,4\n', True),
        (b'"a ""b"" c,3,4\n', False),
        (b'"a""",3,4\n', True),
        (b'"a"",3,4\n', False),
        (b'"",3,4\n', True),
    ],
)
def test_an_unclosed_quote_costs_the_file_with_doubled_quotes(admit, rows, closed):
    assert admit(HEADER + rows, multi_line=True).reasons == (() if closed else (UNCLOSED,))


@pytest.mark.parametrize(
    ("rows", "closed"),
    [
        (b'"a \\"b\\" c",3,4\n', True),
        (b'"a \\"b",3,4\n', True),
        (b'"a \\"b,3,4\n', False),
        (b'"a\\",3,4\n', False),
        (b'"c:\\temp\\\\",3,4\n', True),
    ],
)
def test_an_unclosed_quote_costs_the_file_with_a_backslash(admit, rows, closed):
    assert admit(HEADER + rows, multi_line=True, escape="\\").reasons == (() if closed else (UNCLOSED,))


def test_an_unclosed_quote_in_one_line_does_not_cost_the_file(admit):
    assert admit(HEADER + b'"1,2,3\n').verdict == "accepted"


def test_an_unclosed_quote_is_found_in_a_gzip(admit):
    file = admit(gzip.compress(HEADER + b'"1,2,3\n'), name="a.csv.gz", multi_line=True)
    assert file.reasons == (UNCLOSED,)


def test_an_unclosed_quote_far_into_a_file_is_found(admit):
    assert admit(HEADER + ROW * 200_000 + b'"1,2,3\n', multi_line=True).reasons == (UNCLOSED,)


def test_an_escaped_quote_across_two_chunks_is_one(admit, monkeypatch):
    monkeypatch.setattr(compression, "CHUNK_BYTES", 16)
    monkeypatch.setattr(csv, "HEADER_BYTES", len(HEADER) + 16)
    for shift in range(20):
        content = HEADER + b'"' + b"x" * shift + b'\\"y",3,4\n'
        assert admit(content, multi_line=True, escape="\\").reasons == (), f"shifted by {shift}"


def test_reasons_against_header_and_quotes_stand_together(admit):
    file = admit(b'alcohol,pH\n"1,2\n', multi_line=True)
    assert file.reasons == ("header: column 'free so2' is missing", UNCLOSED)


def test_a_file_that_can_not_be_opened_raises(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(HEADER)
    status = STORAGE.status(str(path))
    path.unlink()
    with pytest.raises(OSError, match="No such file"):
        Csv().admit(
            str(path), status, storage=STORAGE, source=SourceConfig(path="in"), contract=Contract(fields=FIELDS)
        )

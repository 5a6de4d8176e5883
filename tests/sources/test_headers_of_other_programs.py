"""Headers below other lines, over several lines, and with names that only look like the contract's."""

import gzip
import time

import pytest

from penstock.config.csv_dialect import CsvDialect
from penstock.config.pipeline import SourceConfig
from penstock.schemas.contract import Contract, Field
from penstock.sources.column_names import column_hint, column_hints
from penstock.sources.files import PlannedFile
from penstock.sources.formats.csv import Csv, lines_above_headers
from penstock.sources.formats.csv_header import header_reasons
from penstock.storage.files import LocalStorage

STORAGE = LocalStorage()
CONTRACT = Contract(fields=(Field(name="id", type="long"), Field(name="temp", source="Temp\n(°C)", type="double")))


@pytest.fixture
def admit(tmp_path):
    def admit_content(content: bytes, *, name: str = "a.csv", **dialect) -> PlannedFile:
        path = tmp_path / name
        path.write_bytes(content)
        source = SourceConfig(path="in", csv=CsvDialect(**dialect))
        status = STORAGE.status(str(path))
        return Csv().admit(str(path), status, storage=STORAGE, source=source, contract=CONTRACT)

    return admit_content


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_name_over_two_lines(admit, end):
    content = f'id,"Temp{end}(°C)",y{end}1,1.5,2{end}'.encode()
    file = admit(content, multi_line=True)
    assert file.layout.columns == ("id", "Temp\n(°C)", "y")
    assert admit(content).reasons[-1] == (
        "header: a quote is opened and not closed on its line; for names over lines set source.csv.multi_line: true"
    )


TWO = Contract(fields=(Field(name="id", type="long"), Field(name="x", type="double")))


@pytest.fixture
def admit_two(admit, monkeypatch):
    monkeypatch.setattr("test_headers_of_other_programs.CONTRACT", TWO)
    return admit


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_lines_above_the_header_are_kept_in_the_plan(admit_two, tmp_path, name):
    content = "\ufeffsep=;\r\n\r\nReport für;;\r\nid;x\r\n1;2\r\n".encode()
    file = admit_two(gzip.compress(content) if name.endswith("gz") else content, name=name, separator=";", skip_lines=3)
    assert (file.reasons, file.layout.header) == ((), "id;x")
    assert file.head == ("sep=;", "Report für;;", "id;x")
    assert PlannedFile.model_validate_json(file.model_dump_json()) == file
    dialect = CsvDialect(separator=";", skip_lines=3)
    assert lines_above_headers(STORAGE, [str(tmp_path / name)], dialect) == {str(tmp_path / name): 2}


@pytest.mark.parametrize(
    ("title", "encoding", "kept"),
    [
        (b"Bericht f\xfcr C:\\x", "UTF-8", "Bericht f\\xfcr C:\\x5cx"),
        ("f\ufffdr".encode(), "UTF-8", "f\\xef\\xbf\\xbdr"),
        ("für".encode(), "US-ASCII", "f\\xc3\\xbcr"),
        (b"f\xfcr C:\\x", "ISO-8859-1", "für C:\\x"),
    ],
)
def test_a_skipped_line_may_have_any_bytes(admit_two, title, encoding, kept):
    """A row with such bytes is kept escaped, and the line is recognised by that."""
    file = admit_two(title + b"\nid,x\n1,2\n", skip_lines=1, encoding=encoding)
    assert (file.reasons, file.head) == ((), (kept, "id,x"))


def test_bytes_of_another_encoding_in_the_header_refuse_the_file(admit_two):
    file = admit_two(b"title\nid,x,\xfc\n1,2,3\n", skip_lines=1)
    assert file.reasons == ("header: byte 0xfc is not UTF-8",)


@pytest.mark.parametrize(
    ("content", "dialect", "said"),
    [
        (
            b"Report\nof today\nid,x\n1,2\n",
            {},
            "file: line 3 has the contract's columns; for such files set source.csv.skip_lines: 2 (now 0)",
        ),
        (
            b"id,x\n1,2\n3,4\n",
            {"skip_lines": 1},
            "file: line 1 has the contract's columns; for such files set source.csv.skip_lines: 0 (now 1)",
        ),
        (
            b"sep=;\r\nid;x\r\n1;2\r\n",
            {},
            "file: line 1 is 'sep=;', which names the separator; set source.csv.skip_lines: 1 and the separator "
            "(now ',')",
        ),
        (
            b"Report\nid,x\n1,2\n",
            {"multi_line": True},
            "file: line 2 has the contract's columns; remove the lines above the header, for with "
            "source.csv.multi_line none can be skipped",
        ),
        (
            b"sep=;\r\nid;x\r\n1;2\r\n",
            {"multi_line": True},
            "file: line 1 is 'sep=;', which names the separator; remove the lines above the header, for with "
            "source.csv.multi_line none can be skipped, and set the separator (now ',')",
        ),
        (
            b"a\nb\n",
            {"skip_lines": 2},
            "file: has no line below the 2 that source.csv.skip_lines skips; expected a header",
        ),
    ],
)
def test_a_file_says_where_its_header_is(admit_two, content, dialect, said):
    file = admit_two(content, **dialect)
    assert (file.verdict, file.reasons[-1]) == ("refused", said)


def test_a_header_in_its_place_is_not_looked_for_elsewhere(admit_two):
    assert admit_two(b"id,x,id\n1,2,3\n").reasons == ("header: column 'id' stands 2 times",)


@pytest.mark.parametrize(
    "found",
    ["ID", "Id ", "\ufeffid", '"id"', "i_d", " id", "\u00a0id", "ｉｄ", "'id'"],
)
def test_a_name_that_looks_like_it_is_named(found):
    assert column_hint("id", ["x", found]) == f"; is {found!r} meant?"


@pytest.mark.parametrize(
    ("missing", "found"), [("free so2", "free_so2"), ("Größe", "Gro\u0308ße"), ("alcohol", "alcohl")]
)
def test_other_spellings_are_named(missing, found):
    assert column_hint(missing, ["x", found]) == f"; is {found!r} meant?"


def test_another_name_is_not():
    assert column_hint("id", ["x", "identity", ""]) == ""


def test_the_first_of_the_names_that_look_like_it_is_named():
    assert column_hints(["id", "alcohol"], ["I_D", "ID ", "alcohl", "Id"]) == {
        "id": "; is 'ID ' meant?",
        "alcohol": "; is 'alcohl' meant?",
    }


def test_misspellings_are_looked_for_in_the_first_of_many_columns():
    missing = [f"column{number}" for number in range(30)]
    others = [f"colunm{number}" for number in range(30)]
    assert [name for name, hint in column_hints(missing, others).items() if hint] == missing[:20]
    assert column_hint("alcohol", ["alcohl", *(f"x{number}" for number in range(198))]) == "; is 'alcohl' meant?"
    assert column_hint("alcohol", ["alcohl", *(f"x{number}" for number in range(199))]) == ""
    assert column_hint("alcohol", ["ALCOHOL", *(f"x{number}" for number in range(199))]) == "; is 'ALCOHOL' meant?"


def test_other_names_in_a_wide_header_cost_little():
    contract = Contract(fields=tuple(Field(name=f"field_{number}", type="double") for number in range(2000)))
    began = time.monotonic()
    reasons = header_reasons([f"column {number}" for number in range(2000)], contract)
    assert time.monotonic() - began < 5
    assert reasons == [f"header: column {name!r} is missing" for name in contract.sources]


def test_skipped_lines_and_lines_within_quotes_are_one_too_many():
    with pytest.raises(ValueError, match="skip_lines and multi_line"):
        CsvDialect(skip_lines=1, multi_line=True)


def test_a_setting_that_came_later_counts_only_where_it_is_set():
    """A plan of an earlier version is not refused for it."""
    assert "skip_lines" not in CsvDialect().meaning
    assert CsvDialect(skip_lines=2).meaning == CsvDialect().meaning | {"skip_lines": 2}
    assert repr(Field(name="x", type="double")) == (
        "Field(name='x', type='double', source='x', model='x', nullable=False, format=None, nan='reject')"
    )
    assert repr(Field(name="x", type="double", decimal=",")).endswith("nan='reject', decimal=',')")

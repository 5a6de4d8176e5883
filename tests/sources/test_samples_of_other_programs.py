"""What `init` finds in samples that Excel, PostgreSQL or a European program wrote, and what it says of the rest."""

import pytest

from penstock.errors import ConfigError
from penstock.sources.inference.sample import read_sample
from penstock.sources.inference.types import kind_of

GERMAN = "Datum;Größe (cm);Preis (€);Menge;Störung\n" + "".join(
    f"{1 + n:02}.03.2024;{n},{n}5;{1 + n}.00{n},50;{n};{'ja' if n % 2 else 'nein'}\n" for n in range(9)
)


@pytest.fixture
def found(tmp_path):
    def read(content: bytes):
        (tmp_path / "s.csv").write_bytes(content)
        return read_sample(tmp_path / "s.csv")

    return read


def test_a_european_file(found):
    sample = found(GERMAN.encode("utf-8-sig"))
    kinds = {name: (kind.type, kind.decimal) for name, kind in sample.kinds.items()}
    assert kinds == {
        "Datum": ("date", "."),
        "Größe (cm)": ("double", ","),
        "Preis (€)": ("string", "."),
        "Menge": ("integer", "."),
        "Störung": ("string", "."),
    }
    assert "thousands separators, which no type takes; write them without" in sample.kinds["Preis (€)"].note


@pytest.mark.parametrize(
    ("above", "skipped"),
    [("sep=;\n", 1), ("Report\n\n", 2), ("Report;;;\nmade today;;;\n", 2), ("", 0), ("\n\n", 0), ('"sep=;"\r\n', 1)],
)
def test_lines_above_the_header(found, above, skipped):
    sample = found(f"{above}a;b;c;d\n1;2,5;x;7\n2;3,5;y;8\n".encode())
    assert sample.dialect.skip_lines == skipped
    assert list(sample.kinds) == ["a", "b", "c", "d"]
    assert len(sample.frame) == 2


TEXT_ROWS = "".join(f"k{n},x{n},foo{n},bar{n}\n" for n in range(4))


@pytest.mark.parametrize(
    ("content", "columns", "skipped"),
    [
        ("sep=;\na;b\n1,5;2\n2,5;3\n", ["a", "b"], 1),
        ("\nsep=;\n\na;b\nx;y\n", ["a", "b"], 2),
        ("Report\nsep=;\na;b\n1,5;2\n", ["a", "b"], 2),
        ("sep=,\na\nx\ny\n", ["a"], 1),
        ("sep=;\nReport\na;b;c\n1,5;2;x\n", ["a", "b", "c"], 2),
        ("Report\nn,city\n1,x\n2,y\n3 (?),z\n", ["n", "city"], 1),
        ("Report\nday,city\n01.02.2024,x\nNA,y\n", ["day", "city"], 1),
        (f"a,b,,\n{TEXT_ROWS}", ["a", "b"], 0),
        (f",,city,kind\n{TEXT_ROWS}", ["city", "kind"], 0),
    ],
)
def test_which_line_is_the_header(found, content, columns, skipped):
    sample = found(content.encode())
    assert (list(sample.kinds), sample.dialect.skip_lines) == (columns, skipped)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name\nMüller, Hans\nMeier, Eva\n", "is no CSV"),
        ("name\nMüller, 01.02.2024\nMeier, 02.02.2024\n", "is no CSV"),
        ("name\nMüller, yes\nMeier, no\nMaier, yes\n", "is no CSV"),
        (f"a,b,c\n{TEXT_ROWS}", "is no CSV"),
        ("a,b,b\nx,y,z\nu,v,w\n", "column 'b' stands twice"),
        ("sep=;\n", "has only a line that names the separator"),
        ('sep=;\na;b\n1;"x\ny"\n', "which is line 2, and fields that span lines"),
    ],
)
def test_a_row_is_no_header(found, content, said):
    with pytest.raises(ConfigError, match=said):
        found(content.encode())


def test_data_without_a_header_is_no_title(found):
    with pytest.raises(Exception, match="has no header"):
        found(b"1;2.5\n2;3.5\nx;y\n4;5.5\n")


@pytest.mark.parametrize("blank", ["\u00a0", "\t", "\u3000", "\u2009", "\u200b", " "])
def test_blanks_of_every_kind_are_trimmed(found, blank):
    sample = found(f"a;{blank}b\n1;{blank}2,5\n2{blank};3,5{blank}\n".encode())
    assert sample.dialect.trim
    assert sample.frame["b"].tolist() == ["2,5", "3,5"]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1,5", "2"], ("double", ",")),
        (["1,234", "0,5"], ("double", ",")),
        ([",5", "-1,5e3"], ("double", ",")),
        (["1,234", "5,678"], ("string", ".")),
        (["1,5", "2.5"], ("string", ".")),
        (["1,001.5"], ("string", ".")),
        (["1,2,3"], ("string", ".")),
    ],
)
def test_decimal_commas(texts, expected):
    kind = kind_of(texts, commas=True)
    assert (kind.type, kind.decimal) == expected
    assert kind_of(texts).type == "string"


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["1,234", "5,678"], "decimal=',' for the first, and write numbers without it for the second"),
        (["1.001,50"], "write them without, 1234.5 or 1234,5"),
        (["1 234,5"], "write them without"),
        (["1'234.5", "12"], "write them without"),
        (["a"], ""),
    ],
)
def test_what_to_write_in_place_of_other_numbers(texts, said):
    note = kind_of(texts, commas=True).note
    assert said in note
    assert bool(said) == bool(note)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["t", "f"], "boolean"),
        (["YES", "no"], "boolean"),
        (["y", "N"], "boolean"),
        (["on", "off"], "boolean"),
        (["true"], "boolean"),
        (["t"], "string"),
        (["no"], "string"),
        (["t", "no"], "string"),
        (["0", "1"], "integer"),
        (["2024-03-02 10:00:00+00"], "timestamp"),
        (["2024-03-02 10:00:00 UTC", "2024-03-02 10:00:00.5 +01:00"], "timestamp"),
        (["2024-03-02 10:00:00 CET"], "string"),
        (["2024-03-02 10:00:00+19"], "string"),
        (["0２.03.2024"], "string"),
    ],
)
def test_words_and_times(texts, expected):
    assert kind_of(texts).type == expected

import pytest
from file_kinds import BINARY, JSON, MARKUP

from penstock.sources.formats.signatures import any_kind, binary_kind, json_kind, markup_kind

#: Beginnings of CSV files, odd ones among them.
TEXTS = [
    b"x,note\n1,a\n",
    b"\xef\xbb\xbfx,note\n",
    b"PK,note\n1,a\n",
    b"PAR1,x\n1,2\n",
    b"PAR1\n1\n",
    b"ORC,x\n1,2\n",
    b"ORC\n1\n",
    b"BZh9,x\n1,2\n",
    b"BZh\n1\n",
    b"GIF8,x\n1,2\n",
    b"Obj,x\n1,2\n",
    b"ARROW1,FEA1\n1,2\n",
    b"7z,x\n",
    b"Rar!,x\n",
    b"x\n1\n" + bytes(300),
    b"x,note\n1,\x00\n",
    "Größe,Ø\n1,2\n".encode(),
    "Größe,Ø\n1,2\n".encode("latin-1"),
    "ÿþ,x\n1,2\n".encode(),
    "名前,値\n1,2\n".encode(),
    b"1,2\n" * 200,
    b"\n\n x\n",
    b"x",
    b"",
]


@pytest.mark.parametrize("head", TEXTS)
def test_text_is_none_of_them(head):
    assert binary_kind(head) is None
    assert markup_kind(head) is None
    assert json_kind(head) is None


@pytest.mark.parametrize("name", BINARY)
def test_binary_kinds(name):
    content, expected = BINARY[name]
    for head in (content, content[:4096]):
        assert binary_kind(head).name == expected
        assert any_kind(head).name == expected


@pytest.mark.parametrize("name", [*MARKUP, *JSON])
def test_kinds_of_text(name):
    content, expected = {**MARKUP, **JSON}[name]
    assert binary_kind(content) is None
    assert (markup_kind(content) or json_kind(content)).name == expected
    assert any_kind(content).name == expected


def test_other_text_is_text():
    assert any_kind(b"x,note\n1,a\n").name == "text"
    assert any_kind(b"\x01\x02\x03") is None


def test_utf_16_of_another_script_is_known_by_its_mark():
    assert binary_kind("名前,値\n".encode("utf-16")).name == "text in UTF-16"

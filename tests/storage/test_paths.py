import glob

import pytest

from penstock.storage.paths import literal_glob, normal_path, without_file_scheme


@pytest.mark.parametrize(
    ("logged", "normal"),
    [
        ("file:///data/a.csv", "/data/a.csv"),
        ("file:/data/a.csv", "/data/a.csv"),
        ("file:///data/a%20b.csv", "/data/a b.csv"),
        ("file:///data/a%5B1%5D.csv", "/data/a[1].csv"),
        ("file:///data/a+b.csv", "/data/a+b.csv"),
        ("file:///data/100%25.csv", "/data/100%.csv"),
        ("file:///data/a%2520b.csv", "/data/a%20b.csv"),
        ("file:///data/caf%C3%A9.csv", "/data/café.csv"),
        ("file:///data/café.csv", "/data/café.csv"),
        ("s3a://bucket/a%20b.csv", "s3a://bucket/a b.csv"),
        ("/data/a.csv", "/data/a.csv"),
    ],
)
def test_a_logged_path_becomes_what_a_person_types(logged, normal):
    assert normal_path(logged) == normal


def test_a_path_without_the_file_scheme_is_kept():
    assert without_file_scheme("s3a://bucket/x") == "s3a://bucket/x"
    assert without_file_scheme("/data/file:x") == "/data/file:x"


@pytest.mark.parametrize("character", list("*?[]{},\\"))
def test_what_a_glob_interprets_is_escaped(character):
    assert literal_glob(f"/d/a{character}b") == f"/d/a\\{character}b"


def test_other_characters_are_not_escaped():
    assert literal_glob("/d/a b-é+%20.csv") == "/d/a b-é+%20.csv"


def test_a_path_without_magic_is_its_own_glob():
    assert not glob.has_magic(literal_glob("/d/plain_name.csv"))

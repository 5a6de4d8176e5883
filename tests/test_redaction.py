import pytest

from penstock.redaction import without_credentials


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:pw@host/db", "postgresql://***@host/db"),
        ("http://token@host:5000", "http://***@host:5000"),
        ("no route to http://a:b@x and http://c:d@y", "no route to http://***@x and http://***@y"),
        ("mysql+pymysql://me:pw%40x@host", "mysql+pymysql://***@host"),
    ],
)
def test_credentials_in_a_uri_are_hidden(text, shown):
    assert without_credentials(text) == shown


@pytest.mark.parametrize(
    "text", ["http://host:5000/path", "sqlite:////data/mlflow.db", "mail me@host", "https://host/a b@c", "a@champion"]
)
def test_text_without_credentials_is_kept(text):
    assert without_credentials(text) == text


@pytest.mark.parametrize("password", ["pa/ss", "p@ss"])
def test_no_part_of_an_unescaped_password_is_shown(password):
    assert without_credentials(f"postgresql://me:{password}@host/db").endswith("***@host/db")

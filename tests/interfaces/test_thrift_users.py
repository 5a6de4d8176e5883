import base64
import hashlib
from pathlib import Path

import pytest

from penstock.errors import ServerError
from penstock.interfaces.sql.users import has_user, set_password


def fits(file: Path, user: str, password: str) -> bool:
    [line] = [line for line in file.read_text().splitlines() if line.split(":")[0] == user]
    _, iterations, salt, hashed = line.split(":")
    assert int(iterations) >= 600_000
    found = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(iterations))
    return found == base64.b64decode(hashed)


def test_a_password_is_kept_as_a_salted_hash_that_others_can_t_read(tmp_path: Path) -> None:
    file = tmp_path / "users"
    set_password(file, "ann", "hush hush")
    set_password(file, "bob", "hush hush")
    assert fits(file, "ann", "hush hush")
    assert not fits(file, "ann", "hush")
    assert "hush" not in file.read_text()
    ann, bob = (line.split(":")[2:] for line in file.read_text().splitlines())
    assert ann != bob
    assert file.stat().st_mode & 0o777 == 0o600


def test_another_password_takes_the_place_of_the_first(tmp_path: Path) -> None:
    file = tmp_path / "users"
    for user, password in (("ann", "one"), ("anna", "two"), ("ann", "three")):
        set_password(file, user, password)
    assert len(file.read_text().splitlines()) == 2
    assert fits(file, "ann", "three")
    assert fits(file, "anna", "two")
    assert not has_user(file, "an")
    assert not has_user(tmp_path / "none", "ann")


@pytest.mark.parametrize(("user", "password"), [("a:b", "x"), ("a\nb", "x"), ("", "x"), ("ann", "")])
def test_what_would_break_the_file_is_refused(tmp_path: Path, user: str, password: str) -> None:
    with pytest.raises(ServerError, match="a user needs a name"):
        set_password(tmp_path / "users", user, password)
    assert not (tmp_path / "users").exists()

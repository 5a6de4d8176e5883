import os

import pytest

from penstock.errors import ConfigError, EnvironmentCheckError
from penstock.operations.doctor.checks import Finding, check_folder, found
from penstock.storage.files import LocalStorage

STORAGE = LocalStorage()


def test_what_is_found_is_shown():
    finding = found("java", lambda: "Java 17")
    assert finding == Finding(check="java", ok=True, detail="Java 17")
    assert str(finding) == "ok   java: Java 17"


@pytest.mark.parametrize("error", [EnvironmentCheckError, ConfigError])
def test_an_error_is_a_finding(error):
    def check():
        raise error("no Java; install it")

    finding = found("java", check)
    assert not finding.ok
    assert str(finding) == "FAIL java: no Java; install it"


def test_another_error_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        found("java", lambda: str(1 / 0))


def test_credentials_are_hidden_in_what_is_found_and_in_what_is_wrong():
    def check():
        raise EnvironmentCheckError("no answer from http://me:s3cret@host")

    assert found("model", lambda: "at http://me:s3cret@host").detail == "at http://***@host"
    assert found("model", check).detail == "no answer from http://***@host"


@pytest.mark.parametrize(("write", "what"), [(True, "readable and writable"), (False, "readable")])
def test_a_folder_that_is_there(tmp_path, write, what):
    assert check_folder(STORAGE, str(tmp_path), write=write) == f"{tmp_path} is {what}"


def test_a_folder_that_can_be_made_is_made(tmp_path):
    folder = tmp_path / "a" / "b"
    check_folder(STORAGE, str(folder), write=True)
    assert folder.is_dir()


def test_a_file_in_the_folders_place_is_told(tmp_path):
    (tmp_path / "inbox").touch()
    with pytest.raises(EnvironmentCheckError, match="inbox is not a folder"):
        check_folder(STORAGE, str(tmp_path / "inbox"), write=False)


def test_a_folder_below_a_file_can_not_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentCheckError, match="can't be made: Not a directory"):
        check_folder(STORAGE, str(tmp_path / "file" / "inbox"), write=False)


@pytest.mark.parametrize(
    ("write", "allowed", "fits"),
    [
        (False, os.R_OK | os.X_OK, True),
        (True, os.R_OK | os.X_OK, False),
        (True, os.R_OK | os.W_OK | os.X_OK, True),
        (False, os.R_OK, False),
        (False, os.W_OK | os.X_OK, False),
    ],
)
def test_the_rights_that_are_needed(tmp_path, monkeypatch, write, allowed, fits):
    monkeypatch.setattr(os, "access", lambda path, needed: needed & allowed == needed)
    if fits:
        check_folder(STORAGE, str(tmp_path), write=write)
    else:
        with pytest.raises(EnvironmentCheckError, match="is not readable"):
            check_folder(STORAGE, str(tmp_path), write=write)

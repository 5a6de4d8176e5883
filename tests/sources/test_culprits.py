"""Which files are held responsible for an error of Spark's, and in how many reads they are found."""

from dataclasses import dataclass, field

import pytest

from penstock.errors import StorageError
from penstock.sources.culprits import Trial, culprits, tried_alone
from penstock.sources.files import Layout, PlannedFile, accepted_file, refused_file
from penstock.storage.files import FileStatus, LocalStorage


@dataclass(frozen=True, kw_only=True)
class Scripted(Trial):
    """Its reads fail for some of the files; all else is as it is."""

    bad: dict[str, Exception]
    reads: list[int] = field(default_factory=list)

    def error_of(self, files):
        self.reads.append(len(files))
        return next((self.bad[name_of(file)] for file in files if name_of(file) in self.bad), None)


def name_of(file: PlannedFile) -> str:
    return file.path.rsplit("/", 1)[1]


@pytest.fixture(autouse=True)
def spark_works(monkeypatch):
    """Nothing here has a session."""
    monkeypatch.setattr("penstock.sources.culprits.require_working", lambda spark: None)


@pytest.fixture
def files(tmp_path):
    found = []
    for number in range(64):
        path = tmp_path / f"{number:02}.csv"
        path.write_text(f"x\n{number}\n")
        found.append(
            accepted_file(path=str(path), status=LocalStorage().status(str(path)), layout=Layout(format="csv"))
        )
    return found


def trial(*bad, storage=None):
    errors = {name: ValueError(f"no {name}") for name in bad}
    return Scripted(spark=None, storage=storage or LocalStorage(), contract=None, source=None, bad=errors)


def test_files_that_all_can_be_read_are_read_once(files):
    asked = trial()
    assert culprits(asked, files) == {}
    assert asked.reads == [64]


@pytest.mark.parametrize("bad", [("00.csv",), ("63.csv",), ("17.csv", "18.csv"), ("03.csv", "31.csv", "60.csv")])
def test_the_culprits_are_found_in_halves(files, bad):
    asked = trial(*bad)
    found = culprits(asked, files)
    assert {path.rsplit("/", 1)[1]: reason for path, reason in found.items()} == {
        name: f"file: Spark can't read it: ValueError: no {name}" for name in bad
    }
    # Two of each half, and a second time alone.
    assert len(asked.reads) <= 1 + len(bad) * (2 * 6 + 1)


def test_all_files_may_be_culprits(files):
    assert len(culprits(trial(*map(name_of, files)), files)) == 64


def test_a_file_that_fails_once_only_is_kept(files):
    asked = trial("05.csv")

    class Once(Scripted):
        def error_of(self, files):
            error = super().error_of(files)
            return None if files == [the_file] and self.reads.count(1) > 1 else error

    the_file = files[5]
    assert culprits(Once(**vars(asked)), [the_file]) == {}


def test_nothing_is_refused_while_the_storage_is_in_trouble(files):
    class Away(LocalStorage):
        def open(self, path):
            raise OSError(5, "Input/output error")

    with pytest.raises(StorageError, match=r"05\.csv: can't be read: Input/output error"):
        culprits(trial("05.csv", storage=Away()), files)


def test_a_file_that_changed_meanwhile_is_not_refused(files):
    files[5] = files[5].model_copy(update={"length": 999})
    with pytest.raises(StorageError, match="changed while it was read"):
        culprits(trial("05.csv"), files)


def test_files_are_tried_alone_under_a_mark(files):
    refused = refused_file(path="/in/z.csv", status=FileStatus(length=1, modified_milliseconds=1), reasons=["x"])
    marks = []
    asked = trial("01.csv")
    deaths = {files[0].path: 2, files[2].path: 1}
    tried = tried_alone([*files[:3], refused], asked, deaths=deaths, mark=marks.append)
    assert [file.verdict for file in tried] == ["refused", "refused", "accepted", "refused"]
    assert tried[0].reasons[0].startswith("file: the process ended 2 times while it read this file alone (4 bytes of ")
    assert tried[1].reasons == ("file: Spark can't read it: ValueError: no 01.csv",)
    assert tried[3] is refused
    assert marks == [files[1].path, files[2].path]
    assert asked.reads == [1, 1, 1]

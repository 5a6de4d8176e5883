import errno
import gzip
import os
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.config.pipeline import SourceConfig
from penstock.errors import ConfigError, StorageError
from penstock.schemas.contract import Contract, Field
from penstock.sources.admission import admit_files
from penstock.sources.checkpoint import Arrival
from penstock.sources.formats import format_of
from penstock.storage.files import LocalStorage

CONTRACT = Contract(fields=(Field(name="x", type="double"),))
EARLIER = time.time() - 60


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/in/a.csv", "csv"),
        ("/in/a.CSV", "csv"),
        ("/in/a.csv.gz", "csv"),
        ("/in/a.tsv", "csv"),
        ("/in/a.txt.gz", "csv"),
        ("/in/a.parquet", "parquet"),
        ("/in/A.Parquet", "parquet"),
        ("/in/a.snappy.parquet", "parquet"),
        ("/in/a.pq", "parquet"),
    ],
)
@pytest.mark.parametrize("default", ["csv", "parquet"])
def test_the_ending_of_the_name_decides(path, expected, default):
    assert format_of(path, default=default).name == expected


@pytest.mark.parametrize("path", ["/in/a", "/in/a.dat", "/in.parquet/a", "/in/a.csv.bak", "/in/a.parquet.old"])
@pytest.mark.parametrize("default", ["csv", "parquet"])
def test_without_a_known_ending_the_pipelines_format_counts(path, default):
    assert format_of(path, default=default).name == default


@pytest.fixture
def inbox(tmp_path):
    class Inbox:
        def put(self, name, content):
            path = tmp_path / name
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                pq.write_table(content, path)
            os.utime(path, (EARLIER, EARLIER))

        def path(self, name):
            return tmp_path / name

        def admit(self, *names, storage=None, **source):
            arrived = [Arrival(path=str(tmp_path / name), modified_milliseconds=int(EARLIER * 1000)) for name in names]
            return admit_files(
                arrived,
                storage=storage or LocalStorage(),
                source=SourceConfig(path=str(tmp_path), **source),
                contract=CONTRACT,
            )

    return Inbox()


def test_one_refused_file_does_not_hold_up_the_others(inbox):
    inbox.put("b.csv", b"x\n1\n")
    inbox.put("empty.csv", b"")
    inbox.put("header.csv", b"y\n1\n")
    inbox.put("broken.parquet", b"PAR1 broken PAR1")
    inbox.put("broken.csv.gz", gzip.compress(b"x\n1\n")[:-4])
    inbox.put("text.parquet", pa.table({"x": ["a"]}))
    inbox.put("a.parquet", pa.table({"x": [1.0]}))
    names = ["b.csv", "empty.csv", "header.csv", "gone.csv", "broken.parquet", "broken.csv.gz", "text.parquet"]
    names.append("a.parquet")
    files = inbox.admit(*names)
    assert [file.path.rsplit("/", 1)[1] for file in files] == names
    assert [file.verdict for file in files] == ["accepted"] + ["refused"] * 6 + ["accepted"]
    assert all(file.reasons for file in files if file.verdict == "refused")
    assert files[3].reasons == ("file: vanished between listing and reading",)


def test_an_empty_file_is_refused(inbox):
    inbox.put("a.csv", b"")
    inbox.put("a.parquet", b"")
    assert [file.reasons for file in inbox.admit("a.csv", "a.parquet")] == [("file: is empty (0 bytes)",)] * 2


def test_a_vanished_file_is_refused_without_a_length(inbox):
    (file,) = inbox.admit("gone.csv")
    assert (file.verdict, file.length, file.modified_milliseconds) == ("refused", None, None)


def test_the_status_at_admission_is_planned(inbox):
    inbox.put("a.csv", b"x\n1\n")
    (file,) = inbox.admit("a.csv")
    assert (file.length, file.modified_milliseconds) == (4, int(EARLIER * 1000))


def test_the_pipelines_format_is_for_names_without_ending(inbox):
    inbox.put("data", pa.table({"x": [1.0, 2.0]}))
    (as_parquet,) = inbox.admit("data", format="parquet")
    (as_csv,) = inbox.admit("data", format="csv")
    assert (as_parquet.verdict, as_parquet.rows) == ("accepted", 2)
    assert as_csv.verdict == "refused"


def test_a_file_that_can_not_be_opened_is_refused_with_the_systems_words(inbox):
    class Storage(LocalStorage):
        def open(self, path):
            if path.endswith("locked.csv"):
                raise PermissionError(13, "Permission denied")
            return super().open(path)

    inbox.put("locked.csv", b"x\n1\n")
    inbox.put("b.csv", b"x\n1\n")
    locked, other = inbox.admit("locked.csv", "b.csv", storage=Storage())
    assert locked.reasons == ("file: can't be read: Permission denied",)
    assert other.verdict == "accepted"


class Troubled(LocalStorage):
    """Opens files, and fails to read those whose name says so."""

    def __init__(self, error):
        self.error = error

    def open(self, path):
        if path.rsplit("/", 1)[1].startswith("trouble"):
            raise self.error
        return super().open(path)


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENFILE, errno.EMFILE, errno.ENOMEM, errno.ETIMEDOUT])
@pytest.mark.parametrize("name", ["trouble.csv", "trouble.parquet"])
def test_trouble_with_the_disk_is_no_verdict_on_a_file(inbox, name, number):
    inbox.put(name, b"x\n1\n")
    inbox.put("b.csv", b"x\n1\n")
    storage = Troubled(OSError(number, os.strerror(number)))
    with pytest.raises(StorageError, match=f"/{name}: can't be read: {os.strerror(number)}; check the disk or mount"):
        inbox.admit("b.csv", name, storage=storage)


def test_trouble_with_the_store_goes_on_as_it_is(inbox):
    inbox.put("trouble.csv", b"x\n1\n")
    error = StorageError(errno.EACCES, "S3 refused it (AccessDenied)", "s3a://bucket/trouble.csv")
    with pytest.raises(StorageError) as raised:
        inbox.admit("trouble.csv", storage=Troubled(error))
    assert raised.value is error


def test_a_file_that_vanishes_before_it_is_opened_is_refused_as_one(inbox):
    inbox.put("trouble.csv", b"x\n1\n")

    class Vanishing(LocalStorage):
        def open(self, path):
            inbox.path("trouble.csv").unlink()
            return super().open(path)

    [file] = inbox.admit("trouble.csv", storage=Vanishing())
    assert file.reasons == ("file: vanished between listing and reading",)


def test_a_file_that_is_there_and_can_not_be_found_is_trouble(inbox):
    """A gateway before the store that has lost it, say."""
    inbox.put("trouble.csv", b"x\n1\n")
    with pytest.raises(StorageError, match=r"trouble\.csv: can't be read"):
        inbox.admit("trouble.csv", storage=Troubled(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))))


def test_a_footer_that_arrow_calls_an_io_error_is_the_files_own(inbox):
    inbox.put("a.parquet", pa.table({"x": [1.0]}))
    path = inbox.path("a.parquet")
    whole = path.read_bytes()
    length = int.from_bytes(whole[-8:-4], "little")
    path.write_bytes(whole[: -8 - length] + b"\xff" * length + whole[-8:])
    [file] = inbox.admit("a.parquet")
    assert file.verdict == "refused"
    assert file.reasons[0].startswith("file: is not a readable Parquet file: ")


def test_damage_that_a_reader_does_not_expect_refuses_its_file(inbox, caplog):
    inbox.put("trouble.csv", b"x\n1\n")
    inbox.put("b.csv", b"x\n1\n")
    trouble, other = inbox.admit("trouble.csv", "b.csv", storage=Troubled(ValueError("no such unit: 'parsec'")))
    assert trouble.reasons == ("file: can't be read: ValueError: no such unit: 'parsec'",)
    assert other.verdict == "accepted"
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("error", [MemoryError(), KeyboardInterrupt(), ConfigError("no such dialect")])
def test_what_says_nothing_about_a_file_refuses_none(inbox, error):
    inbox.put("trouble.csv", b"x\n1\n")
    with pytest.raises(type(error)):
        inbox.admit("trouble.csv", storage=Troubled(error))


@pytest.mark.parametrize("name", ["a b.csv", "a[1].csv", "é+%20.csv", "a{1,2}?.csv"])
def test_names_with_special_characters_are_read(inbox, name):
    inbox.put(name, b"x\n1\n")
    assert inbox.admit(name)[0].verdict == "accepted"


def test_no_arrivals_are_no_files(inbox):
    assert inbox.admit() == []


def test_the_dialect_of_the_pipeline_is_used(inbox):
    inbox.put("a.csv", b"y;x\n1;2\n")
    (file,) = inbox.admit("a.csv", csv={"separator": ";"})
    assert file.layout.columns == ("y", "x")

"""What storage promises, on a real S3 server as in a local folder."""

import threading
from pathlib import Path

import pytest
from s3_server import S3Server

from penstock.config.pipeline import S3Config
from penstock.errors import EnvironmentCheckError
from penstock.operations.doctor.s3_checks import check_conditional_writes, check_s3_folder
from penstock.pipeline.lease import Lease, read_holder
from penstock.sources.checkpoint import Arrival, arrivals, logged_files
from penstock.storage.files import LocalStorage, Storage
from penstock.storage.s3 import S3Storage
from penstock.storage.statuses import statuses


@pytest.fixture
def s3_storage(buckets: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Storage:
    for name, value in buckets.environment().items():
        monkeypatch.setenv(name, value)
    return S3Storage(S3Config(endpoint=buckets.endpoint))


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Storage, str]:
    """A store, and a folder in it that nobody has made yet."""
    if request.param == "local":
        return LocalStorage(), f"{tmp_path}/folder"
    return request.getfixturevalue("s3_storage"), f"s3a://direct/{tmp_path.name}"


NAMES = ["plain.csv", "a b+c%20é?#&=.csv", "[1]{2}*.csv", "sub/deep/x.csv", "sub=1/x.csv"]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_created_once_and_read_as_it_was(place: tuple[Storage, str], name: str) -> None:
    storage, folder = place
    path = f"{folder}/{name}"
    assert (storage.read(path), storage.status(path)) == (None, None)
    assert storage.create(path, b"one\xff")
    assert not storage.create(path, b"two")
    assert storage.read(path) == b"one\xff"
    with storage.open(path) as file:
        assert (file.read(), file.seek(1), file.read(2)) == (b"one\xff", 1, b"ne")
    status = storage.status(path)
    assert status is not None
    assert (status.length, storage.files(folder, is_overlooked=lambda _: False)) == (4, {path: status})
    storage.replace(path, b"longer")
    assert storage.read(path) == b"longer"
    storage.delete(path)
    storage.delete(path)
    assert storage.status(path) is None


def test_the_file_log_is_read_by_lines_and_a_compaction_from_its_end(place: tuple[Storage, str]) -> None:
    storage, checkpoint = place
    lines = [
        b'{"path":"file:///in/%d.csv","timestamp":%d,"batchId":%d}' % (number, number, number // 1000)
        for number in range(10_000)
    ]
    storage.create(f"{checkpoint}/sources/0/9.compact", b"\n".join([b"v1", *lines]))
    storage.create(f"{checkpoint}/sources/0/10", b'v1\n{"path":"file:///in/x.csv","timestamp":5,"batchId":10}')
    for batch in (8, 9, 10):
        offset = f'v1\n{{}}\n{{"logOffset":{batch}}}'
        storage.create(f"{checkpoint}/offsets/{batch}", offset.encode())
    assert arrivals(storage, checkpoint, 9) == [
        Arrival(path=f"/in/{number}.csv", modified_milliseconds=number) for number in range(9000, 10_000)
    ]
    assert arrivals(storage, checkpoint, 10) == [Arrival(path="/in/x.csv", modified_milliseconds=5)]
    logged = list(logged_files(storage, checkpoint))
    assert logged == [*[(f"/in/{n}.csv", n, n // 1000) for n in range(10_000)], ("/in/x.csv", 5, 10)]


def test_the_status_of_many_files_keeps_their_order(place: tuple[Storage, str]) -> None:
    storage, folder = place
    for number in range(0, 40, 2):
        storage.create(f"{folder}/{number}", b"x" * number)
    found = statuses(storage, [f"{folder}/{number}" for number in range(40)])
    assert [status.length if status else None for status in found] == [
        None if number % 2 else number for number in range(40)
    ]


def test_names_are_those_of_one_level(place: tuple[Storage, str]) -> None:
    storage, folder = place
    assert storage.names(folder) == []
    for name in ("b", "a", "sub/x", "sub/y", "a-sub/z"):
        storage.create(f"{folder}/{name}", b"")
    assert storage.names(folder) == ["a", "a-sub", "b", "sub"]


def test_files_are_found_below_a_folder_and_overlooked_at_each_level(place: tuple[Storage, str]) -> None:
    storage, folder = place
    for name in ("a", "sub/b", "_no/c", "sub/.no", "sub/_no/d"):
        storage.create(f"{folder}/{name}", b"four")
    found = storage.files(folder, is_overlooked=lambda name: name[0] in "._")
    assert {path.removeprefix(f"{folder}/") for path in found} == {"a", "sub/b"}


def test_a_folder_that_is_not_there_and_one_that_is_empty(place: tuple[Storage, str]) -> None:
    storage, folder = place
    with pytest.raises(FileNotFoundError):
        storage.files(folder, is_overlooked=lambda _: False)
    storage.make_folder(folder)
    storage.make_folder(folder)
    assert storage.files(folder, is_overlooked=lambda _: False) == {}
    assert storage.names(folder) == []


def test_a_file_that_is_not_there_can_not_be_opened(place: tuple[Storage, str]) -> None:
    storage, folder = place
    with pytest.raises(OSError, match=r"No such file|NoSuchKey"), storage.open(f"{folder}/none") as file:
        file.read()


def test_of_many_that_create_one_name_one_does(place: tuple[Storage, str]) -> None:
    storage, folder = place
    start, made = threading.Barrier(8), []

    def attempt(number: int) -> None:
        start.wait()
        if storage.create(f"{folder}/one", str(number).encode()):
            made.append(number)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [str(number).encode() for number in made] == [storage.read(f"{folder}/one")]


def test_a_lease_on_s3_has_one_holder_is_renewed_and_given_back(
    s3_storage: S3Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.pipeline.lease.RENEW_SECONDS", 0.02)
    path = f"s3a://direct/{tmp_path.name}/_lease"
    with Lease(storage=s3_storage, path=path, job="stream") as lease:
        first = read_holder(s3_storage, path)
        while read_holder(s3_storage, path) == first:
            lease.check()
    assert read_holder(s3_storage, path) is None
    assert len(s3_storage.names(path)) == 2


def test_a_folder_on_s3_is_checked(s3_storage: S3Storage, tmp_path: Path) -> None:
    folder = f"s3a://direct/{tmp_path.name}"
    assert check_s3_folder(s3_storage, folder, write=False) == f"{folder} is readable"
    assert check_s3_folder(s3_storage, folder, write=True) == f"{folder} is writable, and takes each name once"
    assert s3_storage.names(folder) == []
    with pytest.raises(EnvironmentCheckError, match=r"can't be used: S3 has no such thing \(NoSuchBucket\)"):
        check_s3_folder(s3_storage, "s3a://no-such-bucket/a", write=False)


def test_wrong_credentials_are_told_and_not_shown(s3_storage: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "c4n4ry-s3cret")
    with pytest.raises(EnvironmentCheckError, match=r"S3 refused it \(SignatureDoesNotMatch\)") as raised:
        check_s3_folder(s3_storage, "s3a://direct/a", write=True)
    assert "c4n4ry" not in str(raised.value)


def test_a_server_that_takes_a_name_twice_is_refused(tmp_path: Path) -> None:
    class Careless(LocalStorage):
        def create(self, path: str, content: bytes) -> bool:
            self.replace(path, content)
            return True

    with pytest.raises(EnvironmentCheckError, match="ignores If-None-Match"):
        check_conditional_writes(Careless(), str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_refuses_a_new_name_is_refused(tmp_path: Path) -> None:
    class Refusing(LocalStorage):
        def create(self, path: str, content: bytes) -> bool:
            return False

    with pytest.raises(EnvironmentCheckError, match="refused a conditional PUT of a new key"):
        check_conditional_writes(Refusing(), str(tmp_path))

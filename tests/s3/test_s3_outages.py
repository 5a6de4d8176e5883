"""A real S3 server that is away, or answers with errors, for a while: what is waited for, and what is said then."""

import io
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from free_ports import free_port
from s3_proxy import Answer, Fault, Forward, Request, S3Proxy, break_off, error, outage, refuse
from s3_server import S3Server

from penstock.config.pipeline import S3Config
from penstock.errors import StorageError
from penstock.storage.s3 import S3Storage

FOR_EVER = 3600.0
CONFLICT = "ConditionalRequestConflict"
#: Longer than smart_open reads ahead.
LONG = bytes(range(256)) * 2048


FAULTS: dict[str, Callable[[float], Fault]] = {
    "reset": outage,
    "500": lambda seconds: outage(seconds, 500, "InternalError"),
    "503": lambda seconds: outage(seconds, 503, "ServiceUnavailable"),
    "throttled": lambda seconds: outage(seconds, 503, "SlowDown"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_many_threads_wait_for_a_server_that_is_away(
    storage: S3Storage, proxy: S3Proxy, path: str, fault: Callable[[float], Fault]
) -> None:
    storage.replace(path, b"content")
    proxy.fault = fault(5.0)
    with ThreadPoolExecutor(max_workers=16) as pool:
        assert list(pool.map(lambda _: storage.read(path), range(32))) == [b"content"] * 32


def test_a_server_that_refuses_connections_is_waited_for(storage: S3Storage, s3: S3Server, path: str) -> None:
    storage.replace(path, b"content")
    port, started = free_port(), []
    away = S3Storage(S3Config(endpoint=f"http://127.0.0.1:{port}"))
    timer = threading.Timer(4.0, lambda: started.append(S3Proxy(s3.address, port)))
    timer.start()
    try:
        with ThreadPoolExecutor(max_workers=16) as pool:
            assert list(pool.map(lambda _: away.read(path), range(16))) == [b"content"] * 16
    finally:
        timer.join()
        started[0].stop()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (outage(FOR_EVER), "S3 was not reached: "),
        (outage(FOR_EVER, 503, "ServiceUnavailable"), "S3 answered ServiceUnavailable"),
        (outage(FOR_EVER, 403, "AccessDenied"), r"S3 refused it \(AccessDenied\)"),
        (outage(FOR_EVER, 404, "NoSuchBucket"), r"S3 has no such thing \(NoSuchBucket\)"),
        # What a gateway says that has no server behind it is no word on the file.
        (outage(FOR_EVER, 404, "404"), "S3 answered 404"),
    ],
)
@pytest.mark.parametrize("look", ["status", "read", "open", "delete"])
def test_trouble_is_told_by_one_type_with_the_path_in_front(
    hasty: S3Storage, proxy: S3Proxy, path: str, fault: Fault, said: str, look: str
) -> None:
    hasty.replace(path, b"content")
    proxy.fault = fault
    started = time.monotonic()
    with pytest.raises(StorageError, match=f"^{path}: {said}"):
        getattr(hasty, look)(path)
    assert time.monotonic() - started < 10


def test_what_is_refused_is_not_asked_for_again(storage: S3Storage, proxy: S3Proxy, path: str) -> None:
    proxy.fault = outage(FOR_EVER, 403, "AccessDenied")
    with pytest.raises(StorageError):
        storage.read(path)
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("times", [1, 3])
def test_a_body_that_breaks_off_is_read_again(storage: S3Storage, proxy: S3Proxy, path: str, times: int) -> None:
    storage.replace(path, b"a plan, say")
    proxy.fault = break_off(path.rsplit("/", 1)[1], times=times)
    assert storage.read(path) == b"a plan, say"


def test_a_body_that_always_breaks_off_is_trouble(storage: S3Storage, proxy: S3Proxy, path: str) -> None:
    storage.replace(path, b"a plan, say")
    proxy.fault = break_off("", times=10_000)
    with pytest.raises(StorageError, match=r"S3 was not reached: .*bytes"):
        storage.read(path)


def test_an_open_file_goes_on_where_its_body_broke_off(storage: S3Storage, proxy: S3Proxy, path: str) -> None:
    storage.replace(path, LONG)
    proxy.fault = break_off(path.rsplit("/", 1)[1])
    with storage.open(path) as file:
        assert file.read() == LONG


@pytest.mark.parametrize(
    "use",
    [lambda file: file.read(), lambda file: file.seek(300_000), lambda file: file.seek(-8, io.SEEK_END)],
    ids=["read", "seek", "seek from the end"],
)
def test_trouble_with_an_open_file_is_told_by_the_same_type(
    hasty: S3Storage, proxy: S3Proxy, path: str, use: Callable[[Any], object]
) -> None:
    hasty.replace(path, LONG)
    proxy.fault = break_off(path.rsplit("/", 1)[1])
    with hasty.open(path) as file:
        assert file.read(16) == LONG[:16]
        proxy.fault = outage(FOR_EVER)
        with pytest.raises(StorageError, match=f"^{path}: S3 was not reached"):
            use(file)


def test_a_file_that_is_not_there_is_no_trouble(storage: S3Storage, path: str) -> None:
    assert storage.read(path) is None
    with pytest.raises(FileNotFoundError, match="NoSuchKey"):
        storage.open(path)


def test_a_conflict_of_two_puts_is_given_time(storage: S3Storage, proxy: S3Proxy, path: str) -> None:
    proxy.fault = outage(1.5, 409, CONFLICT)
    assert storage.create(path, b"mine")
    assert storage.read(path) == b"mine"


def made_and_denied(request: Request, forward: Forward) -> Answer:
    """Every PUT is done, and answered as if another were under way."""
    answer = forward(request)
    return error(409, CONFLICT) if request.method == "PUT" else answer


@pytest.mark.parametrize(("others", "made"), [(False, True), (True, False)])
def test_whose_the_object_is_decides_where_a_conflict_does_not_end(
    storage: S3Storage, proxy: S3Proxy, path: str, monkeypatch: pytest.MonkeyPatch, others: bool, made: bool
) -> None:
    monkeypatch.setattr("penstock.storage.s3.CONFLICT_PAUSE_SECONDS", 0.001)
    if others:
        assert storage.create(path, b"theirs")
    proxy.fault = made_and_denied
    assert storage.create(path, b"mine") is made


def test_a_conflict_that_does_not_end_and_leaves_nothing_is_trouble(
    storage: S3Storage, proxy: S3Proxy, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.storage.s3.CONFLICT_PAUSE_SECONDS", 0.001)
    proxy.fault = refuse("", status=409, code=CONFLICT, times=10_000)
    with pytest.raises(StorageError, match="others kept writing it through 10 attempts"):
        storage.create(path, b"mine")

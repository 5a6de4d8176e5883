"""Both ways to commit, against the real server: the first write of a name stays, whatever becomes of the answer."""

import threading
from collections.abc import Callable

import pytest
from py4j.protocol import Py4JJavaError
from s3_proxy import S3Proxy, drop_answer, flaky, refuse, stall
from s3_store import TAKEN_FOR_DELTA, TAKEN_FOR_SPARK, Bucket, fails_with, wins

#: How a file is written, and what tells that its name is taken.
Way = tuple[Callable[[Bucket, str, str], None], str]
WAYS = {
    "log store": (lambda bucket, name, content: bucket.commit(name, content), TAKEN_FOR_DELTA),
    "file manager": (lambda bucket, name, content: bucket.create(name, content + "\n"), TAKEN_FOR_SPARK),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    return WAYS[request.param]


def test_the_first_write_stays_and_the_second_is_refused(way: Way, direct: Bucket) -> None:
    write, taken = way
    write(direct, "file", "first")
    with fails_with(taken):
        write(direct, "file", "second")
    assert direct.names() == ["file"]
    assert direct.read("file") == "first\n"


def test_the_same_bytes_of_another_are_another_s(way: Way, direct: Bucket) -> None:
    """As commits of two streams on one checkpoint are."""
    write, taken = way
    write(direct, "file", "same")
    with fails_with(taken):
        write(direct, "file", "same")


def test_a_commit_is_one_request(way: Way, proxied: Bucket, proxy: S3Proxy) -> None:
    write, _ = way
    write(proxied, "file", "content")
    assert [(request.method, request.path) for request in proxy.requests] == [
        ("PUT", f"/{proxied.name}/{proxied.folder}/file")
    ]
    assert ("If-None-Match", "*") in proxy.requests[0].headers


def test_one_s_own_commit_is_recognised_when_its_answer_was_lost(way: Way, proxied: Bucket, proxy: S3Proxy) -> None:
    write, taken = way
    proxy.fault = drop_answer("/file$")
    write(proxied, "file", "mine")
    assert proxied.read("file") == "mine\n"
    assert [request.method for request in proxy.requests] == ["PUT", "PUT", "HEAD"]
    with fails_with(taken):
        write(proxied, "file", "theirs")


@pytest.mark.parametrize("content", ["mine", "theirs"])
def test_another_s_commit_is_not_taken_for_one_s_own_when_the_answer_was_lost(
    way: Way, content: str, proxied: Bucket, proxy: S3Proxy
) -> None:
    write, taken = way
    write(proxied, "file", "theirs")
    proxy.fault = drop_answer("/file$")
    with fails_with(taken):
        write(proxied, "file", content)
    assert proxied.read("file") == "theirs\n"


def test_a_commit_that_the_server_never_saw_is_written(way: Way, proxied: Bucket, proxy: S3Proxy) -> None:
    write, _ = way
    proxy.fault = refuse("/file$", status=503, code="SlowDown")
    write(proxied, "file", "mine")
    assert proxied.read("file") == "mine\n"


def test_a_conflict_of_two_puts_is_tried_again(way: Way, proxied: Bucket, proxy: S3Proxy) -> None:
    """S3 answers 409 while another PUT of the name is under way, and leaves open which one will win."""
    write, taken = way
    proxy.fault = refuse("/file$", status=409, code="ConditionalRequestConflict")
    write(proxied, "file", "mine")
    assert proxied.read("file") == "mine\n"
    proxy.fault = refuse("/file$", status=409, code="ConditionalRequestConflict")
    with fails_with(taken):
        write(proxied, "file", "theirs")


def test_an_error_that_is_no_conflict_is_not_taken_for_one(way: Way, proxied: Bucket, proxy: S3Proxy) -> None:
    write, _ = way
    proxy.fault = refuse("/file$", status=403, code="AccessDenied", times=100)
    with pytest.raises(Py4JJavaError, match="AccessDenied"):
        write(proxied, "file", "mine")
    assert proxied.names() == []


def test_a_commit_waits_for_a_server_that_stalls(way: Way, proxied: Bucket, proxy: S3Proxy) -> None:
    write, _ = way
    proxy.fault = stall(2.0, "/file$")
    write(proxied, "file", "mine")
    assert proxied.read("file") == "mine\n"


def test_on_a_store_without_metadata_only_a_unique_content_is_recognised(direct: Bucket) -> None:
    """Delta's commits have an id in them; two streams on one checkpoint write the same bytes."""
    for name in ("log", "checkpoint"):
        key = f"{direct.folder}/{name}"
        direct.server.client().put_object(Bucket=direct.name, Key=key, Body=b"same\n")
    direct.commit("log", "same")
    with fails_with(TAKEN_FOR_DELTA):
        direct.commit("log", "size")
    with fails_with(TAKEN_FOR_SPARK):
        direct.create("checkpoint", "same\n")


def test_through_a_bad_network_each_commit_is_there_once(way: Way, proxied: Bucket, proxy: S3Proxy) -> None:
    write, taken = way
    proxy.fault = flaky(unavailable=0.2, reset=0.2)
    for number in range(10):
        write(proxied, str(number), f"mine {number}")
        with fails_with(taken):
            write(proxied, str(number), f"theirs {number}")
    assert [proxied.read(str(number)) for number in range(10)] == [f"mine {number}\n" for number in range(10)]


def test_a_race_has_one_winner(way: Way, direct: Bucket) -> None:
    write, _ = way
    names, threads = [f"{number:020}.json" for number in range(5)], 8
    start = threading.Barrier(threads)
    won: list[tuple[str, int]] = []

    def race(number: int) -> None:
        for name in names:
            start.wait(timeout=300)
            if wins(lambda name=name: write(direct, name, f"from {number}")):
                won.append((name, number))

    runners = [threading.Thread(target=race, args=(number,)) for number in range(threads)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    assert sorted(name for name, _ in won) == names
    assert {name: direct.read(name) for name in names} == {name: f"from {number}\n" for name, number in won}

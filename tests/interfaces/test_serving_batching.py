import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from penstock.interfaces.rest.request_batching import RequestBatcher


class Doubling:
    """Doubles each item; calls block until `go_on` is set."""

    def __init__(self):
        self.calls = []
        self.go_on = threading.Event()

    def __call__(self, items):
        self.calls.append(list(items))
        assert self.go_on.wait(20)
        if "bad" in items:
            raise ValueError("bad among them")
        return [item * 2 for item in items]


def waiting_behind_the_first(batcher, doubling, requests):
    """The futures of `requests`, all of which arrived during the call for [0]."""
    with ThreadPoolExecutor(len(requests) + 1) as threads:
        first = threads.submit(batcher, [0])
        while not doubling.calls:
            time.sleep(0.01)
        others = [threads.submit(batcher, request) for request in requests]
        while len(batcher._queue) < len(requests):
            time.sleep(0.01)
        doubling.go_on.set()
    assert first.result() == [0]
    return others


def test_requests_during_a_call_are_combined_into_the_next():
    doubling = Doubling()
    batcher = RequestBatcher(evaluate=doubling, most=100)
    others = waiting_behind_the_first(batcher, doubling, [[1, 2], [3], [4, 5, 6]])
    assert [other.result() for other in others] == [[2, 4], [6], [8, 10, 12]]
    assert len(doubling.calls) == 2
    assert sorted(doubling.calls[1]) == [1, 2, 3, 4, 5, 6]


def test_no_more_items_are_combined_than_allowed():
    doubling = Doubling()
    batcher = RequestBatcher(evaluate=doubling, most=2)
    others = waiting_behind_the_first(batcher, doubling, [[1], [2], [3], [4, 5, 6]])
    assert sorted(other.result() for other in others) == [[2], [4], [6], [8, 10, 12]]
    assert all(len(call) <= 2 or sorted(call) == [4, 5, 6] for call in doubling.calls)


def test_an_error_reaches_only_its_own_request():
    doubling = Doubling()
    batcher = RequestBatcher(evaluate=doubling, most=100)
    others = waiting_behind_the_first(batcher, doubling, [["a"], ["bad"], ["c"]])
    assert others[0].result() == ["aa"]
    assert others[2].result() == ["cc"]
    with pytest.raises(ValueError, match="bad among them"):
        others[1].result()

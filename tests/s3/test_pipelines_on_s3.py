"""Whole pipelines on a real S3 server: nothing is lost or twice where processes are killed and the network fails.

That the tables are those of a local run, tests/processes/test_on_cluster.py shows, on S3 too.
"""

import pytest
from faults import shorts
from faults.bad_network import COMMIT
from faults.bench import Bench
from faults.feeds import FEEDS
from faults.shorts import Short
from s3_proxy import S3Proxy, careless, drop_answer, flaky, no_fault

from penstock.errors import EnvironmentCheckError
from penstock.operations.monitoring.status import read_status


def test_a_server_that_ignores_conditions_is_refused_before_anything_is_written(
    proxied_bench: Bench, proxy: S3Proxy
) -> None:
    [feed, *_] = FEEDS
    sandbox = feed.sandbox(proxied_bench, "careless")
    feed.deliver(sandbox, 0)
    proxy.fault = careless
    with pytest.raises(EnvironmentCheckError, match="ignores If-None-Match: it took two conditional PUTs of one key"):
        sandbox.run()
    proxy.fault = no_fault
    assert sandbox.storage.names(f"{sandbox.location}/tables") == []


@pytest.mark.parametrize("short", shorts.ON_S3, ids=str)
def test_nothing_is_lost_or_twice(bench: Bench, short: Short) -> None:
    short.holds(bench)


def test_lost_answers_and_a_bad_network_are_lived_with(proxied_bench: Bench, proxy: S3Proxy) -> None:
    [feed, *_] = FEEDS
    sandbox = feed.sandbox(proxied_bench, "network")
    for number, fault in enumerate((drop_answer(COMMIT, times=3), flaky(unavailable=0.2, reset=0.05))):
        feed.deliver(sandbox, number)
        proxy.fault = fault
        sandbox.run()
    assert len(proxy.requests) > 200
    assert feed.ledger(sandbox, range(2)).is_clean
    proxy.fault = no_fault
    status = read_status(sandbox.config())
    assert status.last_batch is not None
    assert (status.last_batch.batch_id, status.backlog_files, status.running) == (1, 0, None)

"""Between two micro-batches a new model version is made ready; whether it is used is still for the batch to judge."""

import logging
import time
from collections.abc import Callable

import pandas as pd
import pytest
from faults.bench import streaming, wait_for_commit
from sandbox import WINE, Sandbox, csv_file

from penstock import champion, preparation

ONE = pd.DataFrame([WINE])
ANSWER = pd.Series([1.5])


@pytest.fixture
def swapped(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A pipeline whose model has one version, and that looks for a new one all the time."""
    monkeypatch.setattr(preparation, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(preparation, "POLL_AFTER_ERROR_SECONDS", 0.1)
    name = f"wine-swapped-{time.time_ns()}"
    sandbox.registry.register(name, "linear", example=ONE, outputs=ANSWER)
    sandbox.changes = {"model": {"name": name}, "trigger": {"every": 0.5}}
    return sandbox


def wait_until(is_so: Callable[[], bool], check: Callable[[], None], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        check()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_new_version_is_ready_before_its_first_batch(
    swapped: Sandbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, logger="penstock.preparation")
    name = swapped.config().model.name
    swapped.drop("a.csv", csv_file(WINE))
    with streaming(swapped) as check:
        wait_for_commit(swapped, 0, check)
        swapped.registry.register(name, "linear", example=ONE, outputs=ANSWER)
        wait_until(lambda: f"models:/{name}/2 is ready" in caplog.text, check)

        def build_nothing(*arguments: object) -> None:
            raise AssertionError("built in the batch")

        monkeypatch.setattr(champion, "build_scorer", build_nothing)
        swapped.drop("b.csv", csv_file(WINE))
        wait_for_commit(swapped, 1, check)
    assert {(row.batch_id, row.model_version) for row in swapped.rows("predictions")} == {(0, "1"), (1, "2")}
    assert caplog.text.count("is ready") == 1


def test_a_version_that_can_not_be_made_ready_is_refused_by_the_batch(
    swapped: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="penstock.preparation")
    name = swapped.config().model.name
    swapped.drop("a.csv", csv_file(WINE))
    with streaming(swapped) as check:
        wait_for_commit(swapped, 0, check)
        swapped.registry.register(name, "linear", example=ONE, outputs=None)
        wait_until(lambda: "could not be made ready" in caplog.text, check)
        swapped.drop("b.csv", csv_file(WINE))
        wait_for_commit(swapped, 1, check)
    assert {row.model_version for row in swapped.rows("predictions")} == {"1"}
    [_, refusing] = sorted(swapped.rows("batches"), key=lambda row: row.batch_id)
    assert "no signature" in refusing.refused_versions["2"]

"""Between two micro-batches a new model version is made ready; whether it is used is still for the batch to judge."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd
import pytest
from faults.bench import streaming, wait_for_commit, wait_until
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


@contextmanager
def second_version(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, text: str, *, outputs: pd.Series | None
) -> Iterator[None]:
    """A stream of two batches, each of a file; between them comes a version, and `text` about it in the log. What is
    done inside comes before the second batch."""
    caplog.set_level(logging.DEBUG, logger="penstock.preparation")
    sandbox.drop("a.csv", csv_file(WINE))
    with streaming(sandbox) as check:
        wait_for_commit(sandbox, 0, check)
        sandbox.registry.register(sandbox.config().model.name, "linear", example=ONE, outputs=outputs)
        wait_until(lambda: text in caplog.text, text, check)
        yield
        sandbox.drop("b.csv", csv_file(WINE))
        wait_for_commit(sandbox, 1, check)


def build_nothing(*arguments: object) -> None:
    raise AssertionError("built in the batch")


def test_a_new_version_is_ready_before_its_first_batch(
    swapped: Sandbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"models:/{swapped.config().model.name}/2 is ready"
    with second_version(swapped, caplog, text, outputs=ANSWER):
        monkeypatch.setattr(champion, "build_scorer", build_nothing)
    assert {(row.batch_id, row.model_version) for row in swapped.rows("predictions")} == {(0, "1"), (1, "2")}
    assert caplog.text.count("is ready") == 1


def test_a_version_that_can_not_be_made_ready_is_refused_by_the_batch(
    swapped: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with second_version(swapped, caplog, "could not be made ready", outputs=None):
        pass
    assert {row.model_version for row in swapped.rows("predictions")} == {"1"}
    [_, refusing] = sorted(swapped.rows("batches"), key=lambda row: row.batch_id)
    assert "no signature" in refusing.refused_versions["2"]

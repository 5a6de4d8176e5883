"""Between two micro-batches a new model version is made ready; whether it is used is still for the batch to judge."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pandas as pd
import pytest
from faults.bench import streaming, wait_for_commit, wait_until
from sandbox import WINE, Sandbox, csv_file

from penstock.models import prefetch, scorers

ONE = pd.DataFrame([WINE])
ANSWER = pd.Series([1.5])


@pytest.fixture
def swapped(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A pipeline whose model has one version, and that looks for a new one all the time."""
    monkeypatch.setattr(prefetch, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(prefetch, "POLL_AFTER_ERROR_SECONDS", 0.1)
    name = f"wine-swapped-{time.time_ns()}"
    sandbox.changes = {"model": {"name": name}, "trigger": {"every": 0.5}}
    logged(sandbox, ANSWER)
    return sandbox


def logged(sandbox: Sandbox, outputs: pd.Series | None) -> str:
    return sandbox.registry.register(sandbox.config().model.name, "linear", example=ONE, outputs=outputs)


@contextmanager
def second_version(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, text: str, register: Callable[[], str]
) -> Iterator[None]:
    """A stream of two batches, each of a file; between them `register` is called, and `text` about the new version
    comes in the log. What is done inside comes before the second batch."""
    caplog.set_level(logging.DEBUG, logger="penstock.models.prefetch")
    sandbox.drop("a.csv", csv_file(WINE))
    with streaming(sandbox) as check:
        wait_for_commit(sandbox, 0, check)
        register()
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
    with second_version(swapped, caplog, text, lambda: logged(swapped, ANSWER)):
        monkeypatch.setattr(scorers, "build_scorer", build_nothing)
    assert {(row.batch_id, row.model_version) for row in swapped.rows("predictions")} == {(0, "1"), (1, "2")}
    assert caplog.text.count("is ready") == 1


def unsigned(sandbox: Sandbox) -> str:
    return logged(sandbox, None)


def unreadable(sandbox: Sandbox) -> str:
    return sandbox.registry.register_files(sandbox.config().model.name, {"MLmodel": "flavors: ["})


@pytest.mark.parametrize(("register", "said"), [(unsigned, "no signature"), (unreadable, "no MLmodel file")])
def test_a_version_that_can_not_be_made_ready_is_refused_by_the_batch(
    swapped: Sandbox, caplog: pytest.LogCaptureFixture, register: Callable[[Sandbox], str], said: str
) -> None:
    with second_version(swapped, caplog, "could not be made ready", lambda: register(swapped)):
        pass
    assert {row.model_version for row in swapped.rows("predictions")} == {"1"}
    [_, refusing] = sorted(swapped.rows("batches"), key=lambda row: row.batch_id)
    assert said in refusing.refused_versions["2"]

"""A version whose probe passes and that ends the runs of a batch: the version before takes the batch over."""

import errno
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from py4j.protocol import Py4JNetworkError
from sample_models.deadly import EXITS
from sandbox import WINE, WINE_SCORE, Sandbox, csv_file, wine
from snapshots import Snapshot

from penstock.errors import ModelRefusedError, StorageError
from penstock.pipeline import microbatch
from penstock.pipeline.attempts import attempts_path

ONE = pd.DataFrame([WINE])
NAME = "wine-deadly"
#: So many that the last row is in no Arrow batch (of 10,000) that the probe's 1,000 rows come in.
GOOD_ROWS = 30_000
#: By sample_models/linear.py: 10 * 13.1 + 3.51.
DEADLY_SCORE = 134.51


def register(sandbox: Sandbox, code: str) -> str:
    return sandbox.registry.register(NAME, code, example=ONE, outputs=pd.Series([1.5]))


@pytest.fixture(scope="module")
def first_batch(shared_sandbox: Sandbox) -> Snapshot:
    register(shared_sandbox, "linear")
    shared_sandbox.changes = {"model": {"name": NAME}}
    shared_sandbox.drop("a.csv", csv_file(WINE))
    shared_sandbox.run()
    return Snapshot.of(shared_sandbox)


@pytest.fixture
def begun(first_batch: Snapshot) -> Sandbox:
    """A pipeline that has scored a.csv by version 1 of the model."""
    return first_batch.restored()


def unexplained(sandbox: Sandbox) -> int:
    """How many runs of the last batch were not seen to end."""
    return int(json.loads(Path(attempts_path(sandbox.config().checkpoint)).read_text())["began"])


def test_after_two_failed_runs_the_version_before_scores_the_batch(begun: Sandbox) -> None:
    """In one start: the stream does not end."""
    deadly = register(begun, "deadly")
    begun.changes["source"] = {"max_files_per_trigger": 1}
    begun.drop("b.csv", csv_file(*[WINE] * GOOD_ROWS, wine(alcohol=EXITS)), age_seconds=50)
    begun.drop("c.csv", csv_file(WINE), age_seconds=40)
    [second, third] = begun.run()
    assert (second.accepted, second.failed, second.plan.champion.version) == (GOOD_ROWS + 1, 0, "1")
    said = "2 runs of a batch failed in it: Python worker exited unexpectedly"
    assert second.plan.refused_versions[deadly].startswith(said)
    rows = begun.rows("predictions", file="b.csv")
    assert sorted(row.prediction for row in rows) == pytest.approx([WINE_SCORE] * GOOD_ROWS + [DEADLY_SCORE])
    assert {row.model_version for row in rows} == {"1"}
    # It is not tried again before a restart.
    assert (third.plan.champion.version, third.plan.refused_versions) == ("1", second.plan.refused_versions)


def test_without_a_version_before_the_job_ends_with_what_was_found(sandbox: Sandbox) -> None:
    sandbox.changes = {"model": {"name": sandbox.registry.wine_model("deadly")}}
    sandbox.drop("b.csv", csv_file(*[WINE] * GOOD_ROWS, wine(alcohol=EXITS)))
    said = r"wine-deadly/\d+ failed in 2 runs of batch 0, and no other version was used before it: Python worker exited"
    with pytest.raises(ModelRefusedError, match=said):
        sandbox.run()
    assert sandbox.count("predictions") == 0


def raising(error: Exception) -> Callable[[object], None]:
    def run(batch: object) -> None:
        raise error

    return run


def test_runs_that_end_without_a_message_count_and_those_of_a_known_cause_do_not(
    begun: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = register(begun, "linear")
    begun.drop("b.csv", csv_file(WINE))

    def fail(error: Exception) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(microbatch, "run_planned", raising(error))
            with pytest.raises(type(error)):
                begun.run()

    fail(Py4JNetworkError("the JVM is gone"))
    for _ in range(3):
        fail(StorageError(errno.EIO, "can't be read", "a disk"))
        assert unexplained(begun) == 1
    fail(Py4JNetworkError("the JVM is gone"))
    assert unexplained(begun) == 2
    [record] = begun.run()
    assert (record.plan.champion.version, list(record.plan.refused_versions)) == ("1", [second])
    assert "ended without a message" in record.plan.refused_versions[second]
    # That may have been chance: the next batch probes it.
    begun.drop("c.csv", csv_file(WINE))
    [record] = begun.run()
    assert (record.plan.champion.version, record.plan.refused_versions) == (second, {})

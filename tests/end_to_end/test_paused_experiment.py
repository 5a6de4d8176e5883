"""What says nothing about a candidate ends no experiment: a disk, a registry, a champion, decisions that are away."""

import errno

import pytest
from candidates import ALONE, batch_row, begin, plan_of, raising, register, scored, versions
from pyspark.errors import PythonException
from sandbox import WINE, Sandbox, csv_file
from snapshots import Snapshot

from penstock.errors import (
    CandidateRefusedError,
    CandidateUnavailableError,
    ModelRefusedError,
    RegistryUnavailableError,
    StorageError,
)
from penstock.models.candidate import AWAY
from penstock.models.selection import ModelSelector
from penstock.pipeline import candidate_fallback, microbatch, model_choice

LOST = CandidateUnavailableError("its store is away")


@pytest.fixture(scope="module")
def first_batch(shared_sandbox: Sandbox) -> Snapshot:
    begin(shared_sandbox, "wine-paused")
    return Snapshot.of(shared_sandbox)


@pytest.fixture
def begun(first_batch: Snapshot) -> Sandbox:
    return first_batch.restored()


def test_an_experiment_goes_on_after_whatever_passes(begun: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = [*ALONE, ("candidate", register(begun, "linear"))]
    first = scored(begun).plan.experiment
    # Its files can't be had while the next batch is planned, nor is there a row to probe it with in the one after.
    with monkeypatch.context() as patch:
        patch.setattr(ModelSelector, "pair_scorer", raising(LOST))
        record = scored(begun)
    assert (versions(record), record.plan.refused_candidates) == (ALONE, {pair[1][1]: f"{AWAY}{LOST}"})
    assert record.plan.paused_experiment is not None
    assert record.plan.paused_experiment.experiment == first
    record = scored(begun)
    assert (versions(record), record.plan.experiment, record.plan.paused_experiment) == (pair, first, None)
    # In one process: away when the first of three batches is run, and asked by the second one again.
    usable, calls = candidate_fallback.why_unusable, []

    def away_once(*arguments: object) -> str | None:
        calls.append(arguments)
        return f"{AWAY}{LOST}" if len(calls) == 1 else usable(*arguments)

    begun.changes["source"] = {"max_files_per_trigger": 1}
    for number in range(3):
        begun.drop(f"next{number}.csv", csv_file(WINE), age_seconds=50 - number)
    with monkeypatch.context() as patch:
        patch.setattr(candidate_fallback, "why_unusable", away_once)
        records = begun.run()
    assert [versions(record) for record in records] == [ALONE, pair, pair]
    assert [record.plan.experiment for record in records] == [None, first, first]
    # Neither decisions nor the last batches can be read.
    with monkeypatch.context() as patch:
        for name in ("newest_moves", "read_pair_counts"):
            patch.setattr(model_choice, name, lambda *_, **__: raising(StorageError(errno.EIO, "away", "a disk"))())
        assert scored(begun).plan.experiment == first
    # Another checkpoint takes it from the one before.
    del begun.changes["source"]
    begun.changes["checkpoint"] = f"{begun.location}/resumed"
    begun.drop("resumed.csv", csv_file(WINE))
    [record] = begun.run(resume=True)
    assert (record.plan.batch_id, versions(record), record.plan.experiment) == (0, pair, first)


def test_a_planned_pair_stays_planned_through_the_trouble_of_others(
    begun: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, a champion that can't be had, and a candidate that can't after its answers are committed."""
    pair = [*ALONE, ("candidate", register(begun, "fussy"))]
    scored(begun)
    begun.drop("next.csv", csv_file(*[WINE] * 3))
    full = PythonException("OSError: [Errno 28] No space left on device")
    away = RegistryUnavailableError("of the champion")
    marker = StorageError(errno.EIO, "can't be read", "a disk")
    for target, name, error in (
        (microbatch, "run_planned", full),
        (ModelSelector, "pair_scorer", away),
        (microbatch, "commit_marker", marker),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(target, name, raising(error))
            with pytest.raises(type(error)):
                begun.run()
        assert plan_of(begun, 2).candidate is not None, name
    with monkeypatch.context() as patch:
        patch.setattr(ModelSelector, "pair_scorer", raising(CandidateRefusedError("its files are gone")))
        [record] = begun.run()
    assert (versions(record), record.plan.refused_candidates) == (pair, {})
    row = batch_row(begun, 2)
    assert (row["versions"], row["accepted"], row["shadow_rows"]) == (dict(pair), 3, 3)
    assert {row.shadow_version for row in begun.rows("predictions", file="next.csv")} == {pair[1][1]}


def test_a_candidate_that_was_not_the_reason_is_acquitted_on_disk(
    begun: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = [*ALONE, ("candidate", register(begun, "linear"))]
    begun.drop("1.csv", csv_file(WINE))
    with monkeypatch.context() as patch:
        patch.setattr(microbatch, "run_planned", raising(PythonException("RuntimeError: whatever scores it")))
        with pytest.raises(ModelRefusedError, match="no other version was used before it"):
            begun.run()
    plan = plan_of(begun, 1)
    assert (plan.candidate, plan.refused_candidates) == (None, {})
    begun.run()
    record = scored(begun)
    assert versions(record) == pair
    assert record.plan.experiment is not None
    assert record.plan.experiment.began_at == plan.planned_at

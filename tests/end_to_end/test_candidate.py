"""A second version in the plans of a stream: set, removed and set again between batches, refused, and taken out."""

import errno

import pandas as pd
import pytest
from candidates import ALONE, batch_row, begin, plan_of, raising, register, scored, versions
from py4j.protocol import Py4JNetworkError
from sample_models.deadly import EXITS
from sandbox import WINE, WINE_SCORE, Sandbox, csv_file, wine
from snapshots import Snapshot

from penstock.config.loading import load_contract
from penstock.errors import StorageError
from penstock.models import candidate as candidates
from penstock.models.assignment import salt_of
from penstock.models.candidate import CandidateSelector
from penstock.models.prefetch import Preparation
from penstock.models.registry import Registry
from penstock.models.resolved import ModelAtStart
from penstock.operations.doctor.checks import check_candidate
from penstock.operations.monitoring.status import read_status
from penstock.operations.monitoring.status_text import as_text
from penstock.pipeline import microbatch
from penstock.pipeline.opening import selector_of
from penstock.pipeline.shadow_counts import ShadowCount
from penstock.pipeline.stream import progress_line
from penstock.schemas.wine import MEASUREMENTS

NAME = "wine-candidate"
#: So many that the last row is in no Arrow batch (of 10,000) that the probe's 1,000 rows come in.
MANY = 30_000


def point(sandbox: Sandbox, version: str) -> None:
    sandbox.registry.client.set_registered_model_alias(NAME, "candidate", version)


def remove(sandbox: Sandbox) -> None:
    sandbox.registry.client.delete_registered_model_alias(NAME, "candidate")


@pytest.fixture(scope="module")
def first_batch(shared_sandbox: Sandbox) -> Snapshot:
    begin(shared_sandbox, NAME)
    return Snapshot.of(shared_sandbox)


@pytest.fixture
def begun(first_batch: Snapshot) -> Sandbox:
    """A pipeline whose champion, version 1, has scored 0.csv alone."""
    return first_batch.restored()


def found_by_doctor(sandbox: Sandbox) -> str:
    return check_candidate(sandbox.config(), ModelAtStart.of(sandbox.config()))


def test_a_candidate_from_its_alias_to_a_guardrail_and_back(begun: Sandbox) -> None:
    """10 of 200 rows are those on which the candidate fails, and the champion does not."""
    assert (
        found_by_doctor(begun) == f"no version is {NAME}@candidate: the champion answers alone until the alias is set"
    )
    second = register(begun, "fussy")
    assert found_by_doctor(begun).startswith(f"{NAME}@candidate is version {second}, SHA-256 ")
    pair = [*ALONE, ("candidate", second)]
    rows = [*[WINE] * 190, *[wine(alcohol=15)] * 10]
    record = scored(begun, *rows)
    experiment = record.plan.experiment
    assert versions(record) == pair
    assert experiment is not None
    assert record.plan.candidate is not None
    assert (experiment.mode, experiment.fraction, experiment.key) == ("shadow", 1.0, ())
    assert (experiment.salt, experiment.is_bake) == (salt_of(record.plan.candidate), False)
    assert experiment.began_at == record.plan.planned_at
    assert f"200 scored by version 1 beside {second} (shadow, 100%), 10 failed in the candidate" in progress_line(
        record, 1
    )
    row = batch_row(begun, 1)
    assert row["versions"] == {"champion": "1", "candidate": second}
    assert row["experiment"] == {**experiment.as_texts, "champion_failed": "0"}
    assert (row["accepted"], row["failed"], row["shadow_rows"], row["shadow_failed"]) == (200, 0, 200, 10)
    assert set(row["model_seconds"]) == {"champion", "candidate"}
    assert str(row["code_version"]).startswith("0.")
    assert {row.shadow_version for row in begun.rows("predictions", file="1.csv")} == {second}
    status = read_status(begun.config())
    assert status.candidate is not None
    assert (status.candidate.version, status.candidate.began_at) == (second, experiment.began_at)
    text = as_text(status)
    assert f"experiment  shadow, version {second} beside champion 1 since " in text
    assert "; beside it" not in text
    # The first batch knew no candidate; the code that wrote it is known.
    before = batch_row(begun, 0)
    assert [before[name] for name in ("experiment", "shadow_rows", "shadow_failed")] == [None] * 3

    # 5% of 200 rows are over 1%, and the same in any later process.
    for _ in range(2):
        record = scored(begun)
        assert versions(record) == ALONE
        assert record.plan.refused_candidates == {
            second: "guardrail: it failed on 5.0% of 200 rows, the champion on 0.0% of them "
            "(experiment.guardrails.failed is 0.01)"
        }
    status = read_status(begun.config())
    assert (status.candidate, status.refused_candidates) == (None, record.plan.refused_candidates)
    assert f"; candidate {second} refused: guardrail: it failed on 5.0%" in as_text(status)
    remove(begun)
    record = scored(begun)
    assert (versions(record), record.plan.refused_candidates) == (ALONE, {})
    # Set again by a person, who knows what the guardrail said: it begins again.
    point(begun, second)
    record = scored(begun)
    assert versions(record) == pair
    assert record.plan.experiment is not None
    assert record.plan.experiment.began_at == record.plan.planned_at
    # The next one carries that on.
    following = scored(begun)
    assert following.plan.experiment == record.plan.experiment
    assert following.plan.planned_at > record.plan.planned_at
    # A replay has the pair of the stream's next batch.
    begun.drop("bad.csv", csv_file(WINE, header=MEASUREMENTS[1:]))
    begun.run()
    begun.drop("bad.csv", csv_file(WINE))
    [replayed] = begun.replay()
    assert (versions(replayed), replayed.plan.experiment) == (pair, following.plan.experiment)
    assert replayed.shadow == ShadowCount(rows=1, failed=0)
    # The version of both aliases is the champion alone.
    point(begun, "1")
    assert found_by_doctor(begun) == f"{NAME}@candidate is version 1, which is the champion's: it answers alone"
    record = scored(begun)
    assert (versions(record), record.plan.experiment) == (ALONE, None)


def test_candidates_that_are_refused_cost_no_batch_anything(begun: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "MIN_SLOW_SECONDS", 2.5)
    # The champion takes under a second, on a busy machine two.
    begun.changes["experiment"] = {"guardrails": {"slowdown": 1.0}}
    for code, outputs, said in (
        ("unloadable", None, "it can't be loaded: OSError: there are no weights here"),
        ("broken", None, "nothing works here"),
        ("several", pd.DataFrame({"score": [1.5], "is_strong": [True], "label": ["strong"]}), "it gives struct<"),
        ("slow", None, "times the champion's (experiment.guardrails.slowdown is 1)"),
    ):
        version = register(begun, code, outputs=outputs)
        record = scored(begun)
        assert versions(record) == ALONE, code
        assert said in record.plan.refused_candidates[version]
    unreadable = begun.registry.register_files(NAME, {"MLmodel": "flavors: ["})
    begun.registry.client.set_registered_model_alias(NAME, "champion", "1")
    point(begun, unreadable)
    record = scored(begun)
    assert (versions(record), list(record.plan.refused_candidates)) == (ALONE, [unreadable])
    assert [row.prediction for row in begun.rows("predictions")] == pytest.approx([WINE_SCORE] * 6)
    assert {row.shadow_version for row in begun.rows("predictions") if hasattr(row, "shadow_version")} == {None}


def test_a_candidate_is_judged_by_the_first_batch_with_rows_and_refused_once(
    begun: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    begun.changes["source"] = {"max_files_per_trigger": 1}
    bad = register(begun, "broken")
    for number, content in enumerate((csv_file(), csv_file(WINE), csv_file(WINE))):
        begun.drop(f"next{number}.csv", content, age_seconds=50 - number)
    records = begun.run()
    assert [versions(record) for record in records] == [ALONE] * 3
    assert [list(record.plan.refused_candidates) for record in records] == [[], [bad], [bad]]
    assert caplog.text.count(f"candidate models:/{NAME}/{bad} is refused") == 1


def test_a_planned_batch_has_its_candidate_though_the_config_has_none_any_more(
    begun: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = register(begun, "fussy")
    begun.drop("1.csv", csv_file(WINE))
    with monkeypatch.context() as patch:
        patch.setattr(microbatch, "run_planned", raising(StorageError(errno.EIO, "can't be read", "a disk")))
        with pytest.raises(StorageError):
            begun.run()
    planned = plan_of(begun, 1)
    del begun.changes["experiment"]
    [record] = begun.run()
    assert record.plan == planned
    assert [(row.shadow_version, row.shadow_prediction) for row in begun.rows("predictions", file="1.csv")] == [
        (second, 9.4)
    ]
    assert versions(scored(begun)) == ALONE


def test_runs_that_end_without_a_message_are_first_the_candidates_fault(
    begun: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = register(begun, "linear")
    begun.drop("1.csv", csv_file(WINE))
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(microbatch, "run_planned", raising(Py4JNetworkError("the JVM is gone")))
            with pytest.raises(Py4JNetworkError):
                begun.run()
    assert plan_of(begun, 1).candidate is not None
    [record] = begun.run()
    assert (versions(record), record.plan.refused_versions) == (ALONE, {})
    reason = record.plan.refused_candidates[second]
    assert reason.startswith("it ended runs of a batch: 2 runs of a batch with it ended without a message")


def test_both_versions_are_made_ready_between_two_batches(begun: Sandbox) -> None:
    second = register(begun, "fussy")
    config = begun.config()
    registry = Registry.of(config)
    selector = selector_of(begun.spark, config, load_contract(config), registry)
    assert config.experiment is not None
    Preparation(
        champion=selector, candidates=CandidateSelector(models=selector, experiment=config.experiment)
    ).prepare()
    first, other = (registry.version(NAME, number) for number in ("1", second))
    assert (selector.has_scorer(first), selector.has_scorer(other), selector.has_pair(first, other)) == (True,) * 3


def test_a_candidate_that_ends_its_worker_is_taken_out_and_all_rows_are_answered(begun: Sandbox) -> None:
    deadly = register(begun, "deadly")
    record = scored(begun, *[WINE] * MANY, wine(alcohol=EXITS))
    assert (record.accepted, record.failed, versions(record)) == (MANY + 1, 0, ALONE)
    said = "it ended runs of a batch: 2 failed with it: Python worker exited unexpectedly"
    assert record.plan.refused_candidates[deadly].startswith(said)
    rows = begun.rows("predictions", file="1.csv")
    assert (len(rows), {row.model_version for row in rows}) == (MANY + 1, {"1"})
    # Not even another process tries it again.
    record = scored(begun)
    assert (versions(record), list(record.plan.refused_candidates)) == (ALONE, [deadly])

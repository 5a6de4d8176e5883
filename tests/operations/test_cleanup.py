import json
import os
import time
from datetime import UTC, datetime, timedelta

import pytest

from penstock.config.pipeline import PipelineConfig
from penstock.models.pinned import PinnedModel
from penstock.operations.maintenance.cleanup import (
    remove_dead_files,
    stuck_plan,
    stuck_replay,
    stuck_rescore,
    trim_evaluations,
    trim_plans,
)
from penstock.pipeline.evaluation.record import evaluation_folder
from penstock.pipeline.plan import LateReplay, Plan, QuarantineReplay, plan_path, planned_batches
from penstock.pipeline.replay.plans import done_path, replay_path
from penstock.pipeline.rescore.plans import RescorePlan, RescoreRequest, rescore_done_path, rescore_path
from penstock.storage.files import LocalStorage

STORAGE = LocalStorage()
QUERY = "the-query"


@pytest.fixture
def config(tmp_path):
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "metadata").write_text(json.dumps({"id": QUERY}))
    return PipelineConfig.model_validate(
        {
            "pipeline": "wine",
            "workload": "rows",
            "source": {"path": str(tmp_path / "inbox")},
            "contract": "schemas.wine:CONTRACT",
            "model": {"name": "m"},
            "tables": {"root": str(tmp_path / "tables")},
            "checkpoint": str(checkpoint),
            "mlflow": {"tracking_uri": "http://host"},
            "maintenance": {"keep_plans": 2},
        }
    )


def plan(config, batch_id, *, age=timedelta(0), replay=None):
    moment = datetime.now(UTC) - age
    made = Plan(
        replay=replay,
        query_id=QUERY,
        batch_id=batch_id,
        planned_at=moment,
        resolved_at=moment,
        contract_hash="",
        config_hash="",
        files=(),
        models=(PinnedModel(name="m", version="1", role="champion", source="s", created_milliseconds=1),),
        lags_version=3,
    )
    path = replay_path(config, batch_id) if replay else plan_path(config.checkpoint, batch_id)
    STORAGE.create(path, made.model_dump_json().encode())


@pytest.mark.parametrize(
    ("done", "kept"),
    [
        ({QUERY: 11}, [10, 11]),
        ({QUERY: 9}, [8, 9, 10, 11]),
        ({QUERY: 1}, list(range(12))),
        ({QUERY: -1}, list(range(12))),
        ({}, list(range(12))),
        ({"another-query": 11}, list(range(12))),
    ],
)
def test_the_newest_plans_and_the_unfinished_stay(config, done, kept):
    for batch_id in range(12):
        plan(config, batch_id)
    assert trim_plans(STORAGE, config, done) == 12 - len(kept)
    assert planned_batches(STORAGE, config.checkpoint) == kept


def test_the_newest_evaluations_and_the_unfinished_stay(config):
    """Of the first one a run that was cut off has removed the record."""
    folder = evaluation_folder(config.tables.root)
    for number in range(6):
        STORAGE.create(f"{folder}/{number}.json", b"{}")
        if 0 < number < 5:
            STORAGE.create(f"{folder}/{number}.done", b"{}")
    assert trim_evaluations(STORAGE, config) == 3
    assert sorted(STORAGE.names(folder)) == ["3.done", "3.json", "4.done", "4.json", "5.json"]
    assert trim_evaluations(STORAGE, config) == 0


def test_a_checkpoint_that_has_not_begun_has_no_plans(tmp_path, config):
    (tmp_path / "checkpoint" / "metadata").unlink()
    assert trim_plans(STORAGE, config, {QUERY: 5}) == 0


@pytest.mark.parametrize(("age_hours", "done", "is_stuck"), [(25, 3, True), (23, 3, False), (25, 4, False)])
def test_a_batch_that_was_cut_off_long_ago_holds_lags(config, age_hours, done, is_stuck):
    plan(config, 4, age=timedelta(hours=age_hours))
    found = stuck_plan(STORAGE, config, {QUERY: done})
    assert found.startswith("batch 4 was planned on ") if is_stuck else found is None


def test_a_plan_that_can_not_be_read_holds_lags(config):
    STORAGE.create(plan_path(config.checkpoint, 4), b"{}")
    assert "is not a plan that this version can read" in stuck_plan(STORAGE, config, {QUERY: 3})


@pytest.mark.parametrize(
    ("folder", "name", "age_days", "goes"),
    [
        ("tables", "._deleted_before.json." + "0" * 32, 2, True),
        ("tables/_lease", ".0000000007.json." + "f" * 32, 2, True),
        ("tables/_maintenance_lease", ".0000000007.json." + "f" * 32, 2, True),
        ("checkpoint/plan", ".7.json." + "f" * 32, 2, True),
        ("checkpoint", ".stop." + "f" * 32, 2, True),
        ("checkpoint/plan", ".7.json." + "f" * 32, 0.5, False),
        ("tables/_lease", "0000000007.json", 2, False),
        ("tables", "_deleted_before.json", 2, False),
        ("checkpoint/plan", "7.json", 2, False),
        ("checkpoint", "metadata", 2, False),
        ("checkpoint", ".metadata.crc", 2, False),
    ],
)
def test_only_what_dead_processes_left_aside_is_removed(tmp_path, config, folder, name, age_days, goes):
    file = tmp_path / folder / name
    file.parent.mkdir(exist_ok=True, parents=True)
    file.touch()
    then = time.time() - age_days * 86400
    os.utime(file, (then, then))
    assert remove_dead_files(STORAGE, config) == goes
    assert file.exists() != goes


@pytest.mark.parametrize(
    ("replay", "pinned"),
    [
        (LateReplay(observations_version=4), {"observations"}),
        (QuarantineReplay(quarantine_version=4), {"quarantine", "lags"}),
    ],
)
def test_tables_that_an_old_unfinished_replay_reads_are_left_alone(config, replay, pinned):
    tables = ("quarantine", "predictions", "forecasts", "observations", "lags", "batches")
    plan(config, 0, age=timedelta(hours=1), replay=replay)
    assert not any(stuck_replay(STORAGE, config, table) for table in tables)
    plan(config, 1, age=timedelta(days=2), replay=replay)
    assert {table for table in tables if stuck_replay(STORAGE, config, table)} == pinned
    STORAGE.create(done_path(config, 1), b"")
    assert not any(stuck_replay(STORAGE, config, table) for table in tables)


@pytest.mark.parametrize("age_hours", [23, 25])
def test_tables_that_an_old_unfinished_rescore_reads_are_left_alone(config, age_hours):
    moment = datetime.now(UTC) - timedelta(hours=age_hours)
    made = RescorePlan(
        number=0,
        planned_at=moment,
        request=RescoreRequest(begin=moment, end=moment, version="1", purpose="shadow"),
        model=PinnedModel(name="m", version="1", role="shadow", source="s", created_milliseconds=1),
        sha256="",
        contract_hash="",
        config_hash="",
        source_version=3,
        answers_version=3,
        finished={},
        last_replay=-1,
        chunks=(),
    )
    STORAGE.create(rescore_path(config, 0), made.model_dump_json().encode())
    tables = ("quarantine", "predictions", "batches", "rescored_predictions")
    held = {"predictions", "rescored_predictions"} if age_hours > 24 else set()
    assert {table for table in tables if stuck_rescore(STORAGE, config, table)} == held
    STORAGE.create(rescore_done_path(config, 0), b"")
    assert not any(stuck_rescore(STORAGE, config, table) for table in tables)

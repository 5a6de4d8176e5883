import logging
import os
import time

import pytest
from batch_records import batch_record
from spark_checkpoint import Checkpoint

from penstock.config.pipeline import MAX_FILE_AGE_SECONDS, PipelineConfig
from penstock.operations.monitoring.backlog import Backlog
from penstock.pipeline.batch_record import FileCount
from penstock.storage.files import LocalStorage

QUERY = "3e2f0c1a-0000-0000-0000-000000000000"


@pytest.fixture
def inbox(tmp_path):
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def checkpoint(tmp_path):
    made = Checkpoint(tmp_path / "checkpoint")
    made.write("metadata", [f'{{"id":"{QUERY}"}}'])
    return made


@pytest.fixture
def shown():
    return []


@pytest.fixture
def backlog(tmp_path, inbox, shown):
    config = PipelineConfig.model_validate(
        {
            "pipeline": "wine",
            "workload": "rows",
            "source": {"path": str(inbox)},
            "contract": "schemas.wine:CONTRACT",
            "model": {"name": "wine-quality"},
            "tables": {"root": str(tmp_path / "tables")},
            "checkpoint": str(tmp_path / "checkpoint"),
            "mlflow": {"tracking_uri": "sqlite:////out/mlflow.db"},
        }
    )
    return Backlog(config=config, storage=LocalStorage(), done={}, every_seconds=0.02, show=shown.append)


def drop(inbox, *names):
    for name in names:
        (inbox / name).parent.mkdir(exist_ok=True)
        (inbox / name).write_text("x")


def logged(inbox, checkpoint, batch_id, *names):
    """Spark has taken these files into a micro-batch."""
    checkpoint.log(batch_id, *[(f"file://{inbox}/{name}", 1, batch_id) for name in names])
    checkpoint.offset(batch_id, batch_id)


def test_a_new_pipelines_files_all_wait(backlog, inbox, shown):
    drop(inbox, "a.csv", "b.csv", "sub/c.csv", ".hidden.csv", "_temporary.csv")
    backlog.look()
    assert shown == [3]


def test_files_of_finished_batches_do_not_wait_and_those_of_a_begun_one_do(backlog, inbox, checkpoint, shown):
    drop(inbox, "a.csv", "b.csv", "c.csv", "d.csv")
    logged(inbox, checkpoint, 0, "a.csv", "b.csv")
    checkpoint.write("commits/0", ["v1", "{}"])
    logged(inbox, checkpoint, 1, "c.csv")
    backlog.look()
    assert shown == [2]


def test_a_file_that_the_stream_forgot_and_listed_again_waits_until_its_new_batch_is_finished(
    backlog, inbox, checkpoint, shown
):
    drop(inbox, "a.csv", "b.csv")
    logged(inbox, checkpoint, 0, "a.csv", "b.csv")
    checkpoint.write("commits/0", ["v1", "{}"])
    logged(inbox, checkpoint, 1, "a.csv")
    backlog.look()
    backlog.on_record(batch_record({f"{inbox}/a.csv": FileCount(accepted=1)}))
    assert shown == [1, 0]


def test_a_batch_with_its_marker_is_finished_before_spark_says_so(backlog, inbox, checkpoint, shown):
    drop(inbox, "a.csv", "b.csv")
    logged(inbox, checkpoint, 0, "a.csv")
    backlog.done = {QUERY: 0, "another query": 7}
    backlog.look()
    assert shown == [1]


def test_a_finished_batch_is_taken_off_at_once(backlog, inbox, shown):
    drop(inbox, "a.csv", "b.csv", "c.csv")
    backlog.look()
    counts = {f"{inbox}/a.csv": FileCount(accepted=1)}
    backlog.on_record(batch_record(counts, refused_files=(f"{inbox}/b.csv",)))
    assert shown == [3, 1]
    drop(inbox, "d.csv")
    backlog.look()
    assert shown == [3, 1, 2]


def test_a_batch_that_finishes_before_the_first_look_is_known_to_it(backlog, inbox, shown):
    drop(inbox, "a.csv", "b.csv")
    backlog.on_record(batch_record({f"{inbox}/a.csv": FileCount(accepted=1)}))
    assert shown == []
    backlog.look()
    assert shown == [1]


def wait_until(condition):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_it_looks_again_and_again_and_an_inbox_that_is_away_has_no_number(backlog, inbox, shown, caplog):
    caplog.set_level(logging.WARNING, logger="penstock.operations.monitoring.backlog")
    drop(inbox, "a.csv")
    with backlog:
        wait_until(lambda: shown[-1:] == [1])
        (inbox / "a.csv").unlink()
        inbox.rmdir()
        wait_until(lambda: shown[-1] is None)
        drop(inbox.parent, "inbox/b.csv", "inbox/c.csv")
        wait_until(lambda: shown[-1] == 2)
    assert "is not a folder" in caplog.text
    looks = len(shown)
    time.sleep(0.1)
    assert len(shown) == looks


def test_files_that_are_too_old_for_the_stream_are_counted_apart(backlog, inbox, checkpoint, shown):
    """With source.max_file_age; the newest file seen is of the year 2100."""
    overlooked = []
    week = backlog.config.source.model_copy(update={"max_file_age": 7 * 86400.0})
    backlog.config = backlog.config.model_copy(update={"source": week})
    backlog.show_overlooked = overlooked.append
    drop(inbox, "now.csv", "future.csv", "also-future.csv")
    checkpoint.offset(0, 0)
    checkpoint.log(0, (f"file://{inbox}/future.csv", 4_102_444_800_000, 0))
    checkpoint.write("commits/0", ["v1", "{}"])
    os.utime(inbox / "also-future.csv", (4_102_444_000, 4_102_444_000))
    backlog.look()
    assert (shown, overlooked) == ([2], [1])
    backlog.config = backlog.config.model_copy(
        update={"source": week.model_copy(update={"max_file_age": MAX_FILE_AGE_SECONDS})}
    )
    backlog.look()
    assert overlooked == [1, 0]

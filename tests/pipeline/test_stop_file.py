import time
from dataclasses import replace

import pytest

from penstock.config.pipeline import PipelineConfig
from penstock.pipeline.lease import Holder, file_path, lease_path
from penstock.pipeline.stop_file import StopFile, running_writer
from penstock.storage.files import LocalStorage

STORAGE = LocalStorage()


@pytest.fixture
def config(tmp_path):
    return PipelineConfig.model_validate(
        {
            "pipeline": "wine",
            "workload": "rows",
            "source": {"path": str(tmp_path / "inbox")},
            "contract": "schemas.wine:CONTRACT",
            "model": {"name": "m"},
            "tables": {"root": str(tmp_path / "tables")},
            "checkpoint": str(tmp_path / "checkpoint"),
            "mlflow": {"tracking_uri": "http://host"},
        }
    )


ME = Holder.this_process("score_stream")


def test_the_stop_file_is_there_from_write_to_clear(config):
    stop = StopFile.of(config, STORAGE)
    assert not stop.is_there()
    stop.write(ME)
    assert stop.is_there()
    assert STORAGE.names(config.checkpoint) == ["stop"]
    stop.clear(token="of a later run")
    assert not stop.is_there()


def test_to_ask_twice_and_to_clear_twice_is_no_error(config):
    stop = StopFile.of(config, STORAGE)
    stop.write(ME)
    stop.write(ME)
    stop.clear(token="another")
    stop.clear(token="another")
    assert not stop.is_there()


def test_a_stop_that_is_asked_for_before_the_first_batch_counts(config):
    """The run has its lease, and clears what was asked of an earlier one; that file may be there still."""
    stop = StopFile.of(config, STORAGE)
    stop.write(replace(ME, token="of an earlier run"))
    stop.write(ME)
    stop.clear(token=ME.token)
    assert stop.is_there()


def test_a_stop_file_of_an_earlier_version_is_of_an_earlier_run(config):
    stop = StopFile.of(config, STORAGE)
    STORAGE.create(stop.path, b"stop\n")
    stop.clear(token=ME.token)
    assert not stop.is_there()


def test_without_a_lease_nobody_writes(config):
    assert running_writer(config, STORAGE) is None


@pytest.mark.parametrize(("age", "writes"), [(1, True), (3600, False)])
def test_a_writer_is_running_while_its_lease_lives(config, age, writes):
    holder = replace(Holder.this_process("score_stream"), host="elsewhere", renewed=time.time() - age)
    STORAGE.create(file_path(lease_path(config.tables.root), 1), holder.to_json())
    assert running_writer(config, STORAGE) == (holder if writes else None)

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


def test_the_stop_file_is_there_from_write_to_clear(config):
    stop = StopFile.of(config, STORAGE)
    assert not stop.is_there()
    stop.write()
    assert stop.is_there()
    assert STORAGE.names(config.checkpoint) == ["stop"]
    stop.clear()
    assert not stop.is_there()


def test_to_ask_twice_and_to_clear_twice_is_no_error(config):
    stop = StopFile.of(config, STORAGE)
    stop.write()
    stop.write()
    stop.clear()
    stop.clear()
    assert not stop.is_there()


def test_without_a_lease_nobody_writes(config):
    assert running_writer(config, STORAGE) is None


@pytest.mark.parametrize(("age", "writes"), [(1, True), (3600, False)])
def test_a_writer_is_running_while_its_lease_lives(config, age, writes):
    holder = replace(Holder.this_process("score_stream"), host="elsewhere", renewed=time.time() - age)
    STORAGE.create(file_path(lease_path(config.tables.root), 1), holder.to_json())
    assert running_writer(config, STORAGE) == (holder if writes else None)

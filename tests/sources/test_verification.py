"""What is damage of a file, and what is trouble with its storage."""

import os
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sandbox import with_damaged_pages

from penstock.config.pipeline import S3Config, SourceConfig
from penstock.errors import PlanError, StorageError
from penstock.pipeline import microbatch
from penstock.pipeline.batch import MicroBatch
from penstock.pipeline.microbatch import UnreadableInputError, without_unreadable_files
from penstock.pipeline.plan import Plan, plan_path, read_plan
from penstock.schemas.contract import Contract, Field
from penstock.sources.admission import admit_files
from penstock.sources.checkpoint import Arrival
from penstock.sources.verification import without_damage
from penstock.storage.files import LocalStorage

CONTRACT = Contract(fields=(Field(name="x", type="double"),))


class Flaky(LocalStorage):
    """Reading beyond the footer fails, once a test says so, as a disk or a mount does."""

    error = None

    def open(self, path):
        if isinstance(self.error, FileNotFoundError):
            raise self.error
        file = super().open(path)
        return file if self.error is None else FailingFile(file, self.error)


class FailingFile:
    """Reads once, which is the footer's."""

    def __init__(self, file, error):
        self.file, self.error, self.reads = file, error, 0

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def read(self, *arguments):
        self.reads += 1
        if self.reads > 1:
            raise self.error
        return self.file.read(*arguments)


@pytest.fixture
def storage():
    return Flaky()


@pytest.fixture
def files(tmp_path, storage):
    """Three planned files; the pages of the second are damaged."""
    for name in ("a", "damaged", "z"):
        pq.write_table(pa.table({"x": [number / 7 for number in range(20_000)]}), tmp_path / f"{name}.parquet")
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(with_damaged_pages(damaged.read_bytes()))
    paths = sorted(str(path) for path in tmp_path.glob("*.parquet"))
    return admit_files(
        [Arrival(path=path, modified_milliseconds=0) for path in paths],
        storage=storage,
        source=SourceConfig(path=str(tmp_path), settle=0),
        contract=CONTRACT,
    )


def verified(files, storage):
    return without_damage(files, storage=storage, contract=CONTRACT)


def test_damaged_pages_cost_their_file_alone(files, storage):
    assert [file.verdict for file in files] == ["accepted"] * 3
    found = verified(files, storage)
    assert [file.verdict for file in found] == ["accepted", "refused", "accepted"]
    assert found[1].reasons[0].startswith("file: its footer is whole, its pages are damaged: ")
    assert verified([files[0], files[2]], storage) is None


@pytest.mark.parametrize("number", [5, 13, 23, 116])
def test_what_the_storage_raises_is_no_damage(files, storage, number):
    storage.error = OSError(number, os.strerror(number))
    with pytest.raises(StorageError, match=f"^{files[0].path}: can't be read: {os.strerror(number)}; "):
        verified(files, storage)


def test_want_of_memory_is_no_damage(files, storage):
    storage.error = pa.ArrowMemoryError("malloc of size 9000000 failed")
    with pytest.raises(MemoryError, match="malloc"):
        verified(files, storage)


def test_trouble_that_has_its_type_goes_on_as_it_is(files, storage):
    storage.error = StorageError(5, "S3 was not reached", "s3a://bucket/key")
    with pytest.raises(StorageError) as raised:
        verified(files, storage)
    assert raised.value is storage.error


@pytest.fixture
def pipeline(tmp_path, storage):
    config = SimpleNamespace(
        checkpoint=str(tmp_path / "checkpoint"),
        pipeline="p",
        workload="rows",
        s3=S3Config(),
        source=SourceConfig(path=str(tmp_path), settle=0),
        table_path=lambda name: str(tmp_path / "tables" / name),
    )
    return SimpleNamespace(storage=storage, contract=CONTRACT, config=config, spark=None)


def batch_of(pipeline, files):
    path = plan_path(pipeline.config.checkpoint, 4)
    return MicroBatch(pipeline=pipeline, plan=plan_of(files), plan_path=path)


def plan_of(files):
    return Plan.model_construct(query_id="q", batch_id=4, files=tuple(files), replay=None)


def failure():
    return UnreadableInputError(RuntimeError("Spark could not read"))


def test_a_planned_file_that_vanished_fails_the_batch_and_leaves_its_plan(files, pipeline):
    Path(files[2].path).unlink()
    with pytest.raises(PlanError, match=r"z\.parquet was planned and is gone before its rows were committed; put it"):
        without_unreadable_files(batch_of(pipeline, files), failure())
    assert read_plan(pipeline.storage, plan_path(pipeline.config.checkpoint, 4)) is None


def test_a_storage_in_trouble_leaves_the_plan(files, pipeline, storage):
    storage.error = OSError(5, os.strerror(5))
    with pytest.raises(StorageError):
        without_unreadable_files(batch_of(pipeline, files), failure())
    assert read_plan(storage, plan_path(pipeline.config.checkpoint, 4)) is None


def test_a_file_that_vanishes_before_its_batch_has_a_plan_is_refused(files, storage):
    Path(files[2].path).unlink()
    found = verified([files[0], files[2]], storage)
    assert [file.verdict for file in found] == ["accepted", "refused"]
    assert found[1].reasons == ("file: vanished between listing and reading",)


def test_a_batch_that_fails_again_without_its_damaged_files_ends_with_the_cause(monkeypatch, pipeline, files, spark):
    """Spark's own error is reported in one line, without its wrappers."""
    pipeline.spark = spark
    cause = RuntimeError("Spark could not read")

    def fail(*_):
        raise UnreadableInputError(cause)

    monkeypatch.setattr(microbatch, "run_steps", fail)
    monkeypatch.setattr(microbatch, "replace_plan", lambda *_: None)
    with pytest.raises(RuntimeError) as raised:
        microbatch.run_planned(batch_of(pipeline, files))
    assert raised.value is cause

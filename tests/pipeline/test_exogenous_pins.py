"""What a plan pins of exogenous values: without Spark, the values are only read."""

import errno
import hashlib
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from shop_config import shop_config

from penstock.config.pipeline import PipelineConfig
from penstock.errors import PlanError, StorageError
from penstock.models.pinned import PinnedModel
from penstock.operations.maintenance.cleanup import remove_unused_values
from penstock.pipeline import exogenous_pins
from penstock.pipeline.exogenous_pins import ExogenousPins
from penstock.pipeline.plan import Plan, plan_path
from penstock.series.exogenous_values import ExogenousSource
from penstock.storage.files import LocalStorage

STORAGE = LocalStorage()
FIRST, SECOND = "ds,price\n2024-05-01,1\n", "ds,price\n2024-05-01,2\n"


@pytest.fixture(autouse=True)
def values_as_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exogenous_pins, "leads_of", lambda _spark, values, _series: values)


def config_at(folder: Path, *, name: str = "values.csv", exogenous: bool = True) -> PipelineConfig:
    return shop_config(folder, {"path": str(folder / name), "columns": ["price"]} if exogenous else None)


def pins_of(config: PipelineConfig) -> ExogenousPins:
    """Those of a new process."""
    return ExogenousPins(spark=None, config=config, storage=STORAGE)  # type: ignore[arg-type]


def prices(pins: ExogenousPins, source: ExogenousSource | None) -> list[float]:
    found: Any = pins.leads(source)
    return list(found["price"].to_pylist())


def plan_with(config: PipelineConfig, batch_id: int, source: ExogenousSource | None) -> Plan:
    now = datetime.now(UTC)
    plan = Plan(
        query_id="q",
        batch_id=batch_id,
        planned_at=now,
        resolved_at=now,
        contract_hash="",
        config_hash="",
        files=(),
        models=(PinnedModel(name="m", version="1", role="champion", source="s", created_milliseconds=1),),
        exogenous=source,
    )
    STORAGE.create(plan_path(config.checkpoint, batch_id), plan.model_dump_json().encode())
    return plan


def write(folder: Path, text: str, *, age_seconds: float = 0) -> None:
    path = folder / "values.csv"
    path.write_text(text)
    then = time.time() - age_seconds
    os.utime(path, (then, then))


def test_a_file_is_pinned_as_a_copy_that_stays(tmp_path: Path) -> None:
    pins = pins_of(config_at(tmp_path))
    write(tmp_path, FIRST, age_seconds=60)
    first = pins.pin()
    digest = hashlib.sha256(FIRST.encode()).hexdigest()
    assert first == ExogenousSource(path=str(tmp_path / "tables" / "_exogenous" / f"{digest}.csv"))
    write(tmp_path, SECOND)
    second = pins.pin()
    assert second is not None
    assert second != first
    assert (prices(pins, first), prices(pins, second)) == ([1.0], [2.0])
    write(tmp_path, FIRST, age_seconds=30)
    assert pins.pin() == first


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pins = pins_of(config_at(tmp_path))
    write(tmp_path, FIRST)
    first = pins.pin()
    monkeypatch.setattr(LocalStorage, "read", lambda *_: pytest.fail("it was read"))
    assert pins.pin() == first
    assert prices(pins, first) == [1.0]


def test_a_delta_table_is_pinned_by_its_version(tmp_path: Path) -> None:
    config = config_at(tmp_path, name="values")
    for price in (1.0, 2.0):
        days = pa.array([datetime(2024, 5, 1, tzinfo=UTC)], pa.timestamp("us", tz="UTC"))
        write_deltalake(tmp_path / "values", pa.table({"ds": days, "price": [price]}), mode="overwrite")
    pins = pins_of(config)
    assert pins.pin() == ExogenousSource(path=str(tmp_path / "values"), version=1)
    assert prices(pins, ExogenousSource(path=str(tmp_path / "values"), version=0)) == [1.0]
    assert not (tmp_path / "tables").exists()


@pytest.mark.parametrize("trouble", [None, "ds,price\n2024-05-01,cheap\n", "ds\n2024-05-01\n"])
def test_values_that_can_not_be_read_leave_those_of_the_last_plan(
    tmp_path: Path, trouble: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_at(tmp_path)
    assert pins_of(config).pin() is None
    assert "no forecast is made until they can" in caplog.text
    write(tmp_path, FIRST)
    first = pins_of(config).pin()
    plan_with(config, 0, first)
    (tmp_path / "values.csv").unlink() if trouble is None else write(tmp_path, trouble)
    pins = pins_of(config)
    assert pins.pin() == first
    assert "those of the last batch are used" in caplog.text
    assert prices(pins, first) == [1.0]


def test_planned_values_that_are_gone_are_an_error_of_the_plan(tmp_path: Path) -> None:
    config = config_at(tmp_path)
    write(tmp_path, FIRST)
    plan = plan_with(config, 3, pins_of(config).pin())
    assert not pins_of(config).are_lost(plan)
    assert plan.exogenous is not None
    Path(plan.exogenous.path).unlink()
    pins = pins_of(config)
    assert pins.are_lost(plan)
    with pytest.raises(PlanError, match=r"batch 3: was planned with exogenous values that are gone: .*no such file"):
        pins.planned_leads(plan)


def test_a_version_of_a_table_that_was_vacuumed_is_gone(tmp_path: Path) -> None:
    config = config_at(tmp_path, name="values")
    days = pa.array([datetime(2024, 5, 1, tzinfo=UTC)], pa.timestamp("us", tz="UTC"))
    for price in (1.0, 2.0):
        write_deltalake(tmp_path / "values", pa.table({"ds": days, "price": [price]}), mode="overwrite")
    plan = plan_with(config, 3, ExogenousSource(path=str(tmp_path / "values"), version=0))
    assert not pins_of(config).are_lost(plan)
    DeltaTable(tmp_path / "values").vacuum(0, dry_run=False, enforce_retention_duration=False)
    assert pins_of(config).are_lost(plan)
    with pytest.raises(PlanError, match="values, version 0: can't be read"):
        pins_of(config).planned_leads(plan)


def test_a_store_that_does_not_answer_is_no_reason_for_no_forecasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless there are earlier values."""
    config = config_at(tmp_path)
    write(tmp_path, FIRST)
    pins = pins_of(config)

    def away(*_: object) -> bytes:
        raise TimeoutError(errno.ETIMEDOUT, "timed out")

    with monkeypatch.context() as patch:
        patch.setattr(LocalStorage, "read", away)
        with pytest.raises(StorageError, match=r"timed out; check the disk or mount"):
            pins.pin()
    first = pins.pin()
    write(tmp_path, SECOND)
    with monkeypatch.context() as patch:
        patch.setattr(LocalStorage, "read", away)
        assert pins.pin() == first
    assert pins.pin() != first


def test_a_bad_file_is_named_as_its_user_knows_it_and_is_not_copied(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, "ds,price\n2024-05-01,cheap\n")
    assert pins_of(config_at(tmp_path)).pin() is None
    assert f"{tmp_path / 'values.csv'}: price has 'cheap'" in caplog.text
    assert not (tmp_path / "tables").exists()


def test_without_exogenous_variables_nothing_is_pinned(tmp_path: Path) -> None:
    config = config_at(tmp_path, exogenous=False)
    plan = plan_with(config, 0, None)
    assert pins_of(config).pin() is None
    assert not pins_of(config).are_lost(plan)
    assert pins_of(config).planned_leads(plan) is None


def test_a_plan_of_an_earlier_version_has_no_exogenous_values(tmp_path: Path) -> None:
    before = plan_with(config_at(tmp_path), 0, None).model_dump(mode="json")
    del before["exogenous"]
    assert Plan.model_validate(before).exogenous is None


def test_maintenance_removes_old_copies_that_no_plan_names(tmp_path: Path) -> None:
    config = config_at(tmp_path)
    folder = tmp_path / "tables" / "_exogenous"
    folder.mkdir(parents=True)
    days = {"named": 30, "unused": 30, "young": 6, "newest": 5}
    for name, age in days.items():
        (folder / f"{name}.csv").touch()
        then = time.time() - age * 86400
        os.utime(folder / f"{name}.csv", (then, then))
    plan_with(config, 0, ExogenousSource(path=str(folder / "named.csv")))
    plan_with(config, 1, None)
    assert remove_unused_values(STORAGE, config) == 1
    assert {file.stem for file in folder.iterdir()} == {"named", "young", "newest"}
    for name in days:
        if (folder / f"{name}.csv").exists():
            os.utime(folder / f"{name}.csv", (0, days["newest"] - days[name]))
    assert remove_unused_values(STORAGE, config) == 1
    assert {file.stem for file in folder.iterdir()} == {"named", "newest"}
    STORAGE.create(plan_path(config.checkpoint, 2), b"{}")
    (folder / "unused.csv").touch()
    os.utime(folder / "unused.csv", (0, -100_000))
    assert remove_unused_values(STORAGE, config) == 0

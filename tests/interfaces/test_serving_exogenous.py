"""Which exogenous values the REST service reads, and when."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from shop_config import shop_config

from penstock.interfaces.rest import exogenous
from penstock.interfaces.rest.exogenous import NewestLeads


def newest_at(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[NewestLeads, list[int]]:
    """Prices in place of what is joined to windows, and a list that grows with each reading."""
    read: list[int] = []

    def prices(_spark: Any, values: Any, _series: Any) -> list[float]:
        read.append(1)
        return list(values["price"].to_pylist())

    monkeypatch.setattr(exogenous, "leads_of", prices)
    config = shop_config(folder, {"path": str(folder / name), "columns": ["price"]})
    return NewestLeads(spark=None, config=config), read  # type: ignore[arg-type]


def test_a_file_is_read_again_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    newest, read = newest_at(tmp_path, "values.csv", monkeypatch)
    assert newest.get() is None
    path = tmp_path / "values.csv"
    path.write_text("ds,price\n2024-05-01,1\n")
    assert [newest.get(), newest.get()] == [[1.0], [1.0]]
    assert len(read) == 1
    path.write_text("ds,price\n2024-05-01,2\n")
    then = time.time() - 60
    os.utime(path, (then, then))
    assert [newest.get(), newest.get()] == [[2.0], [2.0]]
    assert len(read) == 2
    caplog.clear()
    path.unlink()
    assert newest.get() == [2.0]
    assert "those read before are used: " in caplog.text


def test_a_table_is_read_again_at_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newest, read = newest_at(tmp_path, "values", monkeypatch)
    for price in (1.0, 2.0):
        days = pa.array([datetime(2024, 5, 1, tzinfo=UTC)], pa.timestamp("us", tz="UTC"))
        write_deltalake(tmp_path / "values", pa.table({"ds": days, "price": [price]}), mode="overwrite")
        assert [newest.get(), newest.get()] == [[price], [price]]
    assert len(read) == 2

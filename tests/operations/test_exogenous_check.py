"""What the doctor says of exogenous values, with dates counted by hand."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from shop_config import shop_config

from penstock.config.pipeline import PipelineConfig
from penstock.operations.doctor.exogenous_check import examine_exogenous

#: Months of 2024 with a price, by series.
MONTHS = {"a": (1, 2, 3, 4, 5, 6), "b": (1, 2, 3, 4, 5)}


def config_at(folder: Path, **exogenous: Any) -> PipelineConfig:
    settings = {"path": str(folder / "values.csv"), "columns": ["price"], **exogenous}
    return shop_config(folder, settings, horizon=3)


def write_values(folder: Path) -> None:
    lines = [f"{one},2024-{month:02}-01,{month}" for one, months in MONTHS.items() for month in months]
    text = "\n".join(["shop,ds,price", *lines, "b,2024-06-01,", "b,2024-07-01,NA"])
    (folder / "values.csv").write_text(f"{text}\n")


def write_lags(folder: Path, *months: int) -> None:
    for month in months:
        days = pa.array([datetime(2024, month, 1, tzinfo=UTC)], pa.timestamp("us", tz="UTC"))
        write_deltalake(folder / "tables" / "lags", pa.table({"ds": days}), mode="append")


def line(config: PipelineConfig) -> str:
    [finding] = examine_exogenous(config)
    return str(finding)


def test_values_of_series_and_how_far_they_reach(tmp_path: Path) -> None:
    write_values(tmp_path)
    config = config_at(tmp_path, id="shop")
    start = f"exogenous: {tmp_path}/values.csv: 11 rows of 2 series with all columns, 2024-01-01 to 2024-06-01"
    assert line(config) == f"ok   {start}"
    write_lags(tmp_path, 1, 2)
    assert line(config) == f"ok   {start}, and the newest forecast needs 2024-05-01"
    write_lags(tmp_path, 3)
    assert line(config) == f"ok   {start}, and the newest forecast needs 2024-06-01; those of 1 series end before it"
    write_lags(tmp_path, 4)
    assert line(config) == (
        f"FAIL {start}, and a forecast from the newest observation (2024-04-01) needs them up to 2024-07-01; add "
        "those, or its reason will be missing_exogenous"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ds,cost\n2024-01-01,1\n", "has no column price, only ds, cost; name its columns in series.exogenous"),
        ("ds,price\n2024-01-01,\n", "has no row with all of price; add some"),
        (None, "there is no such file; put it there, or name another in series.exogenous.path"),
    ],
)
def test_what_can_not_be_used_is_a_failure(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "values.csv").write_text(text)
    assert line(config_at(tmp_path)) == f"FAIL exogenous: {tmp_path}/values.csv: {message}"


def test_a_pipeline_without_any_has_no_line(tmp_path: Path) -> None:
    config = config_at(tmp_path)
    series = config.the_series.model_copy(update={"exogenous": None})
    assert not list(examine_exogenous(config.model_copy(update={"series": series})))
    assert not list(examine_exogenous(config.model_copy(update={"series": None})))

"""The reader of exogenous values, on files and Delta tables written by pyarrow, pandas and deltalake."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from sandbox import with_damaged_pages
from shop_config import shop_config

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ExogenousError
from penstock.series.exogenous_values import ExogenousSource, newest_source, read_exogenous

HEADER = "ds,price,is_holiday\n"


def config_of(path: Path, **exogenous: object) -> PipelineConfig:
    settings = {"path": str(path), "columns": ["price", "is_holiday"], **exogenous}
    return shop_config(path.parent, settings)


def from_csv(folder: Path, text: str, **exogenous: object) -> pa.Table:
    path = folder / "values.csv"
    path.write_text(text)
    return read_exogenous(config_of(path, **exogenous))


def rows_of(table: pa.Table) -> list[dict[str, object]]:
    return sorted(table.to_pylist(), key=lambda row: (str(row.get("series_id")), row["ds"]))


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def test_a_csv_file_has_its_columns_by_name_and_empty_ones_are_null(tmp_path: Path) -> None:
    found = from_csv(tmp_path, "comment,is_holiday,ds,price\nx,1,2024-05-01,9.5\ny,0,2024-06-01,\nz,NaN,2024-07-01,7\n")
    assert found.schema == pa.schema(
        {"ds": pa.timestamp("us", tz="UTC"), "price": pa.float64(), "is_holiday": pa.float64()}
    )
    assert rows_of(found) == [
        {"ds": utc(2024, 5, 1), "price": 9.5, "is_holiday": 1.0},
        {"ds": utc(2024, 6, 1), "price": None, "is_holiday": 0.0},
        {"ds": utc(2024, 7, 1), "price": 7.0, "is_holiday": None},
    ]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2024-05-01", utc(2024, 5, 1)),
        ("2024-05-01 12:30:00", utc(2024, 5, 1, 12, 30)),
        ("2024-05-01T12:30", utc(2024, 5, 1, 12, 30)),
        ("2024-05-01T12:30:00Z", utc(2024, 5, 1, 12, 30)),
        ("2024-05-01 12:30:00+02:00", utc(2024, 5, 1, 10, 30)),
        ("2024-05-01T12:30:00.250-0500", utc(2024, 5, 1, 17, 30, 0, 250_000)),
        ("2024-05-01 12:30:00+02", utc(2024, 5, 1, 10, 30)),
        ("2024-05-01T12Z", utc(2024, 5, 1, 12)),
        ("2024-05-01T12:30:00.123456789", utc(2024, 5, 1, 12, 30, 0, 123_456)),
    ],
)
def test_times_without_a_zone_are_utc(tmp_path: Path, text: str, meant: datetime) -> None:
    assert from_csv(tmp_path, f"{HEADER}{text},1,0\n")["ds"].to_pylist() == [meant]


def test_ids_are_texts_also_where_they_are_integers(tmp_path: Path) -> None:
    path = tmp_path / "values.parquet"
    frame = pd.DataFrame({"shop": [7, 12], "ds": pd.to_datetime(["2024-05-01"] * 2), "price": [1, 2]})
    frame["is_holiday"] = [True, False]
    frame.to_parquet(path)
    found = read_exogenous(config_of(path, id="shop"))
    assert rows_of(found) == [
        {"series_id": "12", "ds": utc(2024, 5, 1), "price": 2.0, "is_holiday": 0.0},
        {"series_id": "7", "ds": utc(2024, 5, 1), "price": 1.0, "is_holiday": 1.0},
    ]


def test_an_id_may_be_what_is_else_a_missing_number_and_a_number_may_be_true(tmp_path: Path) -> None:
    """NA is Namibia."""
    found = from_csv(tmp_path, f"shop,{HEADER}NA,2024-05-01,NA,True\nnull,2024-05-01,2,false\n", id="shop")
    assert rows_of(found) == [
        {"series_id": "NA", "ds": utc(2024, 5, 1), "price": None, "is_holiday": 1.0},
        {"series_id": "null", "ds": utc(2024, 5, 1), "price": 2.0, "is_holiday": 0.0},
    ]


def test_ids_may_be_categories_of_pandas(tmp_path: Path) -> None:
    path = tmp_path / "values.parquet"
    frame = pd.DataFrame({"shop": ["a", "b"], "ds": pd.to_datetime(["2024-05-01"] * 2), "price": [1, 2]})
    frame.astype({"shop": "category"}).to_parquet(path)
    found = read_exogenous(config_of(path, id="shop", columns=["price"]))
    assert [(row["series_id"], row["price"]) for row in rows_of(found)] == [("a", 1.0), ("b", 2.0)]


def test_a_parquet_file_may_have_dates_decimals_and_texts(tmp_path: Path) -> None:
    path = tmp_path / "values.parquet"
    days = pa.array([datetime(2024, 5, 1, tzinfo=UTC).date()])
    price = pa.array(["9.25"]).cast(pa.decimal128(10, 2))
    pq.write_table(pa.table({"ds": days, "price": price, "is_holiday": [" 1 "]}), path)
    assert read_exogenous(config_of(path)).to_pylist() == [{"ds": utc(2024, 5, 1), "price": 9.25, "is_holiday": 1.0}]


def test_a_delta_table_is_read_as_of_a_version(tmp_path: Path) -> None:
    path = tmp_path / "prices"
    config = config_of(path, columns=["price"])
    for price in (1.0, 2.0):
        days = pa.array([datetime(2024, 5, 1, tzinfo=UTC)], pa.timestamp("us", tz="UTC"))
        write_deltalake(path, pa.table({"ds": days, "price": [price]}), mode="overwrite")
    assert newest_source(config) == ExogenousSource(path=str(path), version=1)
    assert read_exogenous(config)["price"].to_pylist() == [2.0]
    first = ExogenousSource(path=str(path), version=0)
    assert read_exogenous(config, first).to_pylist() == [{"ds": utc(2024, 5, 1), "price": 1.0}]


def test_a_partitioned_delta_table_keeps_its_ids(tmp_path: Path) -> None:
    path = tmp_path / "prices"
    days = pa.array([datetime(2024, 5, 1)] * 2, pa.timestamp("us"))
    write_deltalake(path, pa.table({"shop": ["a", "b"], "ds": days, "price": [1.0, 2.0]}), partition_by=["shop"])
    assert DeltaTable(path).metadata().partition_columns == ["shop"]
    found = read_exogenous(config_of(path, columns=["price"], id="shop"))
    assert [(row["series_id"], row["price"]) for row in rows_of(found)] == [("a", 1.0), ("b", 2.0)]


def test_equal_rows_count_once(tmp_path: Path) -> None:
    text = f"{HEADER}2024-05-01,1,\n2024-06-01,2,0\n2024-05-01T00:00:00Z,1.0,NA\n"
    assert rows_of(from_csv(tmp_path, text)) == [
        {"ds": utc(2024, 5, 1), "price": 1.0, "is_holiday": None},
        {"ds": utc(2024, 6, 1), "price": 2.0, "is_holiday": 0.0},
    ]


@pytest.mark.parametrize("other", ["3,0", "1,1", "1,"])
def test_two_values_for_a_series_and_ds_are_an_error(tmp_path: Path, other: str) -> None:
    text = f"shop,{HEADER}a,2024-06-01,1,0\nb,2024-05-01,1,0\na,2024-05-01,2,0\nb,2024-05-01,{other}\n"
    with pytest.raises(ExogenousError, match="different values for series b, 2024-05-01 00:00:00"):
        from_csv(tmp_path, text, id="shop")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{HEADER}2024-05-01,1,0\nMay 2024,1,0\n", "ds has 'May 2024', which is not a time"),
        (f"{HEADER}2024-05-01,1,0\n2024-06-01,cheap,0\n", "price has 'cheap', which is not a number"),
        (f"{HEADER}2024-05-01,inf,0\n", "price has an infinite value"),
        (f"{HEADER},1,0\n", "ds is empty in 1 rows"),
        ("ds,price\n2024-05-01,1\n", "has no column is_holiday, only ds, price"),
        ("ds,price,price,is_holiday\n2024-05-01,1,1,0\n", "has the column price more than once"),
        ("", "can't be read"),
        (f"{HEADER}2024-05-01,1\n", "can't be read"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ExogenousError, match=message):
        from_csv(tmp_path, text)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("ds,price,is_holiday,café\n2024-05-01,1,0,0\n".encode("latin-1"), "its header is not UTF-8"),
        (f"{HEADER}2024-05-01,1,é\n".encode("latin-1"), "can't be read: .*UTF8"),
    ],
)
def test_other_encodings_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "values.csv"
    path.write_bytes(content)
    with pytest.raises(ExogenousError, match=message):
        read_exogenous(config_of(path))


def test_damaged_files_and_folders_are_named(tmp_path: Path) -> None:
    path = tmp_path / "values.parquet"
    days = pa.array([datetime(2024, 5, 1)] * 5000, pa.timestamp("us"))
    pq.write_table(pa.table({"ds": days, "price": [n / 7 for n in range(5000)], "is_holiday": [1.0] * 5000}), path)
    path.write_bytes(with_damaged_pages(path.read_bytes()))
    with pytest.raises(ExogenousError, match=r"values\.parquet: can't be read: "):
        read_exogenous(config_of(path))
    path.unlink()
    path.mkdir()
    with pytest.raises(ExogenousError, match=r"is a folder; name one file in series\.exogenous\.path, or a"):
        read_exogenous(config_of(path))


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExogenousError, match="there is no such file"):
        read_exogenous(config_of(tmp_path / "values.csv"))
    with pytest.raises(ExogenousError, match="is no Delta table"):
        read_exogenous(config_of(tmp_path / "values"))
    write_deltalake(tmp_path / "values", pa.table({"ds": ["2024-05-01"]}))
    with pytest.raises(ExogenousError, match="version 7: can't be read"):
        read_exogenous(config_of(tmp_path / "values"), ExogenousSource(path=str(tmp_path / "values"), version=7))

import subprocess
import sys

import pytest
from pyspark.sql.types import DoubleType

from penstock.schemas import catalog, macro, tables, wine
from penstock.schemas.catalog import BY_NAME, table_names, time_column
from penstock.schemas.contract import RESERVED_NAMES, Contract, Field
from penstock.schemas.table_types import BATCH, Array, Column, Map, Struct, Table
from penstock.schemas.tables import TableSpec


def spec_of(name: str) -> TableSpec:
    specs = (
        tables.predictions(wine.CONTRACT, DoubleType()),
        tables.observations(macro.VARIABLES),
        tables.lags(macro.VARIABLES, keep_lags=8, frequency="QS"),
        tables.predictions(wine.CONTRACT, DoubleType(), table=catalog.RESCORED_PREDICTIONS),
        tables.labels(wine.CONTRACT, key=["order_id"]),
        tables.FORECASTS,
        tables.RESCORED_FORECASTS,
        tables.RESCORED_OBSERVATIONS,
        tables.EVALUATIONS,
        tables.DECISIONS,
        tables.QUARANTINE,
        tables.BATCHES,
    )
    return next(spec for spec in specs if spec.name == name)


@pytest.mark.parametrize("module", ["penstock.schemas.catalog", "penstock.schemas.types", "penstock.schemas.contract"])
def test_it_needs_no_spark(module: str) -> None:
    script = f"import sys, {module}; sys.exit(not {{'pyspark', 'mlflow', 'pandas'}}.isdisjoint(sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_marker_is_written_last_and_the_quarantine_first() -> None:
    assert table_names("rows") == ("quarantine", "predictions", "batches")
    assert table_names("series") == ("quarantine", "forecasts", "observations", "lags", "batches")


@pytest.mark.parametrize("table", BY_NAME.values(), ids=lambda table: table.name)
def test_a_table_lays_out_columns_that_it_has(table: Table) -> None:
    named = {*table.cluster_by, *table.statistics} | ({table.time_column} if table.time_column else set())
    assert named <= set(table.column_names)


@pytest.mark.parametrize("table", BY_NAME.values(), ids=lambda table: table.name)
def test_rows_may_go_by_age_or_it_is_said_why_not(table: Table) -> None:
    assert table.time_column or table.kept_whole


@pytest.mark.parametrize("table", BY_NAME.values(), ids=lambda table: table.name)
def test_spark_has_the_same_columns_in_that_order(table: Table) -> None:
    names = [column.name for column in spec_of(table.name).schema.fields]
    assert names[:2] == [column.name for column in BATCH]
    assert [name for name in names if name in table.column_names] == list(table.column_names)


def test_the_columns_of_a_contract_stand_where_the_catalog_has_them() -> None:
    names = [column.name for column in spec_of("predictions").schema.fields]
    fields = [field.name for field in wine.CONTRACT.fields]
    rest = ["prediction", "model_name", "model_version", "role", "error", "source_file", "scored_at"]
    rest += ["row_id", "rescore_id"]
    assert names == ["query_id", "batch_id", *fields, *rest]
    assert [column.name for column in spec_of("lags").schema.fields][-4:] == [*macro.VARIABLES, "sequence"]


def test_a_row_id_of_the_contract_stands_in_place_of_ours() -> None:
    contract = Contract(fields=(Field(name="row_id", type="string"), Field(name="x", type="double")))
    columns = {
        column.name: column.dataType.simpleString() for column in tables.predictions(contract, DoubleType()).schema
    }
    assert columns["row_id"] == "string"
    assert list(columns)[2:4] == ["row_id", "x"]


def test_nested_types() -> None:
    given = Array(Struct((Column("a", "long"), Column("b", Map("string", "double")))))
    assert tables.type_of(given).simpleString() == "array<struct<a:bigint,b:map<string,double>>>"


def test_lags_says_what_it_was_made_for_beside_what_the_catalog_says() -> None:
    assert spec_of("lags").properties == {
        "delta.enableDeletionVectors": "true",
        "penstock.keep_lags": "8",
        "penstock.frequency": "QS",
        "penstock.revisions": "first",
    }


def test_no_field_may_have_the_name_of_a_column_of_predictions() -> None:
    assert set(catalog.PREDICTIONS.column_names) <= RESERVED_NAMES | {"row_id"}
    assert {"prediction", "reasons"} <= RESERVED_NAMES


def test_a_table_without_a_time_says_so() -> None:
    assert time_column("observations") == "observed_at"
    with pytest.raises(ValueError, match="lags does not say when its rows were made"):
        time_column("lags")

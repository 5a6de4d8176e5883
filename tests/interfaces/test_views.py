from pathlib import Path

import pytest
from dashboard_tables import MACRO_CONF, WINE_CONF, WrittenTables

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError
from penstock.interfaces.sql.views import (
    VIEWS_FILE,
    EarlierColumns,
    catalog_statements,
    literal,
    names_read,
    possible_tables,
    require_own_schemas,
    views_of,
)
from penstock.schemas.catalog import table_names

ROWS = table_names("rows")
SERIES = table_names("series")


@pytest.fixture
def wine(tmp_path: Path) -> PipelineConfig:
    return WrittenTables(tmp_path, WINE_CONF).config


@pytest.fixture
def macro(tmp_path: Path) -> PipelineConfig:
    return WrittenTables(tmp_path, MACRO_CONF).config


def renamed(config: PipelineConfig, name: str) -> PipelineConfig:
    return config.model_copy(update={"pipeline": name})


def test_no_view_of_the_file_is_overlooked(wine: PipelineConfig, macro: PipelineConfig) -> None:
    names = {view.name for view in (*views_of(wine, possible_tables(wine)), *views_of(macro, possible_tables(macro)))}
    assert len(names) == VIEWS_FILE.read_text(encoding="utf-8").count("CREATE OR REPLACE VIEW") == 7


def test_a_view_is_there_as_soon_as_all_its_tables_are(macro: PipelineConfig) -> None:
    assert views_of(macro, ()) == ()
    assert [view.name for view in views_of(macro, ["forecasts"])] == ["latest_forecast"]
    several = views_of(macro, ["forecasts", "observations", "batches"])
    assert [view.name for view in several] == ["latest_forecast", "forecast_vs_actual", "batch_health"]
    assert several[1].tables == {"forecasts", "observations", "batches"}


def test_the_variables_are_those_of_the_pipeline(macro: PipelineConfig) -> None:
    series = macro.the_series.model_copy(update={"variables": ("pressure", "flow")})
    config = macro.model_copy(update={"series": series})
    [_, compared, _] = views_of(config, ["forecasts", "observations", "batches"])
    assert "UNPIVOT (actual FOR variable IN (`pressure`, `flow`))" in compared.select
    assert "SELECT series_id, ds, `pressure`, `flow`\n" in compared.select


def test_the_statements_name_the_tables_that_exist_and_their_views(wine: PipelineConfig) -> None:
    config = renamed(wine, "red-wine")
    schema, table, view = catalog_statements(config, ["predictions"])
    assert schema == "CREATE SCHEMA IF NOT EXISTS `red_wine`"
    assert table == (
        f"CREATE TABLE IF NOT EXISTS `red_wine`.`predictions` USING delta LOCATION '{config.table_path('predictions')}'"
    )
    assert view == (
        "CREATE OR REPLACE VIEW `red_wine`.`predictions_ok` "
        "COMMENT 'Which rows have a prediction, and what is it?' AS\n"
        "SELECT *\nFROM `red_wine`.`predictions`\nWHERE error IS NULL AND prediction IS NOT NULL"
    )


def test_in_a_schema_every_table_is_named_with_it(macro: PipelineConfig) -> None:
    views = catalog_statements(macro, SERIES)[len(SERIES) + 1 :]
    assert len(views) == 4
    for statement in views:
        for table in names_read(statement.partition(" AS\n")[2]) & set(SERIES):
            assert f"`macro`.`{table}`" in statement
            assert f"FROM {table}" not in statement


def test_columns_that_a_table_does_not_have_yet_are_nulls(macro: PipelineConfig) -> None:
    earlier = {"batches": EarlierColumns(columns=("query_id", "batch_id"), nulls={"fitted_until": "timestamp"})}
    [view] = [one for one in catalog_statements(macro, SERIES, earlier=earlier) if "`forecast_vs_actual`" in one]
    whole = "(SELECT `query_id`, `batch_id`, CAST(NULL AS timestamp) AS `fitted_until` FROM `macro`.`batches`)"
    assert f"SELECT query_id, batch_id, fitted_until FROM {whole})" in view


@pytest.mark.parametrize("other", ["red_wine", "red-wine"])
def test_two_pipelines_can_t_be_one_schema(wine: PipelineConfig, other: str) -> None:
    require_own_schemas([wine, renamed(wine, other)])
    with pytest.raises(ConfigError, match=f"'red-wine' and '{other}' would both be the schema 'red_wine'"):
        require_own_schemas([renamed(wine, "red-wine"), renamed(wine, other)])


def test_a_path_may_have_quotes_and_backslashes() -> None:
    assert literal("/a'b\\c") == "'/a\\'b\\\\c'"

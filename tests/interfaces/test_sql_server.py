from pathlib import Path

import pytest
from dashboard_tables import MACRO_CONF, WINE_CONF, WrittenTables

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError, ServerError
from penstock.interfaces.sql.server import serve, settings_for


def pipeline(folder: Path, template: str, **spark: str) -> PipelineConfig:
    return WrittenTables(folder, template).config.model_copy(update={"spark": spark})


def test_what_the_pipelines_tell_spark_comes_together(tmp_path: Path) -> None:
    wine = pipeline(tmp_path, WINE_CONF, **{"spark.driver.memory": "4g", "spark.ui.enabled": "true"})
    macro = pipeline(tmp_path, MACRO_CONF, **{"spark.driver.memory": "4g"})
    found = settings_for([wine, macro])
    assert (found["spark.driver.memory"], found["spark.ui.enabled"]) == ("4g", "true")
    assert found["spark.sql.thriftServer.incrementalCollect"] == "true"
    assert found["spark.sql.extensions"].split(",") == [
        "io.delta.sql.DeltaSparkSessionExtension",
        "io.penstock.thrift.ReadOnly",
    ]


def test_pipelines_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    wine = pipeline(tmp_path, WINE_CONF, **{"spark.driver.memory": "4g"})
    macro = pipeline(tmp_path, MACRO_CONF, **{"spark.driver.memory": "2g"})
    with pytest.raises(ConfigError, match=r"macro has another value for spark\.driver\.memory than one before it"):
        settings_for([wine, macro])


def test_without_users_nothing_is_served(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r"no file of users .*set_sql_password\.py"):
        serve([pipeline(tmp_path, WINE_CONF)], port=1, users=tmp_path / "users")

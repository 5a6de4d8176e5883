from batch_records import metrics_config

from penstock.config.pipeline import PipelineConfig
from penstock.spark.pipeline_settings import settings_of


def test_spark_is_told_of_metrics_only_where_they_are_asked_for():
    assert settings_of(metrics_config()) == {}
    settings = settings_of(metrics_config(port=9108))
    assert settings["spark.metrics.namespace"] == "wine"
    assert settings["spark.sql.streaming.metricsEnabled"] == "true"
    assert settings["spark.ui.prometheus.enabled"] == "true"


def test_the_pipelines_own_settings_have_the_last_word():
    asked = metrics_config(port=9108).model_dump() | {"spark": {"spark.metrics.namespace": "cellar"}}
    assert settings_of(PipelineConfig.model_validate(asked))["spark.metrics.namespace"] == "cellar"

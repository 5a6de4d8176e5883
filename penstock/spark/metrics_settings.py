"""Spark settings that expose Spark's own metrics to Prometheus in the driver's web UI."""

from penstock.config.pipeline import PipelineConfig

SERVLET = "org.apache.spark.metrics.sink.PrometheusServlet"
PATH = "/metrics/prometheus"
#: Heap and garbage collection of the driver, which Spark does not export by default.
JVM_SOURCE = "org.apache.spark.metrics.source.JvmSource"


def metrics_settings(config: PipelineConfig) -> dict[str, str]:
    """Empty if the config has no section `metrics`."""
    if config.metrics is None:
        return {}
    return {
        "spark.metrics.conf.driver.sink.prometheusServlet.class": SERVLET,
        "spark.metrics.conf.driver.sink.prometheusServlet.path": PATH,
        "spark.metrics.conf.driver.source.jvm.class": JVM_SOURCE,
        # The default is the application's id, which changes at each start and would break every time series.
        "spark.metrics.namespace": config.pipeline,
        "spark.sql.streaming.metricsEnabled": "true",
        # Memory and garbage collection of the executors, at /metrics/executors/prometheus.
        "spark.ui.prometheus.enabled": "true",
    }

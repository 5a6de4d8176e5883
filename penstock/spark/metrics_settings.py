"""What makes Spark show its own metrics to Prometheus, at the driver's web page."""

from penstock.config.pipeline import PipelineConfig

SERVLET = "org.apache.spark.metrics.sink.PrometheusServlet"
PATH = "/metrics/prometheus"
#: Heap and garbage collection of the driver, which Spark leaves out unless it is asked.
JVM_SOURCE = "org.apache.spark.metrics.source.JvmSource"


def metrics_settings(config: PipelineConfig) -> dict[str, str]:
    """Nothing where the config has no section `metrics`."""
    if config.metrics is None:
        return {}
    return {
        "spark.metrics.conf.driver.sink.prometheusServlet.class": SERVLET,
        "spark.metrics.conf.driver.sink.prometheusServlet.path": PATH,
        "spark.metrics.conf.driver.source.jvm.class": JVM_SOURCE,
        # The default is the application's id, which is another at each start: no series would go on.
        "spark.metrics.namespace": config.pipeline,
        "spark.sql.streaming.metricsEnabled": "true",
        # Memory and garbage collection of the executors, at /metrics/executors/prometheus.
        "spark.ui.prometheus.enabled": "true",
    }

"""Spark settings derived from a pipeline's config sections `s3` and `metrics`, and its section `spark`."""

from penstock.config.pipeline import PipelineConfig, S3Config
from penstock.spark.metrics_settings import metrics_settings


def settings_of(config: PipelineConfig) -> dict[str, str]:
    """Settings for S3 and for metrics if the pipeline uses them, overridden by its section `spark`."""
    return {**(s3_settings(config.s3) if config.uses_s3 else {}), **metrics_settings(config), **config.spark}


def s3_settings(s3: S3Config) -> dict[str, str]:
    """Settings of Hadoop's S3A client. Spark itself passes credentials of the driver's environment to the executors."""
    settings = {
        "spark.hadoop.fs.s3a.endpoint.region": s3.the_region,
        "spark.hadoop.fs.s3a.path.style.access": str(s3.is_path_style).lower(),
        # Directory markers are not used here, and each check for one is a request.
        "spark.hadoop.fs.s3a.performance.flags": "mkdir,delete",
        # Retry a request without a response soon: a stalled connection delays a batch by 20 s.
        "spark.hadoop.fs.s3a.connection.timeout": "20s",
        "spark.hadoop.fs.s3a.connection.establish.timeout": "5s",
    }
    if s3.the_endpoint:
        settings["spark.hadoop.fs.s3a.endpoint"] = s3.the_endpoint
        settings["spark.hadoop.fs.s3a.connection.ssl.enabled"] = str(s3.the_endpoint.startswith("https:")).lower()
    return settings

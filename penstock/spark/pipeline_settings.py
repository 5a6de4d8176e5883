"""What the config tells Spark: of S3, from its section `s3`, of metrics, and what its section `spark` says itself."""

from penstock.config.pipeline import PipelineConfig, S3Config
from penstock.spark.metrics_settings import metrics_settings


def settings_of(config: PipelineConfig) -> dict[str, str]:
    """A pipeline's own Spark settings, on top of those for S3 and for metrics if it uses them."""
    return {**(s3_settings(config.s3) if config.uses_s3 else {}), **metrics_settings(config), **config.spark}


def s3_settings(s3: S3Config) -> dict[str, str]:
    """Hadoop's S3A client. Spark itself passes the credentials of the driver's environment on to the executors."""
    settings = {
        "spark.hadoop.fs.s3a.endpoint.region": s3.the_region,
        "spark.hadoop.fs.s3a.path.style.access": str(s3.is_path_style).lower(),
        # Nothing here looks for folders, and each check for one is a request.
        "spark.hadoop.fs.s3a.performance.flags": "mkdir,delete",
        # An answer that does not come is asked for again soon: a stalled connection holds a batch up for 20 s.
        "spark.hadoop.fs.s3a.connection.timeout": "20s",
        "spark.hadoop.fs.s3a.connection.establish.timeout": "5s",
    }
    if s3.the_endpoint:
        settings["spark.hadoop.fs.s3a.endpoint"] = s3.the_endpoint
        settings["spark.hadoop.fs.s3a.connection.ssl.enabled"] = str(s3.the_endpoint.startswith("https:")).lower()
    return settings

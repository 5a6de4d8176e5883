"""Spark settings derived from a pipeline's config sections `s3` and `metrics`, and its section `spark`."""

import os
from itertools import islice
from pathlib import Path

from penstock.config.locations import is_on_s3
from penstock.config.pipeline import PipelineConfig, S3Config
from penstock.spark.jvm_options import Jit
from penstock.spark.metrics_settings import metrics_settings

#: An inbox with no more than this is read before C2 would have paid for itself.
SMALL_BYTES, SMALL_FILES = 16 * 2**20, 200


def settings_of(config: PipelineConfig) -> dict[str, str]:
    """Settings for S3 and for metrics if the pipeline uses them, overridden by its section `spark`."""
    return {**(s3_settings(config.s3) if config.uses_s3 else {}), **metrics_settings(config), **config.spark}


def jit_of(config: PipelineConfig, *, once: bool) -> Jit:
    """once: the job ends when all files that are there are done, as few as they may be."""
    return Jit.SHORT if once and has_small_inbox(config) else Jit.BATCHES


def has_small_inbox(config: PipelineConfig) -> bool:
    """Whether so little is in it that the job is short, whatever of it is new. A store is not listed for that."""
    if is_on_s3(config.source.path):
        return False
    paths = (Path(folder, name) for folder, _, names in os.walk(config.source.path) for name in names)
    some = list(islice(paths, SMALL_FILES + 1))
    try:
        return len(some) <= SMALL_FILES and sum(path.stat().st_size for path in some) <= SMALL_BYTES
    except OSError:
        return False  # a file that vanished


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

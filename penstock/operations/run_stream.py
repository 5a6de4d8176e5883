"""Runs a pipeline from its config to the last micro-batch: what jobs/score_stream.py and jobs/backfill.py do."""

import logging
from functools import partial

from penstock.config.loading import load_contract
from penstock.config.pipeline import PipelineConfig
from penstock.models.resolved import ModelAtStart
from penstock.models.warmup import begin_workers, preload_settings
from penstock.operations.doctor.checks import check_at_start
from penstock.operations.doctor.executors import check_executors
from penstock.operations.monitoring.metrics_server import served_metrics
from penstock.operations.monitoring.observer import watched
from penstock.pipeline.opening import opened
from penstock.pipeline.run_records import RunRecords
from penstock.pipeline.stop_file import StopFile
from penstock.pipeline.stream import StreamRunner
from penstock.sources.file_times import has_age_limit, warn_of_overlooked
from penstock.spark.pipeline_settings import jit_of, settings_of
from penstock.spark.session import build_session
from penstock.storage.routing import storage_of

log = logging.getLogger(__name__)


def run_pipeline(
    config: PipelineConfig, *, job: str, once: bool, resume: bool, inbox_moved: bool = False
) -> RunRecords:
    """Check, take the lease, run the stream. Returns the last finished batches, with `totals` over all of them.

    Raises PenstockError.
    """
    load_contract(config)
    with served_metrics(config) as metrics:
        model = ModelAtStart.if_any(config)
        check_at_start(config, model)
        log.info("%s %s: starting Spark", job, config.pipeline)
        spark = build_session(
            f"penstock-{config.pipeline}",
            settings=preload_settings(model) | settings_of(config),
            jit=jit_of(config, once=once),
        )
        if model is not None:
            begin_workers(spark)
        check = partial(check_executors, spark, config, model)
        with (
            opened(
                spark, config, model=model, job=job, before_tables=check, resume=resume, inbox_moved=inbox_moved
            ) as pipeline,
            watched(pipeline, metrics) as observer,
        ):
            # Each look at it holds up the answer to a signal for as long as the storage is asked again.
            stop_file = StopFile.of(config, storage_of(config))
            log.info("%s %s: watching %s", job, config.pipeline, config.source.path)
            if has_age_limit(config.source):
                warn_of_overlooked(pipeline.storage, config.source, config.checkpoint)
            runner = StreamRunner(
                pipeline=pipeline,
                stop_file=stop_file,
                on_record=observer.on_record,
                on_evaluation=observer.on_evaluation,
                on_look=observer.on_look,
            )
            return runner.run(once=once)

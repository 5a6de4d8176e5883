"""Runs jobs/rescore.py: finish an interrupted rescore, or plan one and carry it out, beside a running stream."""

import logging
from collections.abc import Callable

from penstock.config.loading import load_contract
from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError, ModelRefusedError, PlanError, RescoreError
from penstock.models.registry import ModelVersion, Registry
from penstock.models.trust import artifact_digest, trusted_model
from penstock.operations.doctor.checks import check_folder
from penstock.pipeline.context import Pipeline
from penstock.pipeline.evaluation.before_replacement import evaluate_before_replacement
from penstock.pipeline.rescore.abort import give_up, is_given_up
from penstock.pipeline.rescore.chunks import write_chunks
from penstock.pipeline.rescore.comparison import record_rescore
from penstock.pipeline.rescore.opening import opened_beside
from penstock.pipeline.rescore.planning import plan_rescore
from penstock.pipeline.rescore.plans import (
    RescorePlan,
    RescoreRecord,
    RescoreRequest,
    replaced_tables,
    rescore_done_path,
    source_table,
    unfinished_rescore,
)
from penstock.pipeline.rescore.swap import replace_answers
from penstock.spark.environment import check_jars, check_java, check_packages, check_python
from penstock.spark.pipeline_settings import settings_of
from penstock.spark.session import build_session
from penstock.spark.versions import is_readable
from penstock.storage.routing import storage_of

#: The rows of a chunk: what is lost of the work when a rescore is interrupted.
CHUNK_ROWS = 1_000_000
ANSWERING = ("rows", "series")
Report = Callable[[str], None]
log = logging.getLogger(__name__)


def run_rescore(
    config: PipelineConfig,
    request: RescoreRequest,
    *,
    chunk_rows: int = CHUNK_ROWS,
    evaluates: bool = True,
    report: Report = log.info,
) -> RescoreRecord | None:
    """Score a past window again; an interrupted rescore of the same request is finished. None: the window is empty.

    report: gets a line for each chunk. evaluates: what has come true is evaluated before its answers are replaced.
    Raises RescoreError where a rescore of another request is unfinished, EvaluationFailedError, and the errors of
    `plan_rescore` and `replace_answers`.
    """
    check_start(config)
    begun = unfinished_rescore(config, storage_of(config))
    refuse_other(begun, request)
    version = None if begun else fitting_version(config, request)
    spark = build_session(f"penstock-rescore-{config.pipeline}", settings=settings_of(config))
    with opened_beside(spark, config) as pipeline:
        plan = unfinished_rescore(config, pipeline.storage)
        refuse_other(plan, request)
        if plan is not None:
            check_can_go_on(pipeline, plan)
            report(f"{plan.described} of {plan.planned_at:%Y-%m-%d %H:%M:%S} was interrupted: finishing it")
        else:
            version = version or fitting_version(config, request)
            if evaluates and request.purpose == "replace":
                # Once more before the replacement; what stops it is found here, before hours of scoring.
                evaluate_before_replacement(spark, config, pipeline.storage)
            plan = plan_rescore(pipeline, request, version, chunk_rows=chunk_rows)
        return carry_out(pipeline, plan, report, evaluates=evaluates) if plan is not None else None


def give_up_rescore(config: PipelineConfig) -> RescorePlan | None:
    """Give up the interrupted rescore, if there is one, and return its plan. Raises RescoreError, LeaseError."""
    check_start(config)
    if unfinished_rescore(config, storage_of(config)) is None:
        return None
    spark = build_session(f"penstock-rescore-{config.pipeline}", settings=settings_of(config))
    with opened_beside(spark, config) as pipeline:
        plan = unfinished_rescore(config, pipeline.storage)
        if plan is not None:
            give_up(pipeline, plan)
        return plan


def carry_out(pipeline: Pipeline, plan: RescorePlan, report: Report, *, evaluates: bool) -> RescoreRecord:
    """Every step may run again."""
    write_chunks(pipeline, plan, report)
    record = record_rescore(pipeline, plan)
    if plan.replaces:
        if evaluates:
            evaluate_before_replacement(pipeline.spark, pipeline.config, pipeline.storage)
        replace_answers(pipeline, plan)
        report(f"{plan.described}: its answers are in the place of those before")
    pipeline.lease.check()
    pipeline.storage.create(rescore_done_path(pipeline.config, plan.number), record.model_dump_json().encode())
    return record


def check_start(config: PipelineConfig) -> None:
    """What fails without Spark. Raises PenstockError."""
    if config.workload not in ANSWERING:
        raise ConfigError(
            f"{config.pipeline} is a pipeline of {config.workload}: it has no answers that could be scored again; name "
            "the config of a pipeline of rows or series"
        )
    load_contract(config)
    for check in (check_python, check_java, check_packages, check_jars):
        check()
    check_folder(storage_of(config), config.tables.root, write=True)


def refuse_other(begun: RescorePlan | None, request: RescoreRequest) -> None:
    """Raises RescoreError."""
    if begun is not None and begun.request != request:
        raise RescoreError(
            f"{begun.described} of {begun.planned_at:%Y-%m-%d %H:%M:%S} is unfinished, and was of another window, "
            f"version or purpose. Finish it: penstock rescore {begun.request.options}; or give it up: penstock rescore "
            "--give-up (each with the --conf of this pipeline)"
        )


def fitting_version(config: PipelineConfig, request: RescoreRequest) -> ModelVersion:
    """The version that is asked for, with its files here, if the config lets them be loaded. Raises ModelRefusedError,
    RegistryUnavailableError."""
    registry, name = Registry.of(config), config.the_model.name
    alias = request.version.removeprefix("@")
    version = registry.version(name, alias) if alias == request.version else registry.version_of_alias(name, alias)
    trusted_model(registry, version, config.the_model)
    return version


def check_can_go_on(pipeline: Pipeline, plan: RescorePlan) -> None:
    """Raises PlanError where contract, config or tables, ModelRefusedError where the model's files, are others than
    when it was planned; RescoreError where it was given up."""
    if is_given_up(pipeline, plan):
        raise RescoreError(
            f"{plan.described} was given up, and that was interrupted: run penstock rescore --give-up once more"
        )
    for what, planned, current in (
        ("contract", plan.contract_hash, pipeline.contract_hash),
        ("config (source format, csv dialect, series or model name)", plan.config_hash, pipeline.config.meaning_hash),
    ):
        if planned != current:
            raise PlanError(
                f"{plan.described} was planned under another {what} ({planned[:8]}, now {current[:8]}) and is not "
                "finished; finish it with the earlier one, or give it up: penstock rescore --give-up"
            )
    config = pipeline.config
    versions = {replaced_tables(config)[0]: plan.answers_version, source_table(config): plan.source_version}
    for table, version in versions.items():
        if not is_readable(pipeline.spark, pipeline.storage, config.table_path(table), version):
            raise PlanError(
                f"{plan.described} reads version {version} of {table}, which can't be read any more; give it up: "
                "penstock rescore --give-up, then rescore again"
            )
    check_files(pipeline, plan)


def check_files(pipeline: Pipeline, plan: RescorePlan) -> None:
    """Raises ModelRefusedError."""
    version = pipeline.the_selector.scorer(plan.model).version
    folder = pipeline.the_selector.registry.local_copy(version)
    found = artifact_digest(folder)
    if found != plan.sha256:
        raise ModelRefusedError(
            f"the files of {version.uri} have the SHA-256 {found}, and {plan.described} was planned with "
            f"{plan.sha256}: remove {folder} if the copy was changed, or give it up: penstock rescore --give-up"
        )

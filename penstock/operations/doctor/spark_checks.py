"""The doctor's checks that need Spark: rules, the tables' schemas, checkpoint against tables, and a row scored."""

from collections.abc import Iterator

from pyspark.sql import SparkSession

from penstock.config.loading import load_contract
from penstock.config.pipeline import PipelineConfig
from penstock.errors import ModelRefusedError
from penstock.models.probe import loading_problem
from penstock.models.resolved import ModelAtStart
from penstock.models.scoring import build_scorer, checked_columns
from penstock.operations.doctor.checks import Finding, found
from penstock.operations.doctor.scoring_check import check_checks, check_scoring
from penstock.pipeline.inbox_place import check_inbox
from penstock.pipeline.ledger import check_ledger, read_state
from penstock.pipeline.workload import workload_of
from penstock.schemas.tables import BATCHES, QUARANTINE
from penstock.sources.rules import check_rules
from penstock.spark.tables import new_columns, table_exists
from penstock.storage.routing import storage_of
from penstock.udfs.scoring.outputs import prediction_type


def examine_with_spark(spark: SparkSession, config: PipelineConfig, model: ModelAtStart | None) -> Iterator[Finding]:
    yield found("rules", lambda: check_contract_rules(spark, config))
    yield found("schemas", lambda: check_schemas(spark, config, model))
    if model is not None:
        yield found("loading", lambda: check_loading(spark, config, model))
    yield found("ledger", lambda: check_checkpoint(config))
    if model is not None:
        yield found("scoring", lambda: check_scoring(spark, config, model))
    else:
        yield found("checks", lambda: check_checks(spark, config))


def check_contract_rules(spark: SparkSession, config: PipelineConfig) -> str:
    contract = load_contract(config)
    check_rules(spark, contract)
    return f"{len(contract.rules)} rules are conditions on the contract's columns"


def check_loading(spark: SparkSession, config: PipelineConfig, model: ModelAtStart) -> str:
    """Whether a Python worker can load the model. Raises PenstockError."""
    version = model.version()
    contract = workload_of(config).scoring_contract(config, load_contract(config))
    scorer = build_scorer(spark, model.registry, version, contract, config.the_model)
    try:
        problem = loading_problem(scorer, spark, config.the_model)
    finally:
        scorer.copies.remove(spark)
    if problem is not None:
        raise ModelRefusedError(f"{version.uri}: {problem}")
    return f"a Python worker has loaded {version.uri}"


def check_schemas(spark: SparkSession, config: PipelineConfig, model: ModelAtStart | None) -> str:
    """The existing tables against what this contract and model would write. Raises PenstockError."""
    contract, workload = load_contract(config), workload_of(config)
    scoring_contract = workload.scoring_contract(config, contract)
    outputs = checked_columns(model.resolved(), scoring_contract)[1] if model else ()
    lines = []
    for spec in (*workload.tables(config, contract, lambda: prediction_type(outputs)), QUARANTINE, BATCHES):
        path = config.table_path(spec.name)
        if not table_exists(spark, path):
            lines.append(f"{spec.name} will be made")
            continue
        added = new_columns(spark.read.format("delta").load(path).schema, spec, path)
        lines.append(f"{spec.name} gets {', '.join(column.name for column in added)}" if added else f"{spec.name} fits")
    return ", ".join(lines)


def check_checkpoint(config: PipelineConfig) -> str:
    storage = storage_of(config)
    state = read_state(config, storage)
    check_ledger(state, config, storage)
    if not state.is_unused:
        check_inbox(config, storage)
    if state.query_id is None:
        return "the checkpoint is new"
    return f"query {state.query_id}, last finished batch {state.done.get(state.query_id, 'none')}"

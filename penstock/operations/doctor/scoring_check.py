"""Does what a micro-batch runs over its rows work for one row: the contract's checks, and the model in its guard?"""

from pyspark.sql import DataFrame, SparkSession

from penstock.config.loading import load_contract
from penstock.config.pipeline import PipelineConfig
from penstock.errors import EnvironmentCheckError, ModelRefusedError
from penstock.models.probe import crash_reason, is_crash
from penstock.models.resolved import ModelAtStart
from penstock.models.scoring import Scorer, build_scorer
from penstock.models.trust import load_failure
from penstock.pipeline.workload import workload_of
from penstock.schemas.contract import Contract
from penstock.sources.formats import FORMATS
from penstock.sources.reading import contract_of
from penstock.sources.row_checks import check_rows
from penstock.spark.errors import SPARK_ERRORS
from penstock.spark.time_limit import time_limit

SHOWN_CHARACTERS = 300


def check_scoring(spark: SparkSession, config: PipelineConfig, model: ModelAtStart) -> str:
    """Builds what a backfill builds and runs it over a row without values. What the model makes of that row does not
    matter.

    Raises ModelRefusedError, RegistryUnavailableError, EnvironmentCheckError where Spark can't run it.
    """
    contract = load_contract(config)
    scoring_contract = workload_of(config).scoring_contract(config, contract)
    scorer = build_scorer(spark, model.registry, model.version(), scoring_contract, config.the_model)
    seconds = config.the_model.probe_timeout
    try:
        with time_limit(spark, seconds) as limit:
            scored_row(spark, config, contract, scorer).collect()
    except SPARK_ERRORS as error:
        if limit.is_over:
            raise ModelRefusedError(
                f"{scorer.version.uri}: a row without values was not scored within {seconds:g} s (model.probe_timeout)"
            ) from None
        if is_crash(error):
            raise ModelRefusedError(f"{scorer.version.uri}: its Python worker ended: {crash_reason(error)}") from None
        if reason := load_failure(error):
            raise ModelRefusedError(f"{scorer.version.uri}: {reason}") from None
        raise not_run("checked and scored", error) from error
    fields, rules = len(contract.fields), len(contract.rules)
    return f"a row went through {fields} fields, {rules} rules and {scorer.version.uri}"


def check_checks(spark: SparkSession, config: PipelineConfig) -> str:
    """The contract's checks over a row without values, for a pipeline without a model. Raises EnvironmentCheckError
    where Spark can't run them."""
    contract = load_contract(config)
    try:
        checked_row(spark, config, contract).collect()
    except SPARK_ERRORS as error:
        raise not_run("checked", error) from error
    return f"a row went through {len(contract.fields)} fields and {len(contract.rules)} rules"


def not_run(what: str, error: Exception) -> EnvironmentCheckError:
    return EnvironmentCheckError(
        f"a row without values could not be {what} by Spark: {first_line(error)}; a backfill would fail in the same "
        "way. Is it the memory (spark.driver.memory), or one of the contract's rules?"
    )


def checked_row(spark: SparkSession, config: PipelineConfig, contract: Contract) -> DataFrame:
    source = config.source
    row = FORMATS[source.format].empty_row(spark, source=source, contract=contract)
    return check_rows(row, contract_of(source.format, contract))


def scored_row(spark: SparkSession, config: PipelineConfig, contract: Contract, scorer: Scorer) -> DataFrame:
    checked = checked_row(spark, config, contract)
    if config.workload == "rows":
        return scorer.score(checked, contract)
    # The model of series is given windows, which are made of many rows.
    return checked.select("*", scorer.of_nothing())


def first_line(error: Exception) -> str:
    return " ".join(str(error).split("\n\tat ", 1)[0].split())[:SHOWN_CHARACTERS]

"""The plain frame: a scored streaming DataFrame for those who want to write elsewhere (Kafka, console, alerts)."""

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.config.loading import load_contract
from penstock.config.pipeline import PipelineConfig
from penstock.models.registry import Registry
from penstock.models.resolved import named_version
from penstock.models.scoring import build_scorer
from penstock.schemas.contract import Contract
from penstock.sources.casts import ACCEPTED, REASONS
from penstock.sources.formats import FORMATS
from penstock.sources.reading import contract_of
from penstock.sources.row_checks import check_rows
from penstock.sources.row_columns import HEADER, IS_HEADER, RAW, ROW_REASON, SOURCE_FILE
from penstock.sources.rules import check_rules
from penstock.spark.functions import quoted
from penstock.spark.paths import normal_path_column
from penstock.storage.paths import literal_glob


def scored_stream(spark: SparkSession, config: PipelineConfig) -> DataFrame:
    """An unstarted streaming DataFrame: the contract's columns, `prediction`, `error`, `reasons`, `model_name`,
    `model_version`, `source_file`.

    A row that the contract rejects has `reasons` (array<string>), and null for prediction. It is built from the same
    functions as the job, but streams rows and not files, and so has limits that the job has not:

    - The model version is the alias's at this call, for as long as the query runs.
    - CSV headers are checked by Spark (`enforceSchema=false`): the columns must come in the contract's order, and a
      file with another header ends the query. So does a truncated Parquet file, and a vanished one.
    - Every file under source.path is read in source.format, whatever its ending.
    - A row with too many or too few fields has the reason of the first field that is null, or none where all are
      nullable.
    - Nothing is planned, leased or accounted for: delivery is as good as the sink that you choose.

    Raises ConfigError, ModelRefusedError, RegistryUnavailableError.
    """
    contract = load_contract(config)
    check_rules(spark, contract)
    registry = Registry.of(config)
    version = named_version(registry, config.the_model)
    scorer = build_scorer(spark, registry, version, contract, config.the_model)
    checked = check_rows(raw_stream(spark, config, contract), contract_of(config.source.format, contract))
    # The UDF sees every row here; rejected ones reach it with nulls, and their answer is dropped.
    scored = scorer.score(checked, contract)
    return scored.select(
        *[field.name for field in contract.fields],
        F.when(F.col(ACCEPTED), F.col("prediction")).alias("prediction"),
        F.when(F.col(ACCEPTED), F.col("error")).alias("error"),
        REASONS,
        F.lit(version.name).alias("model_name"),
        F.lit(version.version).alias("model_version"),
        SOURCE_FILE,
    )


def raw_stream(spark: SparkSession, config: PipelineConfig, contract: Contract) -> DataFrame:
    """Uncast rows with the columns that `check_rows` takes."""
    source = config.source
    way = FORMATS[source.format].stream_reader(source, contract)
    reader = spark.readStream.schema(way.schema).options(**way.options).option("recursiveFileLookup", "true")
    reader = reader.option("maxFilesPerTrigger", source.max_files_per_trigger)
    rows = reader.format(source.format).load(literal_glob(source.path))
    return rows.select(
        *[F.col(quoted(field.source)).alias(field.name) for field in contract.fields],
        F.lit(None).cast("string").alias(RAW),
        F.lit(None).cast("string").alias(HEADER),
        F.lit(None).cast("string").alias(ROW_REASON),
        F.lit(False).alias(IS_HEADER),
        normal_path_column(F.col("_metadata.file_path")).alias(SOURCE_FILE),
    )

"""The output tables: columns, and how each table is laid out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    MapType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from penstock.schemas.contract import Contract, Field

SPARK_TYPES: dict[str, DataType] = {
    "double": DoubleType(),
    "float": FloatType(),
    "integer": IntegerType(),
    "long": LongType(),
    "string": StringType(),
    "boolean": BooleanType(),
    "timestamp": TimestampType(),
    "date": DateType(),
}

#: Every table begins with these, so that Delta keeps their statistics and a batch's rows are found by file pruning.
BATCH_COLUMNS = (StructField("query_id", StringType()), StructField("batch_id", LongType()))


@dataclass(frozen=True, kw_only=True)
class TableSpec:
    """A table's name, columns, clustering columns, and the columns whose min/max Delta keeps."""

    name: str
    schema: StructType
    cluster_by: tuple[str, ...] = ()
    statistics: tuple[str, ...] = ()
    properties: dict[str, str] = field(default_factory=dict)


def spark_type(field: Field) -> DataType:
    decimal = field.decimal_precision_scale
    return DecimalType(*decimal) if decimal else SPARK_TYPES[field.type]


def contract_columns(contract: Contract) -> list[StructField]:
    """The contract's fields as table columns. All nullable for Delta: a later contract may relax a field."""
    return [StructField(field.name, spark_type(field)) for field in contract.fields]


def predictions(contract: Contract, prediction: DataType) -> TableSpec:
    """One row is an accepted input row; `prediction` is null where `error` says why, or where the model itself
    answered NaN or None."""
    return TableSpec(
        name="predictions",
        schema=StructType(
            [
                *BATCH_COLUMNS,
                *contract_columns(contract),
                StructField("prediction", prediction),
                StructField("model_name", StringType()),
                StructField("model_version", StringType()),
                StructField("role", StringType()),
                StructField("error", StringType()),
                StructField("source_file", StringType()),
                StructField("scored_at", TimestampType()),
            ]
        ),
        cluster_by=("scored_at",),
        statistics=("query_id", "batch_id", "model_version", "scored_at"),
    )


def observations(variables: Sequence[str]) -> TableSpec:
    """One row is an accepted observation, in levels; `error` is null, or why it has no forecast."""
    return TableSpec(
        name="observations",
        schema=StructType(
            [
                *BATCH_COLUMNS,
                StructField("series_id", StringType()),
                StructField("ds", TimestampType()),
                *[StructField(variable, DoubleType()) for variable in variables],
                StructField("error", StringType()),
                StructField("source_file", StringType()),
                StructField("observed_at", TimestampType()),
            ]
        ),
        cluster_by=("series_id", "ds"),
        statistics=("query_id", "batch_id", "series_id", "ds"),
    )


FORECASTS = TableSpec(
    name="forecasts",
    schema=StructType(
        [
            *BATCH_COLUMNS,
            StructField("series_id", StringType()),
            StructField("cutoff", TimestampType()),
            StructField("ds", TimestampType()),
            StructField("step", IntegerType()),
            StructField("variable", StringType()),
            StructField("forecast", DoubleType()),
            StructField("lower", DoubleType()),
            StructField("upper", DoubleType()),
            StructField("level", DoubleType()),
            StructField("model_name", StringType()),
            StructField("model_version", StringType()),
            StructField("role", StringType()),
            StructField("scored_at", TimestampType()),
        ]
    ),
    cluster_by=("series_id", "cutoff"),
    # Its volume makes each column's statistics felt: 0.2 s for 5 million rows.
    statistics=("batch_id", "series_id", "cutoff"),
)


#: The property of `lags` that says how many observations of a series it was made to keep.
KEEP_LAGS = "penstock.keep_lags"
#: The property of `lags` that says of which calendar its observations are.
FREQUENCY = "penstock.frequency"


def lags(variables: Sequence[str], *, keep_lags: int, frequency: str) -> TableSpec:
    """One of the last `keep_lags` observations of a series. query_id and batch_id: who put it there.

    number: it is the how-many-th of its series. slot: number modulo keep_lags, so that a new one replaces the oldest.
    """
    return TableSpec(
        name="lags",
        schema=StructType(
            [
                *BATCH_COLUMNS,
                StructField("series_id", StringType()),
                StructField("slot", IntegerType()),
                StructField("number", LongType()),
                StructField("ds", TimestampType()),
                *[StructField(variable, DoubleType()) for variable in variables],
            ]
        ),
        statistics=("query_id", "batch_id", "series_id", "slot"),
        # A merge then marks the rows of the series it touches, and rewrites no file for them.
        properties={"delta.enableDeletionVectors": "true", KEEP_LAGS: str(keep_lags), FREQUENCY: frequency},
    )


#: One row is a refused file (stage `file`) or a rejected row, with all its reasons. raw: the row's text, or for
#: Parquet its JSON; header: the line that it was read under. replayed_in: the replay that it went through again.
QUARANTINE = TableSpec(
    name="quarantine",
    schema=StructType(
        [
            *BATCH_COLUMNS,
            StructField("stage", StringType()),
            StructField("reasons", ArrayType(StringType())),
            StructField("raw", StringType()),
            StructField("source_file", StringType()),
            StructField("quarantined_at", TimestampType()),
            StructField("replayed_in", LongType()),
            StructField("header", StringType()),
        ]
    ),
    statistics=("query_id", "batch_id", "stage", "quarantined_at"),
)

FILE = StructType(
    [
        StructField("path", StringType()),
        StructField("length", LongType()),
        StructField("modification_time", TimestampType()),
        StructField("rows", LongType()),
    ]
)

BATCHES = TableSpec(
    name="batches",
    schema=StructType(
        [
            *BATCH_COLUMNS,
            StructField("pipeline", StringType()),
            StructField("started_at", TimestampType()),
            StructField("finished_at", TimestampType()),
            StructField("files", ArrayType(FILE)),
            StructField("files_refused", LongType()),
            StructField("rows_in", LongType()),
            StructField("accepted", LongType()),
            StructField("quarantined", LongType()),
            StructField("failed", LongType()),
            StructField("versions", MapType(StringType(), StringType())),
            StructField("refused_versions", MapType(StringType(), StringType())),
            StructField("seconds", MapType(StringType(), DoubleType())),
            # When the registry last said what the alias means: earlier than started_at where it did not answer.
            StructField("resolved_at", TimestampType()),
        ]
    ),
    statistics=("query_id", "batch_id", "started_at", "finished_at"),
)

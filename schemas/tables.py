"""The tables of the catalog as Spark has them: a pipeline's own columns put in, and every type a Spark type."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

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

from penstock.schemas import catalog, judgement_tables, table_types
from penstock.schemas.contract import Contract, Field
from penstock.schemas.table_types import Array, Column, Map, PerPipeline, Struct, Table, Type

PRIMITIVES: dict[str, DataType] = {
    made.typeName(): made
    for made in (
        DoubleType(),
        FloatType(),
        IntegerType(),
        LongType(),
        StringType(),
        BooleanType(),
        TimestampType(),
        DateType(),
    )
}
#: The property of `lags` that says how many observations of a series it was made to keep.
KEEP_LAGS = "penstock.keep_lags"
#: The property of `lags` that says which series.revisions its batches had.
REVISIONS = "penstock.revisions"
#: The property of `lags` that says of which calendar its observations are.
FREQUENCY = "penstock.frequency"
#: The property of `labels` that says which columns name the row of a label.
LABEL_KEY = "penstock.label_key"


@dataclass(frozen=True, kw_only=True)
class TableSpec:
    """A table of one pipeline; for what its parts mean see penstock.schemas.catalog.Table."""

    name: str
    schema: StructType
    cluster_by: tuple[str, ...] = ()
    statistics: tuple[str, ...] = ()
    properties: dict[str, str] = field(default_factory=dict)
    #: Columns that the table may have beside the schema: those of an earlier experiment.
    accepted: tuple[str, ...] = ()


def type_of(given: Type) -> DataType:
    match given:
        case Array(items):
            return ArrayType(type_of(items))
        case Map(keys, values):
            return MapType(type_of(keys), type_of(values))
        case Struct(columns):
            return StructType([column_of(column) for column in columns])
        case str():
            return PRIMITIVES[given]


def column_of(column: Column) -> StructField:
    return StructField(
        column.name, type_of(column.type), metadata={"comment": column.comment} if column.comment else {}
    )


BATCH_COLUMNS = tuple(column_of(column) for column in table_types.BATCH)


def spec_of(
    table: Table,
    own: Mapping[PerPipeline, Sequence[StructField]] | None = None,
    *,
    properties: Mapping[str, str] | None = None,
    has_experiment: bool = False,
) -> TableSpec:
    """own: the columns that only the pipeline knows; one of them stands in place of a catalog's column of its name.
    properties: of the table, beside the catalog's. has_experiment: whether the experiment's columns are to be there."""
    given = {field.name for fields in (own or {}).values() for field in fields}

    def made(columns: Sequence[Column | PerPipeline]) -> Iterator[StructField]:
        for column in columns:
            if not isinstance(column, Column):
                yield from (own or {})[column]
            elif column.name not in given:
                yield column_of(column)

    columns, further = list(made(table.columns)), list(made(table.experiment_columns))
    return TableSpec(
        name=table.name,
        schema=StructType([*columns, *(further if has_experiment else [])]),
        accepted=() if has_experiment else tuple(column.name for column in further),
        cluster_by=table.cluster_by,
        statistics=table.statistics,
        properties={**table.properties, **(properties or {})},
    )


def spark_type(field: Field) -> DataType:
    decimal = field.decimal_precision_scale
    return DecimalType(*decimal) if decimal else PRIMITIVES[field.type]


def contract_columns(contract: Contract) -> list[StructField]:
    """The contract's fields as table columns."""
    return [StructField(field.name, spark_type(field)) for field in contract.fields]


def variable_columns(variables: Sequence[str]) -> dict[PerPipeline, list[StructField]]:
    return {PerPipeline.VARIABLES: [StructField(variable, DoubleType()) for variable in variables]}


def predictions(
    contract: Contract,
    prediction: DataType,
    *,
    table: Table = catalog.PREDICTIONS,
    statistics: Sequence[str] = (),
    has_experiment: bool = False,
) -> TableSpec:
    """table: or that of the rescored ones. statistics: columns that a new table keeps them of beside the catalog's."""
    own = {
        PerPipeline.FIELDS: contract_columns(contract),
        PerPipeline.PREDICTION: [StructField("prediction", prediction)],
        PerPipeline.SHADOW_PREDICTION: [StructField("shadow_prediction", prediction)],
    }
    spec = spec_of(table, own, has_experiment=has_experiment)
    return replace(spec, statistics=tuple(dict.fromkeys((*spec.statistics, *statistics))))


def labels(contract: Contract, *, key: Sequence[str]) -> TableSpec:
    own = {PerPipeline.FIELDS: contract_columns(contract)}
    return spec_of(catalog.LABELS, own, properties={LABEL_KEY: ", ".join(sorted(key))})


def observations(variables: Sequence[str], *, has_experiment: bool = False) -> TableSpec:
    return spec_of(catalog.OBSERVATIONS, variable_columns(variables), has_experiment=has_experiment)


def forecasts(*, has_experiment: bool = False) -> TableSpec:
    return spec_of(catalog.FORECASTS, has_experiment=has_experiment)


def lags(variables: Sequence[str], *, keep_lags: int, frequency: str, revisions: str = "first") -> TableSpec:
    properties = {KEEP_LAGS: str(keep_lags), FREQUENCY: frequency, REVISIONS: revisions}
    return spec_of(catalog.LAGS, variable_columns(variables), properties=properties)


#: Without an experiment.
FORECASTS = forecasts()
RESCORED_FORECASTS = spec_of(catalog.RESCORED_FORECASTS)
RESCORED_OBSERVATIONS = spec_of(catalog.RESCORED_OBSERVATIONS)
EVALUATIONS = spec_of(judgement_tables.EVALUATIONS)
DECISIONS = spec_of(judgement_tables.DECISIONS)
QUARANTINE = spec_of(catalog.QUARANTINE)
BATCHES = spec_of(catalog.BATCHES)

"""The tables of a pipeline, one entry each: columns, layout, and what may be deleted of it.

Pure Python: config, status and DuckDB ask it too, and none of them waits for Spark. penstock.schemas.tables makes Spark
schemas of it.
"""

from dataclasses import replace
from types import MappingProxyType

from penstock.schemas.judgement_tables import (
    DECISIONS,
    EVALUATIONS,
    EXPERIMENT_OF_BATCHES,
    SHADOW_OF_FORECASTS,
    SHADOW_OF_OBSERVATIONS,
    SHADOW_OF_PREDICTIONS,
)
from penstock.schemas.table_types import BATCH, Array, Column, Map, PerPipeline, Struct, Table, Workload

#: role: `champion`; `candidate`, the second version of a canary; `fallback`,
#: `fallback_seasonal_naive` or `fallback_pooled` of a forecast that the champion made
#: without a VAR of the series.
MODEL = (Column("model_name", "string"), Column("model_version", "string"), Column("role", "string"))
EVERY: tuple[Workload, ...] = ("rows", "series", "labels")

#: One row is a refused file (stage `file`) or a rejected row, with all its reasons. raw: the row's text, or for
#: Parquet its JSON; header: the line that it was read under. replayed_in: the replay that it went through again.
QUARANTINE = Table(
    name="quarantine",
    workloads=EVERY,
    columns=(
        *BATCH,
        Column("stage", "string"),
        Column("reasons", Array("string")),
        Column("raw", "string"),
        Column("source_file", "string"),
        Column("quarantined_at", "timestamp"),
        Column("replayed_in", "long"),
        Column("header", "string"),
    ),
    time_column="quarantined_at",
    statistics=("query_id", "batch_id", "stage", "quarantined_at"),
)

#: xxhash64 (Spark's, seed 42) of source_file and the contract's columns, or of the columns of labels.key where there is
#: one; null in rows of versions up to 0.2.0. A contract's own row_id stands in its place.
ROW_ID = Column("row_id", "long")
#: The rescore that put a prediction or forecast in place of an earlier one; null for those of a micro-batch.
RESCORE_ID = Column("rescore_id", "long")

#: One row is an accepted input row; `prediction` is null where `error` says why, or where the model itself answered
#: NaN or None.
PREDICTIONS = Table(
    name="predictions",
    workloads=("rows",),
    columns=(
        *BATCH,
        PerPipeline.FIELDS,
        PerPipeline.PREDICTION,
        *MODEL,
        Column("error", "string"),
        Column("source_file", "string"),
        Column("scored_at", "timestamp"),
        ROW_ID,
        RESCORE_ID,
    ),
    experiment_columns=SHADOW_OF_PREDICTIONS,
    time_column="scored_at",
    cluster_by=("scored_at",),
    statistics=("query_id", "batch_id", "model_version", "scored_at"),
)

#: One row is the forecast of a variable, so many steps after a cutoff. scored_at: tells those of one cutoff apart, of
#: which there are several if its series was revised.
FORECASTS = Table(
    name="forecasts",
    workloads=("series",),
    columns=(
        *BATCH,
        Column("series_id", "string"),
        Column("cutoff", "timestamp"),
        Column("ds", "timestamp"),
        Column("step", "integer"),
        Column("variable", "string"),
        Column(
            "forecast",
            "double",
            "In levels. Of a variable with the transform log or dlog the median of its distribution, so that sums over "
            "series come out too low; its mean if the model was fitted with series.point: mean",
        ),
        Column("lower", "double", "Lower bound of the interval, in levels; equal tails on both sides"),
        Column("upper", "double", "Upper bound of the interval, in levels; equal tails on both sides"),
        Column("level", "double", "Coverage of the interval"),
        *MODEL,
        Column("scored_at", "timestamp"),
        Column(
            "intervals",
            Array(Struct((Column("level", "double"), Column("lower", "double"), Column("upper", "double")))),
            "The intervals of all levels, ascending; null with one level. The last one is that of lower and upper",
        ),
        RESCORE_ID,
    ),
    experiment_columns=SHADOW_OF_FORECASTS,
    time_column="scored_at",
    cluster_by=("series_id", "cutoff"),
    # Its volume makes each column's statistics felt: 0.2 s for 5 million rows.
    statistics=("batch_id", "series_id", "cutoff"),
)

#: One row is an accepted observation, in levels; `error` is null, or why it has no forecast, or `fallback: ` and
#: why it has one that is not of a VAR. A revised value is a later
#: row with the same ds (penstock.series.valid_observations).
OBSERVATIONS = Table(
    name="observations",
    workloads=("series",),
    columns=(
        *BATCH,
        Column("series_id", "string"),
        Column("ds", "timestamp"),
        PerPipeline.VARIABLES,
        Column("error", "string"),
        Column("source_file", "string"),
        Column("observed_at", "timestamp"),
    ),
    experiment_columns=SHADOW_OF_OBSERVATIONS,
    time_column="observed_at",
    kept_whole="lags is rebuilt from it, and late data is recomputed from it",
    cluster_by=("series_id", "ds"),
    statistics=("query_id", "batch_id", "series_id", "ds"),
)

#: One row is an accepted label: what the row of a key turned out to be. `error` is null for the first label of a key,
#: which counts; `revision` for a later one; `conflict` for labels of one key and file that contradict each other, of
#: which none counts.
LABELS = Table(
    name="labels",
    workloads=("labels",),
    columns=(
        *BATCH,
        PerPipeline.FIELDS,
        Column("error", "string"),
        Column("source_file", "string"),
        Column("labelled_at", "timestamp"),
    ),
    time_column="labelled_at",
    kept_whole="a later label of a key is a revision of the first one",
    statistics=("query_id", "batch_id", "labelled_at"),
)

#: Among its rows are the last `keep_lags` observations of each series: the state (penstock.series.lags.current_lags).
#: The other rows are superseded, and leave when the table is compacted. query_id and batch_id: who put it there.
#: number: it is the how-many-th of its series, less those inserted before the kept ones. slot: number modulo keep_lags.
#: sequence: of rows of a series with the same number, the one with the highest is current; it is the version of `lags`
#: that their batch read, and null, which is the lowest, in a rebuilt state and in rows of versions up to 0.2.0.
LAGS = Table(
    name="lags",
    workloads=("series",),
    columns=(
        *BATCH,
        Column("series_id", "string"),
        Column("slot", "integer"),
        Column("number", "long"),
        Column("ds", "timestamp"),
        PerPipeline.VARIABLES,
        Column("sequence", "long"),
    ),
    kept_whole="it is the state of the series, and no longer than series.keep_lags for each of them",
    is_state=True,
    statistics=("query_id", "batch_id", "series_id", "slot"),
    # A late replay then marks the rows of the series it touches, and rewrites no file for them.
    properties=MappingProxyType({"delta.enableDeletionVectors": "true"}),
)

#: One row is a finished micro-batch, and so its marker. resolved_at: when the registry last said what the alias means,
#: which is earlier than started_at where it did not answer. without_forecast: accepted observations that have none of a
#: VAR, by the kind of their `error` (penstock/series/reasons.py). series: how many the batch has observations of, and
#: of how many of them it made no such forecast. fitted_until: null also where the model does not say it, and where it
#: was not asked. The last four are null for rows, and for batches of versions up to 0.2.0.
BATCHES = Table(
    name="batches",
    workloads=EVERY,
    columns=(
        *BATCH,
        Column("pipeline", "string"),
        Column("started_at", "timestamp"),
        Column("finished_at", "timestamp"),
        Column(
            "files",
            Array(
                Struct(
                    (
                        Column("path", "string"),
                        Column("length", "long"),
                        Column("modification_time", "timestamp"),
                        Column("rows", "long"),
                    )
                )
            ),
        ),
        Column("files_refused", "long"),
        Column("rows_in", "long"),
        Column("accepted", "long"),
        Column("quarantined", "long"),
        Column("failed", "long"),
        Column("versions", Map("string", "string")),
        Column("refused_versions", Map("string", "string")),
        Column("seconds", Map("string", "double")),
        Column("resolved_at", "timestamp"),
        Column("without_forecast", Map("string", "long")),
        Column("series", "long"),
        Column("series_without_forecast", "long"),
        Column(
            "fitted_until",
            "timestamp",
            "The newest observation that the champion was fitted on: its forecasts from earlier cutoffs are in sample",
        ),
        *EXPERIMENT_OF_BATCHES,
    ),
    time_column="finished_at",
    kept_whole="it is the ledger: a file that it forgot would be scored again after --resume-from-ledger",
    statistics=("query_id", "batch_id", "started_at", "finished_at"),
)

#: Predictions and forecasts of a past window by another version, beside those that were given then: as shadows, or
#: until they take their place. query_id and batch_id are those of the row that was scored again.
RESCORED_PREDICTIONS, RESCORED_FORECASTS = (
    replace(
        each,
        name=f"rescored_{each.name}",
        experiment_columns=(),
        statistics=(*each.statistics, "rescore_id"),
        made_by="penstock rescore",
    )
    for each in (PREDICTIONS, FORECASTS)
)
#: One row is an observation that was asked for a forecast by a rescore; `error` as in observations: null, or why the
#: version has none for it.
RESCORED_OBSERVATIONS = Table(
    name="rescored_observations",
    workloads=("series",),
    columns=(
        *BATCH,
        Column("series_id", "string"),
        Column("ds", "timestamp"),
        Column("error", "string"),
        *MODEL,
        Column("scored_at", "timestamp"),
        RESCORE_ID,
    ),
    time_column="scored_at",
    cluster_by=("series_id", "ds"),
    statistics=("query_id", "batch_id", "series_id", "ds", "rescore_id"),
    made_by="penstock rescore",
)

#: In the order in which a micro-batch writes them: its marker, the row of `batches`, is the last.
CATALOG = (QUARANTINE, PREDICTIONS, FORECASTS, OBSERVATIONS, LABELS, LAGS, BATCHES)
#: Those that no micro-batch writes. Each is made by the first evaluation, decision or rescore: it may be missing.
BESIDE = (EVALUATIONS, DECISIONS, RESCORED_PREDICTIONS, RESCORED_FORECASTS, RESCORED_OBSERVATIONS)
BY_NAME = MappingProxyType({table.name: table for table in (*CATALOG, *BESIDE)})


def table_names(workload: str) -> tuple[str, ...]:
    """In the order in which a micro-batch writes them."""
    return tuple(table.name for table in CATALOG if workload in table.workloads)


def possible_tables(workload: str) -> tuple[Table, ...]:
    """All that a pipeline may have, whether micro-batches write them or not."""
    return tuple(table for table in BY_NAME.values() if workload in table.workloads)


def time_column(name: str) -> str:
    """When a row of this table was made. Raises ValueError for a table without such a column."""
    column = BY_NAME[name].time_column
    if column is None:
        raise ValueError(f"the table {name} does not say when its rows were made")
    return column

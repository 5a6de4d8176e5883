"""Reads the observations to fit on: from files, through the contract, or from the observations table."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pandas as pd
from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.config.loading import load_contract
from penstock.config.locations import absolute_location
from penstock.config.pipeline import PipelineConfig
from penstock.config.series_contract import check_series_contract, ids_are_integers, with_time_range
from penstock.errors import FitError
from penstock.schemas.contract import Contract
from penstock.series.reasons import CONFLICT, LEAST_RECENCY, OUTVOTED
from penstock.series.windows import series_id
from penstock.sources.admission import admit_files
from penstock.sources.checkpoint import Arrival
from penstock.sources.files import PlannedFile
from penstock.sources.listing import list_files
from penstock.sources.reading import accepted_rows, checked_rows, rejected_rows
from penstock.sources.rules import check_rules
from penstock.spark.tables import table_at, table_version
from penstock.storage.files import Storage
from penstock.storage.routing import storage_of
from penstock.udfs.var.histories import DS, RECENCY, SERIES_ID

SHOWN_REJECTED = 1000
SHOWN_FILES = 3
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FitData:
    """frame: series_id, ds, recency (int: a higher one wins its ds), the variables in levels; no null id or ds.

    locations: the files or folders given, or the table. version: the table's. rejected: the first of the rejected
    rows, with `reasons`, `raw`, `source_file`.
    """

    frame: DataFrame
    locations: tuple[str, ...]
    ids_are_integers: bool
    version: int | None = None
    files: tuple[PlannedFile, ...] = ()
    n_rejected: int = 0
    rejected: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["reasons", "raw", "source_file"]))

    @property
    def refused_files(self) -> list[PlannedFile]:
        return [file for file in self.files if file.verdict == "refused"]

    def until(self, last: datetime | None) -> DataFrame:
        """The frame up to `last` (UTC), inclusive."""
        if last is None:
            return self.frame
        return self.frame.where(F.col(DS) <= F.lit(last.isoformat(sep=" ")).cast("timestamp"))


def read_fit_data(
    spark: SparkSession,
    config: PipelineConfig,
    *,
    data: Sequence[str] = (),
    from_table: bool = False,
    table_version: int | None = None,
) -> FitData:
    """data: files and folders, default the config's source. from_table: the observations table, at its newest version
    or `table_version`. Raises ConfigError, and FitError if there is nothing to read."""
    contract = with_time_range(load_contract(config), config)
    check_series_contract(contract, config)
    if from_table:
        return data_of_table(spark, config, contract, version=table_version)
    return data_of_files(spark, config, contract, paths=data or [config.source.path])


def data_of_files(spark: SparkSession, config: PipelineConfig, contract: Contract, *, paths: Sequence[str]) -> FitData:
    """Read as the stream does: the same admission, casts and rules, and the newest file wins."""
    check_rules(spark, contract)
    log.info("reading %s", ", ".join(paths))
    storage, glob = storage_of(config), config.source.path_glob_filter
    arrived = [file for path in paths for file in files_at(storage, path, glob=glob)]
    if not arrived:
        raise FitError(f"{', '.join(paths)}: there is no file; name observations with --data, or use --from-table")
    unique = list({file.path: file for file in arrived}.values())
    files = admit_files(unique, storage=storage, source=config.source, contract=contract)
    accepted = [file for file in files if file.verdict == "accepted"]
    checked = checked_rows(spark, accepted, contract=contract, source=config.source)
    if checked is None:
        raise FitError(f"{files[0].path}: {files[0].reasons[0]}; all {len(files)} files were refused")
    refused = rejected_rows(checked, files=accepted)
    n_rejected = refused.count()
    shown = refused.withColumn("reasons", F.array_join("reasons", "; ")).limit(SHOWN_REJECTED if n_rejected else 0)
    rows = with_recency(accepted_rows(checked, contract), accepted)
    return FitData(
        frame=observations(rows, config, contract),
        locations=tuple(paths),
        ids_are_integers=ids_are_integers(contract, config),
        files=tuple(files),
        n_rejected=n_rejected,
        rejected=shown.toPandas(),
    )


def files_at(storage: Storage, path: str, *, glob: str | None) -> list[Arrival]:
    """A file, or the files below a folder that the stream would list there."""
    top = absolute_location(path)
    try:
        found = list_files(storage, top, glob=glob)
    except (FileNotFoundError, NotADirectoryError):
        status = storage.status(top)
        found = {top: status} if status else {}
    return [Arrival(path=path, modified_milliseconds=found[path].modified_milliseconds) for path in sorted(found)]


def with_recency(rows: DataFrame, files: Sequence[PlannedFile]) -> DataFrame:
    """The rank of each row's file: by modification time, then path."""
    if len(files) == 1:
        return rows.withColumn(RECENCY, F.lit(0))
    order = sorted(files, key=lambda file: (file.modified_milliseconds or 0, file.path))
    ranks = rows.sparkSession.createDataFrame(
        [(file.path, number) for number, file in enumerate(order)], f"source_file string, {RECENCY} int"
    )
    return rows.join(F.broadcast(ranks), on="source_file", how="left")


def observations(rows: DataFrame, config: PipelineConfig, contract: Contract) -> DataFrame:
    """The columns of `FitData.frame` from those of the contract."""
    series = config.the_series
    kind = "long" if ids_are_integers(contract, config) else "string"
    columns = rows.select(
        series_id(series).cast(kind).alias(SERIES_ID),
        F.col(series.time).cast("timestamp").alias(DS),
        RECENCY,
        *[F.col(variable).cast("double").alias(variable) for variable in series.variables],
    )
    return columns.where(F.col(SERIES_ID).isNotNull() & F.col(DS).isNotNull())


def data_of_table(spark: SparkSession, config: PipelineConfig, contract: Contract, *, version: int | None) -> FitData:
    """The pipeline's own observations at one version of the table, with late ones, without superseded ones. Those
    that contradict each other are in it to be counted."""
    path = config.table_path("observations")
    if not DeltaTable.isDeltaTable(spark, path):
        raise FitError(f"{path}: there is no such table yet; run the pipeline first, or name files with --data")
    newest = table_version(spark, path)
    if version is not None and version > newest:
        raise FitError(f"{path}: has no version {version}; the newest is {newest}")
    chosen = newest if version is None else version
    table = table_at(spark, path, chosen)
    log.info("reading %s, version %d", path, chosen)
    missing = [variable for variable in config.the_series.variables if variable not in table.columns]
    if missing:
        raise FitError(f"{path}: has no column {', '.join(missing)} at version {chosen}")
    used = table.where(F.col("error").isNull() | ~F.col("error").isin(*OUTVOTED))
    kind = "long" if ids_are_integers(contract, config) else "string"
    # Of a ds that was revised in the stream there is a row for each value.
    arrived = F.unix_micros("observed_at") if "observed_at" in table.columns else F.lit(0)
    recency = F.when(F.col("error") == CONFLICT, F.lit(LEAST_RECENCY)).otherwise(arrived)
    frame = used.select(F.col(SERIES_ID).cast(kind), DS, recency.alias(RECENCY), *config.the_series.variables).where(
        F.col(SERIES_ID).isNotNull() & F.col(DS).isNotNull()
    )
    return FitData(
        frame=frame,
        locations=(path,),
        ids_are_integers=ids_are_integers(contract, config),
        version=chosen,
    )


def report_refusals(data: FitData) -> None:
    for file in data.refused_files[:5]:
        log.warning("refused %s: %s", file.path, file.reasons[0])
    if data.refused_files:
        log.warning("%d of %d files refused", len(data.refused_files), len(data.files))
    if data.n_rejected:
        log.warning("%s rows rejected, for example: %s", f"{data.n_rejected:,}", data.rejected["reasons"].iloc[0])

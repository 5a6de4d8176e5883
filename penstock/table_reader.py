"""Reads a pipeline's tables without Spark: Delta's log by deltalake, the rows by Arrow or DuckDB."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from penstock.config import PipelineConfig, S3Config
from penstock.location_rules import S3_SCHEME, is_on_s3
from penstock.undeleted import DELETION_VECTORS, register_undeleted

#: What reading may raise beside OSError.
READ_ERRORS = (DeltaError, duckdb.Error, pa.ArrowException)
TABLES = ("predictions", "observations", "forecasts", "quarantine", "batches")


@dataclass(frozen=True, kw_only=True)
class TableReader:
    """The tables as their newest commit has them, without `lags`, the stream's own state."""

    config: PipelineConfig

    def table(self, name: str) -> DeltaTable | None:
        """None where the table is not there yet. Raises OSError, or deltalake's DeltaError where it can't be read."""
        path = self.config.table_path(name)
        try:
            if is_on_s3(path):
                return DeltaTable(path.replace(S3_SCHEME, "s3://", 1), storage_options=s3_options(self.config.s3))
            return DeltaTable(path)
        except TableNotFoundError:
            return None

    def connect(self, names: Sequence[str] = TABLES) -> duckdb.DuckDBPyConnection:
        """A DuckDB in memory that knows these tables by their names and pushes filters down into their files."""
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        for name in names:
            table = self.table(name)
            if table is None:
                continue
            if DELETION_VECTORS in (table.protocol().reader_features or ()):
                register_undeleted(connection, name, table)
            else:
                connection.register(name, table.to_pyarrow_dataset())
        return connection


def reason_of(error: Exception) -> str:
    """Without the Rust backtrace that some have."""
    return str(error).strip().splitlines()[0][:300]


def s3_options(s3: S3Config) -> dict[str, str]:
    """What deltalake must be told of S3; it finds the credentials where boto3 does: environment or role."""
    options = {"AWS_REGION": s3.the_region, "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": str(not s3.is_path_style).lower()}
    if s3.the_endpoint:
        is_plain = s3.the_endpoint.startswith("http:")
        options |= {"AWS_ENDPOINT_URL": s3.the_endpoint, "AWS_ALLOW_HTTP": str(is_plain).lower()}
    return options

"""Reads a pipeline's tables without Spark: Delta's log by deltalake, the rows by Arrow."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from penstock.config.locations import S3_SCHEME, is_on_s3
from penstock.config.pipeline import PipelineConfig, S3Config
from penstock.errors import LedgerError

#: What reading may raise besides OSError.
READ_ERRORS = (DeltaError, pa.ArrowException)


def open_table(config: PipelineConfig, name: str) -> DeltaTable | None:
    """The newest version of the table, None if it does not exist yet.

    Raises OSError, or deltalake's DeltaError if it can't be read.
    """
    return open_delta(config.table_path(name), config.s3)


def open_delta(path: str, s3: S3Config, *, version: int | None = None) -> DeltaTable | None:
    """The Delta table at a location in normal form, as of a version (default the newest); None if there is none.

    Raises OSError, or deltalake's DeltaError if it can't be read.
    """
    try:
        if is_on_s3(path):
            return DeltaTable(path.replace(S3_SCHEME, "s3://", 1), version=version, storage_options=s3_options(s3))
        return DeltaTable(path, version=version)
    except TableNotFoundError:
        return None


@contextmanager
def opened_table(config: PipelineConfig, name: str) -> Iterator[DeltaTable | None]:
    """`open_table` as a context manager. Raises LedgerError if the table, or rows read within, can't be read."""
    try:
        yield open_table(config, name)
    except READ_ERRORS as error:
        raise LedgerError(
            f"the table {config.table_path(name)} can't be read: {reason_of(error)}; look for missing or damaged files "
            "there"
        ) from None


def reason_of(error: Exception) -> str:
    """The message without the Rust backtrace that some have."""
    return str(error).strip().splitlines()[0][:300]


def s3_options(s3: S3Config) -> dict[str, str]:
    """deltalake's storage options for S3; it takes credentials from the environment or the role, as boto3 does."""
    options = {"AWS_REGION": s3.the_region, "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": str(not s3.is_path_style).lower()}
    if s3.the_endpoint:
        is_plain = s3.the_endpoint.startswith("http:")
        options |= {"AWS_ENDPOINT_URL": s3.the_endpoint, "AWS_ALLOW_HTTP": str(is_plain).lower()}
    return options

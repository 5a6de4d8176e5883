"""What Penstock must know of a file format. All else of a pipeline is the same for every format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import SourceConfig
from penstock.schemas.contract import Contract
from penstock.sources.files import PlannedFile
from penstock.storage.files import FileStatus, Storage


@dataclass(frozen=True)
class StreamReader:
    """How Spark's own streaming source reads the format: schema in DDL, by the fields' source names, and options."""

    schema: str
    options: Mapping[str, str]


@dataclass(frozen=True)
class Restored:
    """Rows of the quarantine that can be checked again, and what the contract says of them now (see `check_rows`)."""

    waiting: DataFrame
    checked: DataFrame


def by_layout(files: Sequence[PlannedFile]) -> list[list[PlannedFile]]:
    """The files of each layout, in an order that does not depend on theirs."""

    def key(file: PlannedFile) -> str:
        return file.the_layout.model_dump_json()

    return [list(group) for _, group in groupby(sorted(files, key=key), key=key)]


def one_row(text: str) -> Column:
    """For `spark.range(1)`: a text that Spark has to look at the row for, so that it evaluates nothing in advance."""
    return F.when(F.col("id") == 0, F.lit(text))


class Format(Protocol):
    """One file format; `formats.FORMATS` lists them."""

    @property
    def name(self) -> str:
        """As `source.format` and a layout have it."""

    @property
    def endings(self) -> tuple[str, ...]:
        """Of file names, in small letters: these files are read in this format whatever the pipeline's is."""

    @property
    def has_header(self) -> bool:
        """Whether rows are kept in the quarantine together with the header line that they were read under."""

    def admit(
        self, path: str, status: FileStatus, *, storage: Storage, source: SourceConfig, contract: Contract
    ) -> PlannedFile:
        """Accepted with its layout, or refused with every reason, by a look that is quick. Raises OSError."""

    def reading_groups(
        self, files: Sequence[PlannedFile], *, source: SourceConfig, contract: Contract
    ) -> list[list[PlannedFile]]:
        """The accepted files of this format, those together that are read by one plan: the fewer, the sooner."""

    def read(
        self, spark: SparkSession, files: Sequence[PlannedFile], *, source: SourceConfig, contract: Contract
    ) -> DataFrame:
        """The rows of the files of one such group, uncast, with the columns of `row_columns`."""

    def empty_row(self, spark: SparkSession, *, source: SourceConfig, contract: Contract) -> DataFrame:
        """One row without values, by the code that reads files, for a run over next to nothing."""

    def verify(self, file: PlannedFile, *, storage: Storage, contract: Contract) -> str | None:
        """Reads an accepted file to its end; the reason to refuse it after all, if there is one. Raises OSError."""

    def count_rows(
        self,
        spark: SparkSession,
        storage: Storage,
        source: SourceConfig,
        files: Mapping[str, FileStatus],
        *,
        is_named: Column,
    ) -> dict[str, int]:
        """Rows of files of this format by path, counted without the code that reads them for scoring; without those
        that can't be counted, or are not as `files` has them any more.

        is_named: whether the name of a file that Spark reads, `_metadata.file_name`, is one of this format.
        """

    def restore(self, waiting: DataFrame, *, source: SourceConfig, contract: Contract) -> list[Restored]:
        """Rows of the quarantine that came from files of this format, checked again: those that can be."""

    def stream_reader(self, source: SourceConfig, contract: Contract) -> StreamReader: ...

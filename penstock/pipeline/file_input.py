"""The rows of a batch's files: read once where one table comes from them, else kept while the batch runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from penstock.pipeline.batch import MicroBatch, RejectedRows, StagedWrites
from penstock.pipeline.delivered_files import delete_accepted_files
from penstock.pipeline.workload import workload_of
from penstock.sources.reading import accepted_rows, checked_rows
from penstock.sources.rejections import CheckedRows, counted_apart, counted_while_read, persisted_and_counted


@dataclass(frozen=True)
class FileInput:
    """rows: None where no file is accepted."""

    batch: MicroBatch
    rows: CheckedRows | None

    def stage(self) -> StagedWrites:
        if self.rows is None:
            return StagedWrites(commit=lambda: None)
        pipeline = self.batch.pipeline
        accepted = accepted_rows(self.rows.observed_rows, pipeline.contract)
        return workload_of(pipeline.config).stage(self.batch, accepted)

    def rejected(self, staged: StagedWrites) -> RejectedRows:
        if self.rows is None:
            return RejectedRows(rows=None, expected=0)
        counts = self.rows.count(staged.rows)
        files = self.batch.plan.files_with("accepted")
        return RejectedRows(rows=self.rows.rejected(counts, files), expected=counts.rejected)

    def after_marker(self) -> None:
        delete_accepted_files(self.batch.pipeline, self.batch.plan)


@contextmanager
def file_input(batch: MicroBatch) -> Iterator[FileInput]:
    pipeline, files = batch.pipeline, batch.plan.files_with("accepted")
    headers = sum(len(file.head) for file in files)
    rows = checked_rows(pipeline.spark, files, contract=pipeline.contract, source=pipeline.config.source)
    if rows is None:
        yield FileInput(batch, None)
    elif workload_of(pipeline.config).reads_once:
        yield FileInput(batch, counted_while_read(rows, headers=headers))
    elif not headers:
        yield FileInput(batch, counted_apart(rows, headers=headers))
    else:
        # Text is parsed at each read, which costs more than keeping the rows.
        with persisted_and_counted(rows, headers=headers) as persisted:
            yield FileInput(batch, persisted)

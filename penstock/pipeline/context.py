"""A running pipeline: its config with everything made from it, handed from function to function."""

from dataclasses import dataclass
from functools import cached_property

from pyspark.sql import SparkSession

from penstock.config.pipeline import PipelineConfig
from penstock.models.candidate import CandidateSelector
from penstock.models.selection import ModelSelector
from penstock.pipeline.done_files import DoneFiles, MovedFiles, read_done_files, read_moved_files
from penstock.pipeline.exogenous_pins import ExogenousPins
from penstock.pipeline.lease import Lease
from penstock.schemas.contract import Contract
from penstock.storage.files import Storage


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """What every micro-batch needs.

    done: the last batch of the checkpoint's query with a marker, by its id, as it was at the start; a batch that Spark
    runs again can only be the first of a process. old_queries: earlier query ids whose files the ledger counts as done.
    former_inboxes: earlier paths of the inbox. selector: None in a pipeline without a model.
    """

    spark: SparkSession
    config: PipelineConfig
    contract: Contract
    storage: Storage
    selector: ModelSelector | None
    lease: Lease
    done: dict[str, int]
    old_queries: tuple[str, ...]
    former_inboxes: tuple[str, ...] = ()

    @property
    def the_selector(self) -> ModelSelector:
        """Of a pipeline with a model."""
        if self.selector is None:
            raise ValueError(f"{self.config.pipeline} has no model")
        return self.selector

    @cached_property
    def candidates(self) -> CandidateSelector | None:
        """None in a pipeline without an experiment."""
        if self.selector is None or self.config.experiment is None:
            return None
        return CandidateSelector(models=self.selector, experiment=self.config.experiment)

    @property
    def contract_hash(self) -> str:
        return self.contract.content_hash

    @cached_property
    def exogenous(self) -> ExogenousPins:
        return ExogenousPins(spark=self.spark, config=self.config, storage=self.storage)

    @cached_property
    def done_files(self) -> DoneFiles:
        """The files that `old_queries` and replays have finished; read when a batch first asks. Raises LedgerError."""
        return read_done_files(self.config, self.old_queries)

    @cached_property
    def moved_files(self) -> MovedFiles:
        """The files of `former_inboxes`; read when a batch first asks. Raises LedgerError."""
        return read_moved_files(self.config, self.former_inboxes)

"""The plans of rescores: all that their answers depend on, fixed in one file before anything is written.

They lie beside the tables, numbered from 0. `<n>.json` is the plan, `<n>/<chunk>.json` says what a chunk came to,
`<n>.done` that nothing is left to do. A rescore that was interrupted is finished by the next run of its command, or
given up, which `<n>.given-up` says has begun.
"""

from datetime import datetime
from typing import Literal

from pydantic import ValidationError

from penstock.config.pipeline import PipelineConfig
from penstock.config.sections import FrozenModel
from penstock.errors import PlanError, RescoreError
from penstock.models.pinned import PinnedModel
from penstock.pipeline.plan import plan_numbers
from penstock.series.exogenous_values import ExogenousSource
from penstock.storage.delta_transactions import Transaction
from penstock.storage.files import Storage

#: shadow: beside the answers of the window; replace: in their place.
Purpose = Literal["shadow", "replace"]
#: What the rows of a rescore have as their role; a forecast of the model's fallback has that of the fallback.
ROLES: dict[Purpose, str] = {"shadow": "shadow", "replace": "rescored"}


class RescoreRequest(FrozenModel):
    """What was asked for. Of rows those with scored_at in [begin, end), of series the cutoffs in it; UTC. version: a
    number, or an alias as `@champion`."""

    begin: datetime
    end: datetime
    version: str
    purpose: Purpose

    @property
    def options(self) -> str:
        """As the options of the command."""
        begin, end = (moment.isoformat().replace("+00:00", "Z") for moment in (self.begin, self.end))
        return f"--from {begin} --to {end} --version {self.version} --as {self.purpose}"


class PlannedBatch(FrozenModel):
    """A finished batch with its number of rows. scored_at: when it was scored by its own stream, whatever rescore came
    after that."""

    query_id: str
    batch_id: int
    rows: int
    scored_at: datetime


class Chunk(FrozenModel):
    """What is written at once: of rows whole batches; of series the observations with ds in [begin, end)."""

    rows: int
    batches: tuple[PlannedBatch, ...] = ()
    begin: datetime | None = None
    end: datetime | None = None


class RescorePlan(FrozenModel):
    """sha256: of the model's files. source_version: of the table that the inputs are read from (predictions or
    observations); answers_version: of the one that has the answers of the window (predictions or forecasts). finished:
    by query id its last finished batch. last_replay: -1 where there was none. penstock: the version that made it."""

    number: int
    planned_at: datetime
    request: RescoreRequest
    model: PinnedModel
    sha256: str
    contract_hash: str
    config_hash: str
    source_version: int
    answers_version: int
    finished: dict[str, int]
    last_replay: int
    chunks: tuple[Chunk, ...]
    exogenous: ExogenousSource | None = None
    penstock: str = ""

    @property
    def rows(self) -> int:
        return sum(chunk.rows for chunk in self.chunks)

    @property
    def replaces(self) -> bool:
        return self.request.purpose == "replace"

    @property
    def described(self) -> str:
        return f"rescore {self.number}"

    def transaction(self, pipeline: str, chunk: int) -> Transaction:
        """The key of a chunk's writes, into whichever table."""
        return rescore_transaction(pipeline, self.number, chunk)

    def swap_transaction(self, pipeline: str) -> Transaction:
        """The key of the replacement, as if it were a chunk after the last one."""
        return rescore_transaction(pipeline, self.number, len(self.chunks))


class ChunkRecord(FrozenModel):
    """Of one chunk: the rows that it appends to `rescored_predictions` or `rescored_observations`, and of series those
    to `rescored_forecasts`. change: sum of the absolute changes of `changes` predictions or forecasts, those that are
    numbers before and after."""

    rows: int
    forecasts: int = 0
    answers: int = 0
    changed: int = 0
    changes: int = 0
    change: float | None = None
    failed_before: int = 0
    failed_after: int = 0


class RescoreRecord(FrozenModel):
    """What a finished rescore came to. rows: predictions or observations that were scored again. answers: predictions
    or forecasts that can be compared, since there was one before too, and changed: those that are others now. mean
    absolute change: over answers that are numbers, null where there are none. failed: predictions with an error, or
    observations without a forecast."""

    number: int
    purpose: Purpose
    model_name: str
    model_version: str
    begin: datetime
    end: datetime
    finished_at: datetime
    rows: int
    answers: int
    changed: int
    mean_absolute_change: float | None = None
    failed_before: int
    failed_after: int


def rescore_transaction(pipeline: str, number: int, batch_id: int) -> Transaction:
    return Transaction(pipeline=pipeline, query_id=f"rescore:{number}", batch_id=batch_id)


def answer_tables(config: PipelineConfig) -> tuple[str, ...]:
    """What a rescore appends to, in the order of its writes."""
    return ("rescored_predictions",) if config.workload == "rows" else ("rescored_forecasts", "rescored_observations")


def replaced_tables(config: PipelineConfig) -> tuple[str, ...]:
    """What a replacement changes, in the order of its writes."""
    return ("predictions",) if config.workload == "rows" else ("forecasts", "observations")


def source_table(config: PipelineConfig) -> str:
    return "predictions" if config.workload == "rows" else "observations"


def rescore_folder(config: PipelineConfig) -> str:
    return f"{config.tables.root}/_rescores"


def rescore_lease_path(tables_root: str) -> str:
    return f"{tables_root}/_rescore_lease"


def rescore_path(config: PipelineConfig, number: int) -> str:
    return f"{rescore_folder(config)}/{number}.json"


def rescore_done_path(config: PipelineConfig, number: int) -> str:
    return f"{rescore_folder(config)}/{number}.done"


def rescore_given_up_path(config: PipelineConfig, number: int) -> str:
    return f"{rescore_folder(config)}/{number}.given-up"


def chunk_path(config: PipelineConfig, number: int, chunk: int) -> str:
    return f"{rescore_folder(config)}/{number}/{chunk}.json"


def rescore_numbers(config: PipelineConfig, storage: Storage) -> list[int]:
    return plan_numbers(storage, rescore_folder(config))


def read_rescore(config: PipelineConfig, storage: Storage, number: int) -> RescorePlan | None:
    """Raises PlanError for a file that is no plan of a rescore."""
    path = rescore_path(config, number)
    content = storage.read(path)
    if content is None:
        return None
    try:
        return RescorePlan.model_validate_json(content)
    except ValidationError as error:
        raise PlanError(
            f"{path}: is no plan of a rescore that this version can read: {error.errors()[0]['msg']}; restore it, and "
            "find out who writes there"
        ) from None


def read_chunk(config: PipelineConfig, storage: Storage, number: int, chunk: int) -> ChunkRecord | None:
    """What a chunk of rescore `number` came to. Raises PlanError for a file that does not say so."""
    path = chunk_path(config, number, chunk)
    content = storage.read(path)
    if content is None:
        return None
    try:
        return ChunkRecord.model_validate_json(content)
    except ValidationError as error:
        raise PlanError(
            f"{path}: is no record of a chunk that this version can read: {error.errors()[0]['msg']}; restore it, and "
            "find out who writes there"
        ) from None


def unfinished_rescore(config: PipelineConfig, storage: Storage) -> RescorePlan | None:
    """The plan of the interrupted rescore, if there is one; only the last can be. Raises PlanError."""
    numbers = rescore_numbers(config, storage)
    if not numbers or storage.status(rescore_done_path(config, numbers[-1])):
        return None
    return read_rescore(config, storage, numbers[-1])


def refuse_unfinished_replacement(config: PipelineConfig, storage: Storage) -> None:
    """Raises RescoreError: a recomputation of series between the two commits of a replacement would be half undone."""
    plan = unfinished_rescore(config, storage)
    if plan is not None and plan.replaces:
        raise RescoreError(
            f"{plan.described} of {plan.planned_at:%Y-%m-%d %H:%M:%S} is unfinished, and would replace forecasts that "
            f"a replay of late observations makes. Finish it: penstock rescore {plan.request.options}; or give it up: "
            "penstock rescore --give-up (each with the --conf of this pipeline); then replay"
        )

"""The plans of evaluations. They lie beside the tables, whatever checkpoint the stream has.

An evaluation is a batch of the query EVALUATE_QUERY, numbered from 0. Its file `<n>.json` is its plan, created
atomically; `<n>.done` says that its rows are in `evaluations`, and has its EvaluationRecord. Only the last can be
unfinished: the table drops the rows of one whose successor is there, so that none is planned before the one before it
is done.
"""

from datetime import datetime

from pydantic import Field, ValidationError

from penstock.config.evaluation import EvaluateConfig, LabelsConfig
from penstock.config.pipeline import PipelineConfig
from penstock.config.sections import FrozenModel
from penstock.errors import LedgerError, PlanError
from penstock.pipeline.batch_ranges import Batches
from penstock.pipeline.evaluation.record import evaluation_folder
from penstock.pipeline.plan import plan_numbers
from penstock.storage.delta_transactions import Transaction, last_transaction
from penstock.storage.files import Storage

EVALUATE_QUERY = "evaluate"


class SeriesSpan(FrozenModel):
    """Bounds of what is read: forecasts and observations from first_cutoff on, actuals from first_ds to last_ds."""

    first_cutoff: datetime
    first_ds: datetime
    last_ds: datetime


class LabelSpan(FrozenModel):
    """How far evaluations have come with labels and the predictions that they are for.

    first_labelled_at, last_labelled_at: of the labels that this evaluation looks at. predictions: the batches that it
    sees. mature_until: rows up to this time do not wait; never earlier than before, whatever became of `matures_after`.
    look_back_seconds: the longest so far. open_from: by query of the labels, the first batch that has labels whose row
    is missing, or waits. has_waiting: whether a row waits to mature.
    """

    first_labelled_at: datetime
    last_labelled_at: datetime
    predictions: Batches
    mature_until: datetime
    look_back_seconds: float
    open_from: Batches = Field(default_factory=dict)
    has_waiting: bool = True
    labels: LabelsConfig


class EvaluationPlan(FrozenModel):
    """All that the rows of an evaluation depend on.

    after, until: the batches that bring its actuals (of a pipeline of rows: of the pipeline of its labels), by query:
    later than `after`, up to `until`; of a final one all up to `until`. taken: up to where evaluations that are not
    final have come with this one. actuals: how many there are. actuals_version, answers_version: of the tables
    observations and forecasts, or labels and predictions. earlier, labels: of rows, the LabelSpan before this
    evaluation and its own; earlier is None where nothing is open of it. labels_root: of rows, where the tables of the
    labels lie whose batches `taken` counts.
    """

    number: int
    planned_at: datetime
    penstock: str
    is_final: bool = False
    after: Batches
    until: Batches
    taken: Batches
    actuals: int
    actuals_version: int
    answers_version: int
    evaluate: EvaluateConfig
    series: SeriesSpan | None = None
    earlier: LabelSpan | None = None
    labels: LabelSpan | None = None
    labels_root: str | None = None

    @property
    def labels_taken(self) -> LabelSpan | None:
        """How far evaluations that are not final have come with this one."""
        return self.earlier if self.is_final else self.labels

    def transaction(self, pipeline: str) -> Transaction:
        return Transaction(pipeline=pipeline, query_id=EVALUATE_QUERY, batch_id=self.number)


def evaluation_path(config: PipelineConfig, number: int) -> str:
    return f"{evaluation_folder(config.tables.root)}/{number}.json"


def evaluation_done_path(config: PipelineConfig, number: int) -> str:
    return f"{evaluation_folder(config.tables.root)}/{number}.done"


def read_evaluation_plan(config: PipelineConfig, storage: Storage, number: int) -> EvaluationPlan:
    """Raises PlanError for a file that is not a plan, or that has vanished."""
    path = evaluation_path(config, number)
    try:
        return EvaluationPlan.model_validate_json(storage.read(path) or b"")
    except ValidationError as error:
        raise PlanError(
            f"{path}: is not the plan of an evaluation that this version can read: {error.errors()[0]['msg']}; restore "
            "it, or finish the evaluation with the version of Penstock that began it"
        ) from None


def last_evaluation(config: PipelineConfig, storage: Storage) -> tuple[EvaluationPlan | None, bool]:
    """The plan of the last evaluation, and whether it is done; None before the first one.

    Raises PlanError, and LedgerError where plans and table do not belong together: an evaluation would be dropped, or
    leave a hole.
    """
    # Before the plans are listed: another evaluator may be at work, and makes its plan first.
    written = last_written(config)
    numbers = plan_numbers(storage, evaluation_folder(config.tables.root))
    last = numbers[-1] if numbers else -1
    is_done = bool(numbers) and storage.status(evaluation_done_path(config, last)) is not None
    folder, table = evaluation_folder(config.tables.root), config.table_path("evaluations")
    if written > last:
        raise LedgerError(
            f"the table {table} has evaluation {written}, and {folder} no plan of it: restore that folder, or delete "
            "both, and all is evaluated again"
        )
    finished = last if is_done else last - 1
    if written < finished and last_written(config) < finished:
        raise LedgerError(
            f"evaluation {finished} is done by {folder}, and the table {table} does not have it: restore the table, or "
            "delete both, and all is evaluated again"
        )
    return (read_evaluation_plan(config, storage, last) if numbers else None), is_done


def last_written(config: PipelineConfig) -> int:
    """The number of the last evaluation that the table has; -1 if it has none, or is not there."""
    application = Transaction(pipeline=config.pipeline, query_id=EVALUATE_QUERY, batch_id=0).application
    written = last_transaction(config, "evaluations", application)
    return -1 if written is None else written

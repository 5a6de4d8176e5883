"""What evaluations of series and of rows have in common: both read the tables to plan, then to judge by the plan."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, Self

from pyspark.sql import DataFrame, SparkSession

from penstock.config.evaluation import EvaluateConfig
from penstock.config.evaluation_defaults import loss_of
from penstock.config.pipeline import PipelineConfig
from penstock.pipeline.batch_ranges import Batches, farthest, later_than
from penstock.pipeline.code_version import own_version
from penstock.pipeline.evaluation.plans import EvaluationPlan
from penstock.schemas.contract import Contract
from penstock.spark.tables import snapshot_version
from penstock.storage.files import Storage


@dataclass(frozen=True, kw_only=True)
class Versions:
    """Of the tables that an evaluation reads; None: the newest, where those of its plan can't be read any more."""

    actuals: int | None
    answers: int | None

    @classmethod
    def of(cls, plan: EvaluationPlan) -> Self:
        return cls(actuals=plan.actuals_version, answers=plan.answers_version)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What an evaluation found. plan: complete, as it is to be fixed; None where there is nothing to evaluate. pairs:
    PAIR_COLUMNS. unmatched, waiting, unlabelled: see EvaluationRecord."""

    plan: EvaluationPlan | None
    pairs: DataFrame
    unmatched: int = 0
    waiting: int = 0
    unlabelled: int | None = None


class Judge(Protocol):
    @property
    def table_paths(self) -> tuple[str, str]:
        """Of the actuals, and of the answers."""

    def draft(self, last: EvaluationPlan | None, *, is_final: bool) -> EvaluationPlan | None:
        """The next evaluation, but for what only the rows say; None if no batch has brought anything.

        Raises ConfigError, LedgerError.
        """

    def judged(self, plan: EvaluationPlan, versions: Versions) -> AbstractContextManager[Judged]:
        """plan: or a draft. Raises ConfigError."""

    def unlabelled(self, at: datetime) -> int | None:
        """Answers that no label came for, at a time; None for series. Raises ConfigError, LedgerError."""


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """The pipeline whose answers are judged."""

    spark: SparkSession
    config: PipelineConfig
    storage: Storage
    contract: Contract

    @property
    def settings(self) -> EvaluateConfig:
        """The section `evaluate`, with its defaults where there is none, and the loss that none means."""
        given = self.config.evaluate or EvaluateConfig()
        return given.model_copy(update={"loss": loss_of(self.config)})


def draft_of(
    evaluated: Evaluated, judge: Judge, last: EvaluationPlan | None, *, until: Batches, is_final: bool
) -> EvaluationPlan:
    """What both kinds of drafts have. until: the finished batches of the pipeline that brings the actuals."""
    now, taken = datetime.now(UTC), last.taken if last else {}
    actuals, answers = (snapshot_version(evaluated.spark, path) for path in judge.table_paths)
    return EvaluationPlan(
        number=last.number + 1 if last else 0,
        # A clock that was set back makes no evaluation older than the one before it.
        planned_at=max(now, last.planned_at) if last else now,
        penstock=own_version(),
        is_final=is_final,
        after={} if is_final else taken,
        until=until if is_final else later_than(taken, until),
        taken=taken if is_final else farthest(taken, until),
        actuals=0,
        actuals_version=actuals,
        answers_version=answers,
        evaluate=evaluated.settings,
    )

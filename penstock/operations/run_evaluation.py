"""Runs jobs/evaluate.py: evaluate what has come true, beside a running stream if there is one, and sum it up."""

import logging
from dataclasses import dataclass

from penstock.config.evaluation_defaults import loss_of, steps_of
from penstock.config.loading import load_contract
from penstock.config.pipeline import PipelineConfig
from penstock.errors import DecisionError, PenstockError
from penstock.operations.model_store import live
from penstock.operations.model_store.measures import VersionMeasures, measures
from penstock.operations.model_store.table_rows import read_columns
from penstock.pipeline.decisions.controller import Controller
from penstock.pipeline.decisions.files import Decided
from penstock.pipeline.decisions.in_stream import decide_by_standing
from penstock.pipeline.evaluation.evaluator import Evaluator
from penstock.pipeline.evaluation.labels_source import LabelsSource
from penstock.pipeline.evaluation.record import EvaluationRecord
from penstock.spark.pipeline_settings import jit_of, settings_of
from penstock.spark.session import build_session
from penstock.storage.files import BATCH_RETRY_SECONDS, Storage
from penstock.storage.routing import storage_of

#: For another process that decides.
WAIT_SECONDS = 15.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EvaluationReport:
    """evaluations: those that this run has finished. decisions: made by what has come true, or cut off before and now
    finished; none in a pipeline without an experiment. summary: of the table `evaluations`, by version, variable and
    the steps of evaluate.steps; sums of another loss are left out."""

    evaluations: list[EvaluationRecord]
    decisions: list[Decided]
    summary: list[VersionMeasures]
    is_final: bool

    def as_json(self) -> dict[str, object]:
        return {
            "evaluations": [record.model_dump(mode="json") for record in self.evaluations],
            "decisions": [
                {
                    "decision": one.decision.model_dump(mode="json"),
                    "outcome": one.outcome.model_dump(mode="json") if one.outcome else None,
                }
                for one in self.decisions
            ],
            "is_final": self.is_final,
            "summary": [row.model_dump(mode="json") for row in self.summary],
        }


def run_evaluation(config: PipelineConfig, *, is_final: bool) -> EvaluationReport:
    """Raises ConfigError, DecisionError where it has evaluated, and could not decide, and the errors of
    Evaluator.evaluate and `summarised`."""
    contract = load_contract(config)
    if config.workload != "series":
        LabelsSource.of(config, contract)  # what it would raise needs no Spark
    spark = build_session(
        f"penstock-evaluation-{config.pipeline}", settings=settings_of(config), jit=jit_of(config, once=True)
    )
    storage = storage_of(config, retry_seconds=BATCH_RETRY_SECONDS)
    records = Evaluator.of(spark, config, storage).evaluate(is_final=is_final)
    return EvaluationReport(
        evaluations=records,
        decisions=[] if is_final else decided_now(config, storage),
        summary=summarised(config, is_final=is_final),
        is_final=is_final,
    )


def decided_now(config: PipelineConfig, storage: Storage) -> list[Decided]:
    """By what has come true. Raises DecisionError: no stream is here that would try it again."""
    if config.experiment is None:
        return []
    controller = Controller.of(config, storage, by="evaluate", wait_seconds=WAIT_SECONDS)
    try:
        return decide_by_standing(controller)
    except (PenstockError, OSError) as error:
        raise DecisionError(
            f"what has come true is evaluated, and nothing was decided by it: {error}; run penstock evaluate again"
        ) from error


def summarised(config: PipelineConfig, *, is_final: bool) -> list[VersionMeasures]:
    """The newest version last. Raises EnvironmentCheckError if the table can't be read."""
    with read_columns(config, {"evaluations": live.COLUMNS}) as tables:
        sums = live.read_sums(tables, loss=loss_of(config), is_final=is_final)
    steps = steps_of(config)
    return [
        VersionMeasures(version=one.version, variable=one.variable, step=one.step, **measures([one]))
        for one in sorted(sums, key=lambda one: (len(one.version), one.version))
        if one.step is None or one.step in steps
    ]

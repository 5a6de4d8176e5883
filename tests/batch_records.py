"""Finished micro-batches made by hand, and the config of a pipeline whose metrics tell of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from penstock.config.pipeline import PipelineConfig
from penstock.models.pinned import PinnedModel
from penstock.pipeline.batch_record import BatchRecord, FileCount, ForecastCount
from penstock.pipeline.evaluation.record import EvaluationRecord
from penstock.pipeline.plan import Plan, PlannedExperiment
from penstock.pipeline.shadow_counts import ShadowCount
from penstock.sources.files import PlannedFile

STARTED = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
CONFIG = {
    "pipeline": "wine",
    "workload": "rows",
    "source": {"path": "/in"},
    "contract": "schemas.wine:CONTRACT",
    "model": {"name": "wine-quality"},
    "tables": {"root": "/out/tables"},
    "checkpoint": "/out/checkpoint",
    "trigger": {"every": "5 minutes"},
    "mlflow": {"tracking_uri": "sqlite:////out/mlflow.db"},
}


def metrics_config(**metrics: object) -> PipelineConfig:
    return PipelineConfig.model_validate(CONFIG | ({"metrics": metrics} if metrics else {}))


def series_config(**metrics: object) -> PipelineConfig:
    series = {"variables": ["realgdp"], "frequency": "QS"}
    changes = {"pipeline": "macro", "workload": "series", "series": series, "metrics": metrics}
    return PipelineConfig.model_validate(CONFIG | changes)


def batch_record(
    counts: dict[str, FileCount],
    *,
    refused_files: tuple[str, ...] = (),
    version: str = "1",
    refused_versions: dict[str, str] | None = None,
    refused_candidates: dict[str, str] | None = None,
    seconds: float = 4.0,
    timings: dict[str, float] | None = None,
    forecasts: ForecastCount | None = None,
    candidate: str | None = None,
    shadow: ShadowCount | None = None,
    model_seconds: dict[str, float] | None = None,
    **experiment: Any,
) -> BatchRecord:
    """A batch of the files in `counts` and of refused ones; it took `seconds` from noon on. candidate: of a shadow,
    but for what `experiment` says."""
    accepted = tuple(PlannedFile(path=path, verdict="accepted") for path in counts)
    refused = tuple(PlannedFile(path=path, verdict="refused") for path in refused_files)
    models = [PinnedModel(name="wine-quality", version=version, role="champion", source="", created_milliseconds=0)]
    running = None
    if candidate is not None:
        models.append(models[0].model_copy(update={"version": candidate, "role": "candidate"}))
        given = {"mode": "shadow", "fraction": 1.0, "key": (), "salt": "s", "began_at": STARTED}
        running = PlannedExperiment.model_validate(given | experiment)
    plan = Plan(
        query_id="q",
        batch_id=0,
        planned_at=STARTED,
        contract_hash="",
        config_hash="",
        files=accepted + refused,
        models=tuple(models),
        experiment=running,
        refused_candidates=refused_candidates or {},
        refused_versions=refused_versions or {},
        resolved_at=STARTED,
    )
    return BatchRecord(
        plan=plan,
        pipeline="wine",
        counts=counts,
        forecasts=forecasts,
        started_at=STARTED,
        finished_at=STARTED + timedelta(seconds=seconds),
        seconds=timings or {},
        shadow=shadow,
        model_seconds=model_seconds or {},
    )


def evaluation_record(number: int, **changes: object) -> EvaluationRecord:
    """Of 6 new observations: 48 pairs, 8 of them without an answer, 40 with a loss, 36 within."""
    counts = {"actuals": 6, "pairs": 48, "failed": 8, "scored": 40, "within": 36}
    when = {"evaluated_at": STARTED + timedelta(hours=number)}
    return EvaluationRecord.model_validate({"number": number, **counts, **when, **changes})

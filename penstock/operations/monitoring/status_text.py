"""Formats a pipeline's status as text."""

from datetime import UTC, datetime

from penstock.operations.monitoring.experiment_status import decision_texts, experiment_text
from penstock.operations.monitoring.status import LastBatch, Status
from penstock.pipeline.evaluation.record import EvaluationRecord
from penstock.series.reasons import fallbacks_text, reasons_text, without_fallbacks

SHOWN_REASONS = 10


def as_text(status: Status) -> str:
    lines = [
        ("pipeline", status.pipeline),
        ("running", status.running or "no"),
        ("last batch", batch_text(status)),
        *([("series", series_text(status.last_batch))] if status.workload == "series" else []),
        ("backlog", f"{status.backlog_files:,} files"),
        *([("model", model_text(status))] if status.workload != "labels" else []),
        *([("evaluation", evaluation_text(status.last_evaluation, status))] if status.last_evaluation else []),
        *experiment_lines(status),
        ("quarantine", quarantine_text(status)),
    ]
    return "\n".join(f"{name:<11} {text}" for name, text in lines)


def experiment_lines(status: Status) -> list[tuple[str, str]]:
    found = status.experiment
    if found is None:
        return []
    return [("experiment", experiment_text(found)), *[("decision", text) for text in decision_texts(found)]]


def batch_text(status: Status) -> str:
    batch = status.last_batch
    if batch is None:
        return "none yet"
    parts = [
        f"{batch.batch_id}, {age_text(batch.age_seconds)} ago: {batch.rows_in:,} rows in {batch.seconds:g} s",
        *accepted_texts(status, batch),
        f"{batch.quarantined:,} quarantined",
        *([f"{batch.failed:,} failed"] if status.workload != "labels" else []),
    ]
    if batch.files_refused:
        parts.append(f"{batch.files_refused} files refused")
    rate = f" ({batch.rows_per_second:,g} rows/s)" if batch.rows_per_second is not None else ""
    return ", ".join(parts) + rate


def accepted_texts(status: Status, batch: LastBatch) -> list[str]:
    """What became of the accepted rows. An accepted observation is not a forecast: it may be warming up."""
    if status.workload == "rows":
        return [f"{batch.accepted - batch.failed:,} scored"]
    if status.workload == "labels" or batch.with_forecast is None or batch.without_forecast is None:
        return [f"{batch.accepted:,} accepted"]
    made = [f"{batch.with_forecast:,} with a forecast"]
    if by_fallback := fallbacks_text(batch.without_forecast):
        made.append(by_fallback)
    reasons = without_fallbacks(batch.without_forecast)
    without = sum(reasons.values())
    return [*made, f"{without:,} without" + (f" ({reasons_text(reasons)})" if without else "")]


def series_text(batch: LastBatch | None) -> str:
    if batch is None:
        return "none yet"
    if batch.series is None or batch.series_without_forecast is None:
        return "not counted in the last batch: it is a recomputation, or of an earlier version"
    without = f"{batch.series_without_forecast:,} of them without a forecast of a VAR in it"
    return f"{batch.series:,} in the last batch, {without}"


def model_text(status: Status) -> str:
    model = status.model
    if model is None:
        return "none yet"
    refused = "".join(f"; version {version} refused: {reason}" for version, reason in model.refused.items())
    beside, candidate = "", status.candidate
    is_named_below = status.experiment is not None and status.experiment.running is not None
    if candidate is not None and not is_named_below:
        bake = ", bake" if candidate.is_bake else ""
        beside = f"; beside it version {candidate.version} ({candidate.mode}, {100 * candidate.fraction:g}%{bake})"
        beside += f" since {moment(candidate.began_at)}"
    beside += "".join(f"; candidate {number} refused: {why}" for number, why in status.refused_candidates.items())
    return f"{model.name} version {model.version} since {moment(model.since)}{refused}{beside}"


def evaluation_text(record: EvaluationRecord, status: Status) -> str:
    """What came true last; `penstock models` has it by version."""
    age_seconds = (datetime.now(UTC) - record.evaluated_at).total_seconds()
    what = "observations" if status.workload == "series" else "labels"
    parts = [f"{record.number}, {age_text(age_seconds)} ago: {record.pairs:,} pairs of {record.actuals:,} new {what}"]
    if status.workload == "series" and record.coverage is not None:
        parts.append(f"{record.coverage:.1%} within their intervals")
    others = {"without an answer": record.failed, "labels unmatched": record.unmatched, "too young": record.waiting}
    parts += [f"{count:,} {name}" for name, count in others.items() if count]
    if record.unlabelled is not None:
        parts.append(f"{record.unlabelled:,} rows without a label")
    return ", ".join(parts)


def quarantine_text(status: Status) -> str:
    if not status.quarantine:
        return "nothing in the last 24 h"
    shown = [f"{reason.entries:>8,}  {reason.stage}: {reason.reason}" for reason in status.quarantine[:SHOWN_REASONS]]
    more = len(status.quarantine) - len(shown)
    return "\n".join(["in the last 24 h, by reason:", *shown, *([f"{more:>8,}  more reasons"] if more else [])])


def age_text(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"

"""What a replay did, in a line."""

from penstock.pipeline.batch_record import BatchRecord
from penstock.pipeline.plan import LateReplay
from penstock.series.reasons import outcome_texts, reasons_text


def report(record: BatchRecord) -> str:
    plan = record.plan
    if isinstance(plan.replay, LateReplay):
        what = "series with late observations or revisions recomputed"
        return f"replay {plan.batch_id}: {what}, by version {plan.champion.version}"
    if plan.models:
        how = f", by version {plan.champion.version}"
    else:
        how = f" ({reasons_text(record.outcomes)})" if record.outcomes else ""
    parts = [
        f"replay {plan.batch_id}: {record.accepted:,} rows accepted{how}",
        f"{record.quarantined:,} rejected for other reasons than before",
    ]
    if plan.files_with("accepted"):
        parts.append(f"{len(plan.files_with('accepted'))} refused files read")
    if record.forecasts:
        parts += outcome_texts(record.forecasts.without_forecast)
    if record.failed:
        parts.append(f"{record.failed:,} failed in the model")
    return ", ".join(parts)

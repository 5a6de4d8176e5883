"""The facts that explanations of predictions and forecasts have in common, as lines of text."""

from datetime import datetime
from typing import Any

from penstock.models.inspection.report import moment
from penstock.operations.explain.report import AgainFacts, Batch, Beside, File, Labels, ModelFacts, PlanFacts

SHOWN_LINES = 5
NAMES = 10


def line(name: str, text: str) -> str:
    return f"{name:{NAMES}}{text}"


def shown(value: Any) -> str:
    """A number with all digits that tell it from the next one."""
    match value:
        case datetime():
            return time_text(value)
        case dict():
            return "{" + ", ".join(f"{name}: {shown(one)}" for name, one in value.items()) + "}"
        case None:
            return "null"
        case _:
            return str(value)


def time_text(time: datetime | None) -> str:
    """To the second, in UTC."""
    return moment(time.replace(tzinfo=None, microsecond=0)) if time else "unknown"


def batch_text(batch: Batch) -> str:
    return f"batch {batch.batch_id} of query {batch.query_id[:8]}"


def answered_text(batch: Batch, model: ModelFacts, beside: Beside | None) -> str:
    rescored = f", by rescore {batch.rescore_id}" if batch.rescore_id is not None else ""
    started = f", in a batch begun {time_text(batch.started_at)}" if batch.started_at else ""
    whose = f"{batch.role} {model.name}/{model.version}{beside_text(beside)}"
    return f"by {whose}, {time_text(batch.scored_at)} UTC{rescored}{started}"


def beside_text(beside: Beside | None) -> str:
    """In words, after the version whose answer stands."""
    if beside is None:
        return ""
    # Of series there is no failure where the history is too short, or has a hole.
    why = f"has no forecast: {beside.error}" if beside.of else f"failed: {beside.error}"
    said = f"said {shown(beside.answer)}" if beside.error is None else why
    of = f" for {beside.of}" if beside.of and beside.error is None else ""
    canary = " of a canary" if beside.role == "champion" else ""
    return f"{canary} ({beside.role}: {beside.model_version or 'another version'} {said}{of})"


def file_lines(file: File) -> list[str]:
    known = [f"{file.length:,} bytes"] if file.length is not None else []
    known += [time_text(file.modified_at)] if file.modified_at else []
    lines = [line("file", f"{', '.join([file.path, *known])}, {file.now}")]
    return [*lines, line("", rows_text(file))] if file.found else lines


def rows_text(file: File) -> str:
    found = file.found
    assert found is not None
    if not found.numbers:
        return f"line unknown: {found.unknown}"
    numbers = ", ".join(f"{number:,}" for number in found.numbers[:SHOWN_LINES])
    more = f" and {len(found.numbers) - SHOWN_LINES:,} more" if len(found.numbers) > SHOWN_LINES else ""
    equal = "" if len(found.numbers) == 1 else f"; these {len(found.numbers):,} are equal, and have the same answer"
    loosely = f" (not compared: {', '.join(found.not_compared)})" if found.not_compared else ""
    return f"{found.unit}{'s' if len(found.numbers) > 1 else ''} {numbers}{more} of it{equal}{loosely}"


def plan_lines(plan: PlanFacts) -> list[str]:
    if plan.path is None:
        return [line("plan", plan.missing)]
    return [
        line("plan", f"{plan.path}, of {time_text(plan.planned_at)}"),
        line(
            "code",
            f"penstock {plan.code}, contract {hash_text(plan.contract_hash, plan.has_same_contract)}, "
            f"config {hash_text(plan.config_hash, plan.has_same_config)}",
        ),
    ]


def hash_text(digest: str | None, is_same: bool | None) -> str:
    return f"{(digest or '')[:8]} ({'as now' if is_same else 'another one now'})"


def model_lines(model: ModelFacts) -> list[str]:
    facts = [
        *([f"created {time_text(model.created_at)}"] if model.created_at else []),
        f"run {model.run_id}" if model.run_id else "without a run",
        f"git {model.git_commit[:8]}" if model.git_commit else "no git commit",
        f"SHA-256 {model.sha256}" if model.sha256 else "its files are not here",
        f"aliases now: {', '.join(model.aliases)}" if model.aliases else "no alias now",
    ]
    lines = [line("model", f"{model.name}/{model.version}, {', '.join(facts)}")]
    if model.trained_on:
        lines.append(line("", f"trained on {'; '.join(model.trained_on)}"))
    if model.fitted_until:
        lines.append(line("", f"fitted on observations until {moment(model.fitted_until.replace(tzinfo=None))}"))
    return lines


def again_lines(again: AgainFacts) -> list[str]:
    if again.is_equal is None:
        return [line("again", f"could not be computed again: {again.problem}")]
    value = again.error or shown(again.value)
    if not again.is_equal:
        return [line("again", f"NOT EQUAL when computed again: {again.difference or value}")]
    lines = [line("again", f"computed now: {value}, equal to the last bit")]
    if again.alone is not None:
        lines.append(
            line("", f"with the {again.together:,} rows that it was scored with; alone it is {shown(again.alone)}")
        )
    return lines


def label_lines(labels: Labels | None) -> list[str]:
    if labels is None:
        return []
    if labels.problem:
        return [line("label", f"unknown: {labels.problem}")]
    if not labels.found:
        return [line("label", "none yet")]
    lines = []
    for label in labels.found:
        loss = f"; {labels.loss_name} loss {label.loss:.6g}" if label.loss is not None else ""
        kind = f" ({label.error})" if label.error else ""
        lines.append(line("label", f"{shown(label.value)} since {time_text(label.labelled_at)}{kind}{loss}"))
    return lines

"""The versions of a model as lines of text, one a version."""

from collections.abc import Sequence
from datetime import datetime
from statistics import fmean

from penstock.operations.model_store.decided import decision_line
from penstock.operations.model_store.measures import Live
from penstock.operations.model_store.versions import ModelVersions, Training, VersionFacts

HEADS = ("version", "aliases", "created", "git", "training data", "hold-out", "batches", "pairs")
MEASURES = ("loss", "mae", "of naive", "coverage")
NONE = "-"
#: Rows have none.
NAIVE = "; of naive: mean absolute error over that of repeating the last observation, mean of the variables"
#: Of a git commit.
SHORT = 8
MAE, NAIVE_MAE, ACCURACY = "holdout_mae", "holdout_naive_mae", "holdout_accuracy"


def as_text(found: ModelVersions) -> str:
    now = f"version {found.answering} answers" if found.answering else "no version has answered yet"
    lines = [f"{found.name}, pipeline {found.pipeline}: {now}"]
    if found.problem:
        lines.append(f"nothing of the registry: {found.problem}")
    if not found.versions:
        return "\n".join([*lines, "the registry has no version of it yet"])
    lines += table([(*HEADS, *MEASURES), *map(row_of, found.versions)])
    lines += [f"version {one.version} refused: {one.refused}" for one in found.versions if one.refused]
    lines += [
        f"version {one.version} as candidate: {candidate_text(one.as_candidate)}"
        for one in found.versions
        if one.as_candidate
    ]
    lines += decision_lines(found)
    return "\n".join([*lines, legend(found)])


def candidate_text(live: Live) -> str:
    """What came true of its answers beside a champion's."""
    parts = [f"{live.pairs:,} pairs", f"loss {number(live.loss)}"]
    parts += [f"coverage {percent(live.coverage)}"] if live.coverage is not None else []
    parts += [f"{live.failed:,} without an answer"] if live.failed else []
    return ", ".join(parts)


def decision_lines(found: ModelVersions) -> list[str]:
    """Each once, though it is about two versions."""
    by_number = {one.number: one for version in found.versions for one in version.decisions}
    return [decision_line(by_number[number]) for number in sorted(by_number)]


def legend(found: ModelVersions) -> str:
    evaluated = [version.live for version in found.versions if version.live]
    naive = NAIVE if found.workload == "series" else ""
    if not evaluated:
        how = "penstock evaluate --conf ..."
        return f"* answers now. No answer is evaluated by the loss {found.loss} yet: {how}{naive}"
    steps = sorted({step for live in evaluated for step in live.steps})
    of = f", steps {', '.join(map(str, steps))}" if steps else ""
    came = "actual" if found.workload == "series" else "label"
    return f"* answers now. pairs and after: of answers whose {came} came (loss: {found.loss}{of}){naive}"


def row_of(version: VersionFacts) -> tuple[str, ...]:
    training, live = version.training, version.live
    return (
        ("* " if version.is_answering else "  ") + version.version,
        ", ".join(version.aliases) or NONE,
        minute(version.created_at),
        training.git_commit[:SHORT] if training and training.git_commit else NONE,
        data_text(training),
        holdout_text(training),
        f"{version.used.batches:,}" if version.used else NONE,
        f"{live.pairs:,}" if live else NONE,
        *(number(getattr(live, name) if live else None) for name in ("loss", "mae", "ratio_to_naive")),
        percent(live.coverage if live else None),
    )


def data_text(training: Training | None) -> str:
    """Name, version and rows; exogenous values are named too."""
    if training is None:
        return NONE
    named = []
    for data in training.data:
        version = f" version {data.version}" if data.version is not None else f" {data.digest}" if data.digest else ""
        named.append(data.name + version)
    rows = f" ({training.rows:,} rows)" if training.rows is not None else ""
    until = f" until {training.until}" if training.until else ""
    return (" + ".join(named) or NONE) + rows + until


def holdout_text(training: Training | None) -> str:
    """The mean absolute error or the accuracy of rows. Of series, whose variables have different units, the mean of
    their errors over the naive forecast's."""
    holdout = training.holdout if training else {}
    if MAE in holdout:
        return f"mae {number(holdout[MAE])}"
    if ACCURACY in holdout:
        return f"accuracy {number(holdout[ACCURACY])}"
    ratios = [
        value / holdout[f"{NAIVE_MAE}{variable}"]
        for name, value in holdout.items()
        if (variable := name.removeprefix(MAE)) != name and holdout.get(f"{NAIVE_MAE}{variable}")
    ]
    return f"{number(fmean(ratios))} of naive" if ratios else NONE


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def minute(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if time else NONE


def number(value: float | None) -> str:
    return NONE if value is None else f"{value:.4g}"


def percent(value: float | None) -> str:
    return NONE if value is None else f"{value:.1%}"

"""A comparison as text, and as JSON."""

import json
from dataclasses import asdict

from penstock.models.inspection.text import plain
from penstock.operations.compare.report import Comparison, Group, Score
from penstock.operations.compare.roles import ByRole
from penstock.operations.explain.fact_lines import time_text

IN_SAMPLE = "IN SAMPLE"


def as_json(found: Comparison | ByRole) -> str:
    """One object; a number that is not finite is null."""
    return json.dumps(plain(asdict(found)), indent=1, allow_nan=False, default=str)


def as_text(found: Comparison) -> str:
    lines = [
        f"{found.model}: versions {', '.join(found.versions)} on the same {found.pairs:,} pairs of answer and actual, "
        f"{time_text(found.first)} to {time_text(found.last)}{mark(found)}",
        *[
            f"version {version} fitted until {time_text(until)}"
            for version, until in found.fitted_until.items()
            if until
        ],
    ]
    unknown = [version for version, until in found.fitted_until.items() if until is None]
    if unknown:
        lines.append(f"not known until when version {', '.join(unknown)} was fitted: they may be in sample")
    if found.left_out_in_sample:
        lines.append(f"left out: {found.left_out_in_sample:,} pairs in sample (--in-sample counts them)")
    if found.left_out_failed:
        lines.append(f"left out: {found.left_out_failed:,} pairs that a version has no finite answer or loss of")
    of_steps = f", step {', '.join(map(str, found.steps))} (evaluate.steps)" if found.steps else ""
    lines.append(f"loss: {loss_text(found)}{of_steps}; DM: Diebold-Mariano test against version {found.versions[0]}")
    if any(score.hindsight for group in found.groups for score in group.scores):
        lines.append(
            "hindsight: pairs that a version answered after the actual had come, and another one before: its windows "
            "have values that were revised since"
        )
    before = None
    for group in found.groups:
        if group.by != before:
            lines += ["", f"by {group.by}" if group.by else "all"]
            before = group.by
        lines += group_lines(found, group)
    return "\n".join([*lines, *loser_lines(found)])


def roles_text(found: ByRole) -> str:
    """The pairs first: what they say is more certain."""
    lines = [
        f"canary: candidate {found.candidate} beside champion {found.champion}; on the rows that both answered:",
        "",
        as_text(found.paired),
    ]
    if not found.scores:
        return "\n".join(lines)
    lines += ["", "by role, on different rows (unpaired: chance counts for much more than above)"]
    for score in found.scores:
        loss = "no label yet" if score.loss is None else f"mean loss {score.loss:.4f}"
        lines.append(f"  {score.role} {score.version}: n {score.n:,}, {loss}")
    if found.failed:
        lines.append(
            f"  left out: {found.failed:,} of the candidate's rows that it failed on, which the champion answered"
        )
    if found.difference is not None:
        one = found.difference
        lines.append(
            f"  candidate less champion: {one.mean:.4f}, {one.lower:.4f} to {one.upper:.4f} "
            f"({found.level:.0%}, Welch; rows of one time are not independent, so that it is wider in truth)"
        )
    return "\n".join(lines)


def mark(found: Comparison) -> str:
    return f"  {IN_SAMPLE}" if found.in_sample else ""


def loss_text(found: Comparison) -> str:
    if found.loss_name == "wis":
        return f"weighted interval score over half the interval of version {found.versions[0]}"
    return found.loss_name


def group_lines(found: Comparison, group: Group) -> list[str]:
    head = f"{group.value}: " if group.by else ""
    lines = [f"  {head}n {group.pairs:,}, in {group.units:,} units of time{mark(found)}"]
    return lines + [f"    {score_text(found, score)}{mark(found)}" for score in group.scores]


def score_text(found: Comparison, score: Score) -> str:
    parts = [
        f"version {score.version}",
        f"loss {score.loss:.4f}",
        *([f"MAE {score.mae:.6g}"] if score.mae is not None else []),
        *([f"within {score.coverage:.1%}"] if score.coverage is not None else []),
        *([f"{score.ratio_to_naive:.3f} of naive"] if score.ratio_to_naive is not None else []),
    ]
    if score.hindsight:
        parts.append(f"hindsight in {score.hindsight:,}")
    if score.version != found.versions[0]:
        parts += [f"{score.ratio:.3f} of version {found.versions[0]}"] if score.ratio is not None else []
        parts.append(test_text(score))
    return ", ".join(parts)


def test_text(score: Score) -> str:
    if score.test is None:
        return f"no DM: {score.untested}"
    weighted = " (Bartlett)" if score.test.bartlett else ""
    return f"DM {score.test.statistic:.3f}, p {score.test.p_value:.4f}, h {score.test.horizon}{weighted}"


def loser_lines(found: Comparison) -> list[str]:
    if not found.losers:
        return []
    lines = ["", f"series that lose most against version {found.versions[0]}"]
    return lines + [
        f"  version {one.version}, {one.series_id}: loss {one.loss:.4f}, {one.first_loss:.4f} of version "
        f"{found.versions[0]}, n {one.pairs:,}{mark(found)}"
        for one in found.losers
    ]

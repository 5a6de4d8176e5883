"""How an experiment stands, as lines for a person."""

from datetime import datetime

from penstock.operations.experiment.measures import PairMeasures
from penstock.operations.experiment.missing import Missing
from penstock.operations.experiment.report import ExperimentReport
from penstock.operations.model_store.text import NONE, minute, number, percent, table
from penstock.pipeline.decisions.record import Kind, Standing

#: What the rule would do, in words.
WOULD_DO: dict[Kind, str] = {
    "promote": "promote the candidate",
    "reject": "reject the candidate",
    "expire": "end the experiment, and the champion stays",
    "rollback": "go back to the champion of before",
    "end_bake": "end the bake, and the champion stays",
}


def as_text(report: ExperimentReport) -> str:
    standing, model = report.standing, f"{report.model_name}, pipeline {report.pipeline}"
    if standing is None:
        lines = [f"{model}: no experiment"]
    else:
        lines = [f"{model}: {pair_text(standing)}", *standing_lines(report, standing)]
    lines += [line for one in report.missing for line in missing_lines(one)]
    if report.measures and standing:
        lines += ["", *measures_table(report.measures, standing), "* decides; all are of the pairs of both versions"]
    if report.decisions:
        lines += ["", "last decisions", *[f"  {one}" for one in report.decisions]]
    return "\n".join(lines)


def pair_text(standing: Standing) -> str:
    share = f"{100 * standing.fraction:.4g}% of the keys"
    if standing.is_bake:
        how = "the champion of before, as shadow after a promotion"
    elif standing.mode == "canary":
        how = f"canary, answers {share}{'' if standing.is_last_step else ', not yet the last step of the ramp'}"
    else:
        how = f"shadow, answers beside it for {share}{'' if standing.is_last_step else ', not yet the last step'}"
    return f"version {standing.candidate} beside champion {standing.champion} since {minute(standing.began_at)} ({how})"


def standing_lines(report: ExperimentReport, standing: Standing) -> list[str]:
    blocks = f", {standing.blocks} blocks of {standing.block_units}" if standing.blocks else ""
    until = f" until {minute(standing.fitted_until)}" if standing.fitted_until else ""
    in_sample = (
        f"; left out: {standing.in_sample_pairs:,} of the data of a fit{until}" if standing.in_sample_pairs else ""
    )
    return [
        f"pairs     {standing.pairs:,} with a loss of both versions, in {standing.units:,} units{blocks}{in_sample}",
        f"loss      {loss_text(report, standing)}",
        f"failed    {standing.candidate_failed:.2%} of the candidate, {standing.champion_failed:.2%} of the champion",
        f"the rule  {rule_text(report)}",
        f"          {standing.reason}",
        f"time      {time_text(standing.earliest, report.ends_at)}",
    ]


def loss_text(report: ExperimentReport, standing: Standing) -> str:
    if standing.candidate_loss is None:
        return f"{report.loss}: none yet"
    losses = f"{report.loss} {number(standing.candidate_loss)} against {number(standing.champion_loss)}"
    if standing.ratio is None:
        return losses
    if standing.ratio_lower is None or standing.ratio_upper is None:
        return f"{losses}, ratio {standing.ratio:.4g} (no band yet)"
    band = f"{standing.ratio_lower:.4g} to {standing.ratio_upper:.4g}, {1 - report.alpha:.4g} at all times"
    return f"{losses}, ratio {standing.ratio:.4g} ({band})"


def rule_text(report: ExperimentReport) -> str:
    """A bake ends by itself, whatever verdict.act is: who promoted has agreed to it."""
    if report.would_do is None:
        return "wait"
    acts = report.act == "promote" or report.would_do == "end_bake"
    who = "the stream, or penstock evaluate, does it" if acts else "it proposes that (verdict.act is propose)"
    return f"{WOULD_DO[report.would_do]}; {who}"


def time_text(earliest: datetime | None, ends_at: datetime | None) -> str:
    end = f"ends {minute(ends_at)}"
    return f"a verdict not before {minute(earliest)}, if units come as they did; {end}" if earliest else end


def missing_lines(one: Missing) -> list[str]:
    return [f"missing: {one.what}", f"         {one.next_step}"]


def measures_table(measures: tuple[PairMeasures, ...], standing: Standing) -> list[str]:
    """A column that has nothing at all is left out: rows have no steps, no naive forecast and no interval."""
    sides = (standing.champion, standing.candidate)
    heads = [
        *("", "variable", "step", "pairs", "ratio"),
        *[f"{what} {version}" for what in ("MAE", "of naive", "coverage") for version in sides],
    ]
    rows = [tuple(heads), *map(cells, measures)]
    columns = [column for column in zip(*rows, strict=True) if any(text != NONE for text in column[1:])]
    return table(list(zip(*columns, strict=True)))


def cells(one: PairMeasures) -> tuple[str, ...]:
    sides = (one.champion, one.candidate)
    return (
        "*" if one.decides else " ",
        one.variable or NONE,
        NONE if one.step is None else str(one.step),
        f"{one.pairs:,}",
        number(one.ratio),
        *[number(side.mae) for side in sides],
        *[number(side.ratio_to_naive) for side in sides],
        *[percent(side.coverage) for side in sides],
    )

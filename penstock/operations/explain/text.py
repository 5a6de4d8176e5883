"""An explanation as text, and as JSON."""

import json
from dataclasses import asdict

from penstock.models.explanation.var_terms import VarForecast, VariableTerms
from penstock.models.inspection.text import plain
from penstock.operations.explain.fact_lines import (
    again_lines,
    answered_text,
    batch_text,
    file_lines,
    label_lines,
    line,
    model_lines,
    plan_lines,
    shown,
    time_text,
)
from penstock.operations.explain.report import ForecastReport, PredictionReport, Step

WHAT_LEVELS_ARE = {
    "none": "the level itself",
    "log": "exp of it",
    "diff": "added to the newest level",
    "dlog": "added to the log of the newest level, and exp of it",
}


def as_json(found: PredictionReport | ForecastReport) -> str:
    """One object; a number that is not finite is null."""
    content = asdict(found) | {"is_confirmed": found.is_confirmed}
    return json.dumps(plain(content), indent=1, allow_nan=False, default=str)


def as_text(found: PredictionReport | ForecastReport) -> str:
    return prediction_text(found) if isinstance(found, PredictionReport) else forecast_text(found)


def prediction_text(found: PredictionReport) -> str:
    given = shown(found.prediction) if found.error is None else f"none: {found.error}"
    lines = [
        f"prediction {given}, {batch_text(found.batch)}, row_id {found.row_id}",
        line("answered", answered_text(found.batch, found.model, found.beside)),
        *[
            line("", f"version {other.model_version} said {shown(other.prediction)} (rescore {other.rescore_id})")
            for other in found.others
        ],
        *(
            [line("", f"{found.equal_rows:,} rows have this row_id; the newest is shown")]
            if found.equal_rows > 1
            else []
        ),
        *file_lines(found.file),
        *plan_lines(found.plan),
        *model_lines(found.model),
        *again_lines(found.again),
        *label_lines(found.labels),
        line("row", ", ".join(f"{name} {shown(value)}" for name, value in found.row.items())),
    ]
    return "\n".join(lines)


def forecast_text(found: ForecastReport) -> str:
    newest = " (the newest)" if found.is_newest else ""
    lines = [
        f"forecast of series {found.series_id} from {time_text(found.cutoff)}{newest}, {batch_text(found.batch)}",
        line("answered", answered_text(found.batch, found.model, found.beside)),
        *(
            [line("", f"{found.versions} forecasts were made of this cutoff; the last is shown")]
            if found.versions > 1
            else []
        ),
        *([line("error", found.error)] if found.error else []),
        *file_lines(found.file),
        *plan_lines(found.plan),
        *model_lines(found.model),
        *again_lines(found.again),
        *([line("exogenous", found.exogenous)] if found.exogenous else []),
        *window_lines(found),
        *([line("method", found.method)] if found.method and found.terms is None else []),
        *terms_lines(found.terms),
        *steps_lines(found.steps),
    ]
    return "\n".join(lines)


def window_lines(found: ForecastReport) -> list[str]:
    """What the model takes of it is its first lag order + 1 (or + 0) observations."""
    if not found.window:
        return []
    lines = [line("window", f"{len(found.window)} consecutive observations, the newest first")]
    return lines + [
        line(
            "",
            f"{time_text(row.ds)}  {', '.join(f'{name} {shown(value)}' for name, value in row.values.items())}  "
            f"{row.source_file.rpartition('/')[2]}",
        )
        for row in found.window
    ]


def terms_lines(terms: VarForecast | None) -> list[str]:
    if terms is None:
        return []
    facts = [
        f"VAR({terms.lag_order})",
        f"trend {terms.trend}",
        *([f"season of {terms.season:g}"] if terms.season else []),
        *([f"exogenous {', '.join(terms.exogenous)}"] if terms.exogenous else []),
        *([f"t = {terms.time_index:g} at step 1"] if terms.time_index is not None else []),
    ]
    lines = [line("var", f"{', '.join(facts)}; step 1 term by term, coefficient x value = part")]
    for variable in terms.variables:
        lines += variable_lines(variable)
    return lines


def variable_lines(found: VariableTerms) -> list[str]:
    width = max(len(term.name) for term in found.terms) if found.terms else 0
    lines = [line("", f"{found.variable} (transform {found.transform})")]
    for term in found.terms:
        given = (
            " " * 27
            if term.coefficient is None or term.value is None
            else f"{term.coefficient:12.6g} x {term.value:12.6g}"
        )
        lines.append(line("", f"  {term.name:{width}} {given} = {term.product:13.6g}"))
    lines.append(line("", f"  {'sum':{width}} {'':27} = {found.total:13.6g}"))
    how = WHAT_LEVELS_ARE[found.transform]
    return [*lines, line("", f"  {how}: {shown(found.level)}")]


def steps_lines(steps: tuple[Step, ...]) -> list[str]:
    lines = [line("forecasts", "step, ds, forecast [lower, upper] at its level, actual")]
    for variable in dict.fromkeys(step.variable for step in steps):
        lines.append(line("", variable))
        lines += [line("", f"  {step_text(step)}") for step in steps if step.variable == variable]
    return lines


def step_text(step: Step) -> str:
    bounds = f"[{shown(step.lower)}, {shown(step.upper)}] at {step.level:g}" if step.level is not None else ""
    other = f", the other version {shown(step.shadow_forecast)}" if step.shadow_forecast is not None else ""
    text = f"{step.step:2}  {time_text(step.ds)}  {shown(step.forecast)} {bounds}{other}"
    if step.actual is None:
        return f"{text}, no actual yet"
    within = "" if step.is_within is None else ", within" if step.is_within else ", OUTSIDE"
    loss = f", wis/half-width {step.loss:.4g}" if step.loss is not None else ""
    error = f", error {step.absolute_error:.6g}" if step.absolute_error is not None else ""
    return f"{text}, actual {shown(step.actual)}{within}{error}{loss}"

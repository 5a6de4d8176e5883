"""How right a version's answers were: the means that the sums of `evaluations` give.

Mean loss: loss over pairs with a loss. MAE: absolute errors over pairs less those that failed. Ratio to naive: absolute
errors over those of the naive forecast for the same pairs, which needs no scale (a relative MAE: Hyndman and Koehler
2006, "Another look at measures of forecast accuracy", section 2.4). Coverage: actuals within the interval over pairs
with a loss.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean
from typing import Any

from pydantic import BaseModel, ConfigDict


class Measures(BaseModel):
    """loss: mean of evaluate.loss. mae: in the unit of the variable. ratio_to_naive: below 1 is better than repeating
    the last observation. coverage: share of the actuals within the interval. Null where nothing was measured, or where
    it has no meaning: the mae of several variables, the coverage of rows."""

    model_config = ConfigDict(frozen=True)
    pairs: int
    failed: int
    loss: float | None
    mae: float | None
    ratio_to_naive: float | None
    coverage: float | None


class MeasuresOf(Measures):
    """Of one variable and step; both are null for rows with one prediction."""

    variable: str | None
    step: int | None


class VersionMeasures(MeasuresOf):
    version: str


class Live(Measures):
    """Over the steps in `steps` (evaluate.steps; empty for rows) and all variables; ratio_to_naive: mean of those of
    the variables. first_unit, last_unit: what was evaluated; evaluated_at: when that was done last."""

    steps: tuple[int, ...]
    first_unit: datetime | None
    last_unit: datetime | None
    evaluated_at: datetime | None
    by_variable_and_step: tuple[MeasuresOf, ...]


@dataclass(frozen=True, kw_only=True)
class Sums:
    """A row of SUMS; they may be added up."""

    version: str
    variable: str | None
    step: int | None
    pairs: int
    failed: int
    scored: int
    loss: float | None
    absolute: float | None
    naive: float | None
    within: int | None
    first_unit: datetime | None
    last_unit: datetime | None
    evaluated_at: datetime | None


def live_of(sums: Sequence[Sums], steps: Sequence[int]) -> Live:
    """Of one version. steps: those that decide; rows have none."""
    decisive = [one for one in sums if one.step is None or one.step in steps] or list(sums)
    shown = tuple(sorted({one.step for one in decisive if one.step is not None}))
    variables = sorted({one.variable or "" for one in decisive})
    by_variable = [measures([one for one in decisive if (one.variable or "") == name]) for name in variables]
    ratios = [one["ratio_to_naive"] for one in by_variable if one["ratio_to_naive"] is not None]
    overall = measures(decisive) | {"ratio_to_naive": fmean(ratios) if ratios else None}
    if len(variables) > 1:
        overall["mae"] = None
    return Live(
        **overall,
        steps=shown,
        first_unit=min((one.first_unit for one in decisive if one.first_unit), default=None),
        last_unit=max((one.last_unit for one in decisive if one.last_unit), default=None),
        evaluated_at=max((one.evaluated_at for one in decisive if one.evaluated_at), default=None),
        by_variable_and_step=tuple(MeasuresOf(variable=one.variable, step=one.step, **measures([one])) for one in sums),
    )


def measures(sums: Sequence[Sums]) -> dict[str, Any]:
    """The fields of Measures. Of several variables `mae` and `ratio_to_naive` would mix their units."""
    pairs, failed = sum(one.pairs for one in sums), sum(one.failed for one in sums)
    scored = sum(one.scored for one in sums)
    absolute = total(one.absolute for one in sums)
    within = total(one.within for one in sums if one.step is not None)  # rows have no intervals
    return {
        "pairs": pairs,
        "failed": failed,
        "loss": share(total(one.loss for one in sums), scored),
        "mae": share(absolute, pairs - failed),
        "ratio_to_naive": share(absolute, total(one.naive for one in sums)),
        "coverage": share(within, scored),
    }


def total(parts: Iterable[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return math.fsum(known) if known else None


def share(part: float | None, whole: float | None) -> float | None:
    """None where there is nothing to divide, or where a sum is no finite number."""
    if part is None or not whole or not math.isfinite(part) or not math.isfinite(whole):
        return None
    return part / whole

"""What the other version of an experiment said of the forecasts from a cutoff."""

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.config.series import SeriesConfig
from penstock.operations.explain.report import Beside, other_role
from penstock.pipeline.plan import Plan


def beside(
    rows: Sequence[Mapping[str, Any]], series: SeriesConfig, *, error: str | None = None, plan: Plan | None = None
) -> Beside | None:
    """The first step of the first variable that the other version has a forecast of, or else why it has none; None if
    it was not asked. error: of the observation at the cutoff. plan: of the batch, which says what the other version
    was."""
    order = {name: place for place, name in enumerate(series.variables)}
    known = [row for row in rows if row.get("shadow_version") is not None]
    if not known and error is None:
        return None
    if not known:
        role = other_role(rows[0]["role"])
        other = (plan.champion if role == "champion" else plan.candidate) if plan else None
        version = other.version if other else None
        return Beside(role=role, model_version=version, answer=None, error=error, of="every step")
    row = min(known, key=lambda row: (row["step"], order.get(row["variable"], len(order))))
    return Beside(
        role=other_role(row["role"]),
        model_version=row["shadow_version"],
        answer=row["shadow_forecast"],
        of=f"{row['variable']}, step {row['step']}",
    )

"""What came true of a pair of versions by variable and step, shown beside the verdict, which it does not decide."""

from typing import Any

import pyarrow as pa

from penstock.config.sections import FrozenModel
from penstock.operations.model_store.measures import share
from penstock.pipeline.decisions.evidence import added_up


class SideMeasures(FrozenModel):
    """Of one version. mae: over the pairs that it answered, in the unit of the variable. ratio_to_naive: its absolute
    errors over those of repeating the last observation, which are of the pairs that the champion answered; of the
    candidate None unless both answered all. coverage: share of the actuals within its interval. None where nothing was
    measured."""

    mae: float | None
    ratio_to_naive: float | None
    coverage: float | None


class PairMeasures(FrozenModel):
    """pairs: that both versions have a loss for. ratio: candidate's loss over the champion's for these. decides: the
    step is one of evaluate.steps; of rows each does."""

    variable: str | None
    step: int | None
    decides: bool
    pairs: int
    ratio: float | None
    champion: SideMeasures
    candidate: SideMeasures


def measures_of(sums: pa.Table, steps: tuple[int, ...]) -> tuple[PairMeasures, ...]:
    """sums: of all units, variables and steps of the pair (penstock.pipeline.decisions.evidence.pair_sums)."""
    rows = added_up(sums, ("variable", "step")).to_pylist()
    rows.sort(key=lambda row: (row["variable"] or "", row["step"] or 0))
    return tuple(
        PairMeasures(
            variable=row["variable"],
            step=row["step"],
            decides=row["step"] is None or row["step"] in steps,
            pairs=row["compared_pairs"] or 0,
            ratio=share(row["candidate_loss"], row["compared_champion_loss"]),
            champion=side(row, "champion", scored="scored_pairs"),
            candidate=side(row, "candidate", scored="compared_pairs"),
        )
        for row in rows
    )


def side(row: dict[str, Any], version: str, *, scored: str) -> SideMeasures:
    absolute = row[f"{version}_abs"]
    return SideMeasures(
        mae=share(absolute, row["pairs"] - (row[f"{version}_failed"] or 0)),
        ratio_to_naive=share(absolute, row["naive_abs"]) if is_of_same_pairs(row, version) else None,
        coverage=share(row[f"{version}_within"], row[scored]),
    )


def is_of_same_pairs(row: dict[str, Any], version: str) -> bool:
    """Whether the absolute errors of a version are of the pairs that the naive ones are of."""
    return version == "champion" or not (row["champion_failed"] or row["candidate_failed"])

"""Results of an evaluation: sums over series, which add up over the parts of a fleet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np

from penstock.udfs.var.kernel import FloatArray, IntArray


@dataclass(frozen=True, kw_only=True)
class HoldoutScores:
    """Of the last origin. sums: (methods, 4 measures, k), of accuracy.MEASURES of as many series as `counts` (methods,)
    says. The model and the naive forecast have the same series."""

    sums: FloatArray
    counts: IntArray

    @property
    def n_series(self) -> int:
        """That the model's measures are of."""
        return int(self.counts[0])

    @property
    def means(self) -> FloatArray:
        """Over the series, NaN without any."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.sums / self.counts[:, None, None])


@dataclass(frozen=True, kw_only=True)
class StepScores:
    """By step, of all origins. The last place of the axis `steps + 1` is that of all steps together.

    sums: (methods, 6 measures, steps + 1, k), of accuracy.STEP_MEASURES of as many series as `n_series`
    (methods, steps + 1) says. n_forecasts: (origins, methods, steps + 1), how many series have a forecast of the step
    from the origin, and a truth; origin 0 is the last one. The model and the naive forecast have the same series.
    """

    sums: FloatArray
    n_series: IntArray
    n_forecasts: IntArray

    @property
    def means(self) -> FloatArray:
        """Over the series, NaN without any."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.sums / self.n_series[:, None, :, None])

    @property
    def series_by_origin(self) -> IntArray:
        """(origins,), how many series the model was evaluated on at each origin; origin 0 is the last one."""
        return self.n_forecasts[:, 0, -1]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Out of sample: no forecast is of a period that its model was fitted on."""

    holdout: HoldoutScores
    by_step: StepScores


def merge_evaluations(parts: Sequence[Evaluation]) -> Evaluation:
    """That of a whole fleet from those of its parts, which have no series in common and the same settings."""
    if not parts:
        raise ValueError("no evaluations to merge")
    return Evaluation(
        holdout=HoldoutScores(
            sums=np.sum([part.holdout.sums for part in parts], axis=0),
            counts=np.sum([part.holdout.counts for part in parts], axis=0),
        ),
        by_step=StepScores(
            sums=np.sum([part.by_step.sums for part in parts], axis=0),
            n_series=np.sum([part.by_step.n_series for part in parts], axis=0),
            n_forecasts=np.sum([part.by_step.n_forecasts for part in parts], axis=0),
        ),
    )


def evaluation_to_bytes(evaluation: Evaluation) -> bytes:
    """As the bytes of an `.npz` without pickles, to be sent from an executor to the driver."""
    buffer = BytesIO()
    np.savez(
        buffer,
        allow_pickle=False,
        holdout_sums=evaluation.holdout.sums,
        holdout_counts=evaluation.holdout.counts,
        sums=evaluation.by_step.sums,
        n_series=evaluation.by_step.n_series,
        n_forecasts=evaluation.by_step.n_forecasts,
    )
    return buffer.getvalue()


def evaluation_from_bytes(content: bytes) -> Evaluation:
    """What `evaluation_to_bytes` wrote."""
    with np.load(BytesIO(content), allow_pickle=False) as arrays:
        return Evaluation(
            holdout=HoldoutScores(sums=arrays["holdout_sums"], counts=arrays["holdout_counts"]),
            by_step=StepScores(sums=arrays["sums"], n_series=arrays["n_series"], n_forecasts=arrays["n_forecasts"]),
        )

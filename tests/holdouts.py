"""The part of an evaluation that is of the last origin."""

from penstock.udfs.var.evaluation import HoldoutScores
from penstock.udfs.var.fleet_fit import FitSettings
from penstock.udfs.var.holdout import evaluate
from penstock.udfs.var.kernel import FloatArray, IntArray


def holdout_scores(
    levels: FloatArray,
    offsets: IntArray,
    settings: FitSettings,
    *,
    holdout: int,
    periods: FloatArray | None = None,
) -> HoldoutScores:
    return evaluate(levels, offsets, settings, holdout=holdout, periods=periods).holdout

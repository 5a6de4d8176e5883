"""Losses of answers once their actuals or labels are known. Pure Python, one answer at a time; smaller is better."""

import math
from typing import Any


def row_loss(name: str, prediction: Any, label: Any) -> float | None:
    """The loss of a prediction; None where it can't be computed: a null, or a value that is no finite number.

    absolute: |p - y|. squared: (p - y)^2. zero_one: 0 if both are equal, else 1; also of texts and booleans. log: the
    negative log likelihood of y (0 or 1) under the probability p of 1, infinite where p rules y out.
    """
    if prediction is None or label is None:
        return None
    if name == "zero_one" and isinstance(prediction, str | bool) == isinstance(label, str | bool):
        return float(prediction != label)
    p, y = number_of(prediction), number_of(label)
    if p is None or y is None:
        return None
    match name:
        case "absolute":
            return abs(p - y)
        case "squared":
            return (p - y) ** 2
        case "zero_one":
            return float(p != y)
        case "log":
            return log_loss(p, y)
    raise ValueError(f"unknown loss {name}")


def number_of(value: Any) -> float | None:
    """None for what is no finite number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def log_loss(probability: float, label: float) -> float | None:
    """None for a label that is not 0 or 1, and for what is no probability."""
    if label not in (0.0, 1.0) or not 0.0 <= probability <= 1.0:
        return None
    likelihood = probability if label else 1.0 - probability
    return -math.log(likelihood) if likelihood else math.inf


def weighted_interval_score(actual: float, *, forecast: float, lower: float, upper: float, level: float) -> float:
    """Of one interval with coverage `level` = 1 - alpha (Bracher, Ray, Gneiting and Reich 2021, Evaluating epidemic
    forecasts in an interval format, PLOS Computational Biology 17(2), section 2.2):

        WIS = (|y - m| / 2 + alpha / 2 IS) / 1.5,
        IS = u - l + 2 / alpha (max(l - y, 0) + max(y - u, 0)).

    In the unit of the actual. m is the forecast, which is the median unless series.point is mean.
    """
    alpha = 1.0 - level
    outside = max(lower - actual, 0.0) + max(actual - upper, 0.0)
    interval_score = upper - lower + 2.0 / alpha * outside
    return (0.5 * abs(actual - forecast) + 0.5 * alpha * interval_score) / 1.5


def half_width(lower: float, upper: float) -> float | None:
    """What a weighted interval score is divided by, so that no series drowns the others; None for bounds that are not
    apart, or not finite."""
    width = (upper - lower) / 2.0
    return width if math.isfinite(width) and width > 0.0 else None

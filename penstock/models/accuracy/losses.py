"""Losses of answers once their actuals or labels are known. Pure Python, one answer at a time; smaller is better."""

import math
from typing import Any

#: A probability of 0 or 1 for the wrong label would cost infinitely much, and all others would vanish beside it. As
#: scikit-learn's log_loss does for doubles.
SMALLEST_PROBABILITY = 2.0**-52
#: How far beyond 0 or 1 a probability may be: a sum of probabilities in single precision is off by a rounding error.
PROBABILITY_TOLERANCE = 1e-5
#: An interval that is narrower, in the unit of the series or relative to the forecast, is a rounding error: a loss over
#: it would say nothing, and drown the others.
MIN_HALF_WIDTH = 1e-12


def row_loss(name: str, prediction: Any, label: Any) -> float | None:
    """The loss of a prediction; None where it can't be computed: a null, or a value or loss that is no finite number.

    absolute: |p - y|. squared: (p - y)^2. zero_one: 0 if both are equal, else 1. log: see log_loss. Numbers and
    booleans are compared as numbers; two texts as texts, by zero_one alone.
    """
    if isinstance(prediction, str) and isinstance(label, str):
        return float(prediction != label) if name == "zero_one" else None
    p, y = number_of(prediction), number_of(label)
    if p is None or y is None:
        return None
    match name:
        case "absolute":
            return number_of(abs(p - y))
        case "squared":
            return number_of((p - y) * (p - y))
        case "zero_one":
            return float(p != y)
        case "log":
            return log_loss(p, y)
    raise ValueError(f"unknown loss {name}")


def number_of(value: Any) -> float | None:
    """None for what is no finite number, and for a text, whatever it says."""
    if isinstance(value, str):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def log_loss(probability: float, label: float) -> float | None:
    """The negative log likelihood of the label under the probability of 1. None for a label that is not 0 or 1, and for
    what is no probability, but for a rounding error; where it rules the label out, that of SMALLEST_PROBABILITY."""
    if label not in (0.0, 1.0) or not -PROBABILITY_TOLERANCE <= probability <= 1.0 + PROBABILITY_TOLERANCE:
        return None
    known = min(max(probability, 0.0), 1.0)
    return -math.log(max(known if label else 1.0 - known, SMALLEST_PROBABILITY))


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


def half_width(lower: float, upper: float, *, forecast: float) -> float | None:
    """What a weighted interval score is divided by, so that no series drowns the others; None for bounds that are not
    apart by more than a rounding error, or not finite."""
    half = (upper - lower) / 2.0
    return half if math.isfinite(half) and half > MIN_HALF_WIDTH * max(1.0, abs(forecast)) else None


def scaled_interval_loss(actual: float, *, forecast: float, lower: float, upper: float, level: float) -> float | None:
    """The weighted interval score over half of the interval's width; None where there is no interval, or no finite
    number comes out."""
    half = half_width(lower, upper, forecast=forecast)
    if half is None:
        return None
    score = weighted_interval_score(actual, forecast=forecast, lower=lower, upper=upper, level=level)
    return number_of(score / half)

"""What a pair of an answer and what came true costs, as native Spark expressions.

Each gives null where there is no loss: that pair is not among `scored_pairs`. The same losses of one answer:
models.accuracy.losses, which has the limits, too.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

from penstock.config.evaluation import Loss
from penstock.models.accuracy.losses import MIN_HALF_WIDTH, PROBABILITY_TOLERANCE, SMALLEST_PROBABILITY


def finite(value: Column) -> Column:
    """A number, or null for NaN and the infinities."""
    number = value.cast("double")
    is_finite = number.isNotNull() & ~F.isnan(number) & (F.abs(number) < F.lit(float("inf")))
    return F.when(is_finite, number)


def half_width(lower: Column, upper: Column, *, forecast: Column) -> Column:
    """Null where there is no interval to judge: see models.accuracy.losses.half_width."""
    half = finite(upper - lower) / 2
    return F.when(half > MIN_HALF_WIDTH * F.greatest(F.lit(1.0), F.abs(finite(forecast))), half)


def interval_loss(actual: Column, forecast: Column, lower: Column, upper: Column, *, level: Column) -> Column:
    """The weighted interval score with the median and one interval, over half of the interval's width.

    WIS = (|y - m| / 2 + a/2 IS_a) / 1.5, where a = 1 - level and IS_a = (u - l) + 2/a (l - y)+ + 2/a (y - u)+ (Bracher,
    Ray, Gneiting, Reich 2021, "Evaluating epidemic forecasts in an interval format", equations 1 and 2, with K = 1).
    The width is known before y is, so that the score stays proper, and no series drowns the others.
    """
    return scaled_score(actual, forecast, lower, upper, level=level, half=half_width(lower, upper, forecast=forecast))


def scaled_score(
    actual: Column, forecast: Column, lower: Column, upper: Column, *, level: Column, half: Column
) -> Column:
    """The weighted interval score over `half`, which may be half the width of another version's interval: two versions
    are compared in one unit, which neither can tune. Null where a bound is missing, or the lower one is the larger."""
    alpha = 1.0 - level
    nothing = F.lit(0.0)
    below = F.greatest(lower - actual, nothing)
    above = F.greatest(actual - upper, nothing)
    # alpha/2 * 2/alpha: only the width is weighted.
    weighted_interval = alpha / 2 * (upper - lower) + below + above
    score = (0.5 * F.abs(actual - finite(forecast)) + weighted_interval) / 1.5
    # greatest skips nulls.
    return F.when(finite(forecast).isNotNull() & (lower <= upper), finite(score / half))


def label_loss(loss: Loss, label: Column, prediction: Column) -> Column:
    """loss: one of those of rows. label, prediction: doubles; with zero_one also strings, both of them."""
    match loss:
        case "squared":
            return finite((label - prediction) * (label - prediction))
        case "zero_one":
            return F.when(label == prediction, F.lit(0.0)).when(label != prediction, F.lit(1.0))
        case "log":
            likely = F.when(label == 1.0, probability(prediction)).when(label == 0.0, 1.0 - probability(prediction))
            # greatest skips nulls.
            return F.when(likely.isNotNull(), -F.log(F.greatest(likely, F.lit(SMALLEST_PROBABILITY))))
        case _:
            return finite(F.abs(label - prediction))


def probability(prediction: Column) -> Column:
    """From 0 to 1, with rounding errors cut off; null for what is no probability."""
    is_near = prediction.between(-PROBABILITY_TOLERANCE, 1.0 + PROBABILITY_TOLERANCE)
    return F.when(is_near, F.least(F.greatest(prediction, F.lit(0.0)), F.lit(1.0)))


def is_outcome(label: Column) -> Column:
    """Whether a label is 0 or 1, of which a probability speaks."""
    return label.isin(0.0, 1.0)

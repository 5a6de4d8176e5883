"""What a pair of an answer and what came true costs, as native Spark expressions.

Each gives null where there is no loss: that pair is not among `scored_pairs`.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

from penstock.config.evaluation import Loss

#: A probability of 0 or 1 for the wrong label would cost infinitely much, and all others would vanish beside it. As
#: scikit-learn's log_loss does for doubles.
SMALLEST_PROBABILITY = 2.0**-52


def finite(value: Column) -> Column:
    """A number, or null for NaN and the infinities."""
    number = value.cast("double")
    is_finite = number.isNotNull() & ~F.isnan(number) & (F.abs(number) < F.lit(float("inf")))
    return F.when(is_finite, number)


def has_interval(lower: Column, upper: Column) -> Column:
    """Whether the bounds are there and apart; never null."""
    return F.coalesce(finite(lower) < finite(upper), F.lit(False))


def interval_loss(actual: Column, forecast: Column, lower: Column, upper: Column, *, level: Column) -> Column:
    """The weighted interval score with the median and one interval, over half of the interval's width.

    WIS = (|y - m| / 2 + a/2 IS_a) / 1.5, where a = 1 - level and IS_a = (u - l) + 2/a (l - y)+ + 2/a (y - u)+ (Bracher,
    Ray, Gneiting, Reich 2021, "Evaluating epidemic forecasts in an interval format", equations 1 and 2, with K = 1).
    The width is known before y is, so that the score stays proper, and no series drowns the others.
    """
    alpha = 1.0 - level
    nothing = F.lit(0.0)
    below = F.greatest(lower - actual, nothing)
    above = F.greatest(actual - upper, nothing)
    width = upper - lower
    # alpha/2 * 2/alpha: only the width is weighted.
    weighted_interval = alpha / 2 * width + below + above
    score = (0.5 * F.abs(actual - forecast) + weighted_interval) / 1.5
    return F.when(has_interval(lower, upper), score / (width / 2))


def label_loss(loss: Loss, label: Column, prediction: Column) -> Column:
    """loss: one of those of rows. label, prediction: doubles; with zero_one also strings, both of them."""
    match loss:
        case "squared":
            return (label - prediction) * (label - prediction)
        case "zero_one":
            return F.when(label == prediction, F.lit(0.0)).otherwise(F.lit(1.0))
        case "log":
            likely = F.when(label == 1.0, prediction).otherwise(1.0 - prediction)
            # greatest skips nulls; a failed answer has no loss.
            return F.when(
                label.isNotNull() & prediction.isNotNull(), -F.log(F.greatest(likely, F.lit(SMALLEST_PROBABILITY)))
            )
        case _:
            return F.abs(label - prediction)

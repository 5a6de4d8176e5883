"""Which numbers the stream takes for a contract's field, and as what they are learnt."""

import math
from collections.abc import Callable
from decimal import Context, Decimal

import numpy as np
import pandas as pd

from penstock.schemas.contract import Field
from penstock.sources.inference.types import NUMBER, WHOLE

#: Whether a text that is the float nearest to it is within the field's type.
IsWithin = Callable[[str, float], bool]
#: A decimal has at most 38 digits in Spark: at this precision none of those within its type is rounded.
EXACT = Context(prec=80)
#: The most digits that the exponent of a decimal has, as the stream takes it.
EXPONENT_DIGITS = 2


def number_reader(field: Field) -> Callable[[object], float]:
    """Reads a text as a float; NaN for one that the stream rejects."""
    pattern = WHOLE if field.facts.is_whole else NUMBER
    has_comma, is_within = field.decimal == ",", range_of(field)

    def read(value: object) -> float:
        text = str(value)
        if has_comma:
            text = "" if "." in text else text.replace(",", ".")
        if not pattern.fullmatch(text):
            return math.nan
        number = float(text)
        return number if math.isfinite(number) and is_within(text, number) else math.nan

    return read


def range_of(field: Field) -> IsWithin:
    if bits := field.facts.bits:
        return whole_range(2 ** (bits - 1))
    if digits := field.decimal_precision_scale:
        return decimal_range(*digits)
    if field.type == "float":
        return lambda _, number: is_float32(number)
    return lambda *_: True


def whole_range(limit: int) -> IsWithin:
    def is_within(text: str, number: float) -> bool:
        # The last long and the first number beyond it are the same float.
        return abs(number) < limit or (abs(number) == limit and -limit <= Decimal(text) < limit)

    return is_within


def decimal_range(precision: int, scale: int) -> IsWithin:
    """Each digit has its place, for the stream does not round; zeros behind them don't count."""
    limit, last_place = 10 ** (precision - scale), Decimal((0, (1,), -scale))

    def is_within(text: str, _: float) -> bool:
        exponent = text.lower().partition("e")[2].lstrip("+-")
        if len(exponent) > EXPONENT_DIGITS:
            return False
        value = Decimal(text)
        return value.copy_abs() < limit and value == value.quantize(last_place, context=EXACT)

    return is_within


def is_float32(number: float) -> bool:
    with np.errstate(over="ignore"):
        return bool(np.isfinite(np.float32(number)))


def numbers_within(values: pd.Series, field: Field) -> pd.Series:
    """Numbers of Parquet's types as floats, NaN for those beyond the field's type."""
    numbers = values.astype("float64")
    numbers = numbers.where(np.isfinite(numbers))
    if bits := field.facts.bits:
        return numbers.where(numbers.between(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
    if digits := field.decimal_precision_scale:
        return numbers.where(numbers.abs() < 10 ** (digits[0] - digits[1]))
    if field.type == "float":
        with np.errstate(over="ignore"):
            return numbers.where(np.isfinite(numbers.astype("float32")))
    return numbers

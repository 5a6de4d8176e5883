"""Whether a candidate's answer to a row counts where the champion has one, too: one rule for a stream's columns and a
request's values."""

from collections.abc import Sequence
from operator import and_, or_

from penstock.spark.functions import Truth, balanced


def gave_less(
    has_first: Sequence[Truth], lacks_second: Sequence[Truth], has_failed: Truth, *, are_numbers: Sequence[bool]
) -> Truth:
    """Whether the candidate has no answer where the champion has one, or has failed: a number is missing that the
    champion has, or all outputs are; a text alone may be. NaN is no number, an infinite one is.

    has_first: for each output, whether the champion has a value; lacks_second: whether the candidate has none.
    has_failed: whether the champion has an error: a row needs an answer or an error.
    """
    all_outputs: list[Truth] = list(lacks_second)
    some_of_first: list[Truth] = list(has_first)
    some_of_first.append(has_failed)
    all_outputs.append(balanced(or_, some_of_first))
    lost: list[Truth] = [balanced(and_, all_outputs)]
    for has, lacks, is_number in zip(has_first, lacks_second, are_numbers, strict=True):
        if is_number:
            pair: list[Truth] = [has, lacks]
            lost.append(balanced(and_, pair))
    return balanced(or_, lost)

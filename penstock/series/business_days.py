"""Business days as native Spark expressions: every date's number, and the date of every number.

Numbers are counted from a fixed origin over Mondays to Fridays that are no holidays. Both directions take constant time
per row, however many holidays there are.
"""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column
from pyspark.sql import functions as F

EPOCH = date(1970, 1, 1)
#: 1970-01-01 was a Thursday: days since the epoch, plus these, are days since a Monday.
DAYS_SINCE_MONDAY = 3
DAYS_PER_WEEK, WEEKDAYS_PER_WEEK = 7, 5
WORD_BITS = 32


class BusinessDays:
    """holidays: ISO dates, ascending, each from Monday to Friday.

    Every use of an expression within another one is a copy of it to Spark's optimizer, so that the formulas here are
    those with the fewest.
    """

    def __init__(self, holidays: Sequence[str]) -> None:
        days = [(date.fromisoformat(day) - EPOCH).days for day in holidays]
        # A holiday with i holidays before it stands before the business day whose number is its own, without them.
        places = [weekdays_before(day) - i for i, day in enumerate(days)]
        self._days = days
        self._places = sorted(set(places))
        self._shifts = [0, *[sum(place <= distinct for place in places) for distinct in self._places]]

    def number(self, day: Column) -> Column:
        """How many business days are before a date (a long). For a business day: its own number."""
        since_epoch = F.unix_date(day).cast("long")
        since_monday = since_epoch + DAYS_SINCE_MONDAY
        saturdays, sundays = F.floor((since_monday + 1) / DAYS_PER_WEEK), F.floor(since_monday / DAYS_PER_WEEK)
        weekdays = since_monday - saturdays - sundays
        return weekdays - rank(self._days, since_epoch - 1) if self._days else weekdays

    def date_of(self, number: Column) -> Column:
        """The business day with this number."""
        weekdays = number
        if self._places:
            weekdays = number + F.get(integers(self._shifts), rank(self._places, number))
        since_monday = weekdays + F.floor(weekdays / WEEKDAYS_PER_WEEK) * (DAYS_PER_WEEK - WEEKDAYS_PER_WEEK)
        return F.date_from_unix_date((since_monday - DAYS_SINCE_MONDAY).cast("int"))

    def is_one(self, day: Column) -> Column:
        is_weekday = F.weekday(day) < WEEKDAYS_PER_WEEK
        if not self._days:
            return is_weekday
        return is_weekday & ~F.array_contains(integers(self._days), F.unix_date(day).cast("long"))

    def on_or_after(self, day: Column) -> Column:
        return self.date_of(self.number(day))

    def on_or_before(self, day: Column) -> Column:
        return self.date_of(self.number(F.date_add(day, 1)) - 1)


def weekdays_before(day: int) -> int:
    """day: since the epoch."""
    weeks, weekday = divmod(day + DAYS_SINCE_MONDAY, DAYS_PER_WEEK)
    return weeks * WEEKDAYS_PER_WEEK + min(weekday, WEEKDAYS_PER_WEEK)


def rank(values: Sequence[int], given: Column) -> Column:
    """How many of the distinct, ascending `values` are at most `given` (a long). Not for no values.

    Looked up in a literal array with a word for each 32 numbers: a bit for each that is a value, and above these bits
    how many values are before the word. The words at both ends are without a value, for all numbers beyond.
    """
    first_word = values[0] // WORD_BITS - 1
    words = [0] * (values[-1] // WORD_BITS - first_word + 2)
    for value in values:
        words[value // WORD_BITS - first_word] |= 1 << value % WORD_BITS
    n_before = 0
    for place, bits in enumerate(words):
        words[place] = n_before << WORD_BITS | bits
        n_before += bits.bit_count()
    low, high = first_word * WORD_BITS, (first_word + len(words)) * WORD_BITS - 1
    position = F.greatest(F.least(given, F.lit(high)), F.lit(low)) - low
    word = F.get(integers(words), F.shiftright(position, 5))
    up_to_bit = F.call_function("shiftleft", F.lit(2).cast("long"), position.cast("int").bitwiseAND(WORD_BITS - 1)) - 1
    return F.shiftright(word, WORD_BITS) + F.bit_count(word.bitwiseAND(up_to_bit))


def integers(values: Sequence[int]) -> Column:
    """An array literal: as one text, which Spark's optimizer splits and casts once, since a call for each number is
    slow."""
    return F.split(F.lit(",".join(map(str, values))), ",").cast("array<bigint>")

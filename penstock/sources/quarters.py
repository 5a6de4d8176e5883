"""Dates written as quarters, `2000Q1`: Spark's datetime patterns print quarters (`q`) and parse none."""

import re
from dataclasses import dataclass
from typing import Self

from pyspark.sql import Column
from pyspark.sql import functions as F

PARTS = re.compile(r"'(?P<quoted>[^']*)'|(?P<year>yyyy)|(?P<quarter>q)|(?P<letter>[A-Za-z])|(?P<mark>.)")


@dataclass(frozen=True, kw_only=True)
class QuarterFormat:
    """regex: with one group for the year and one for the quarter, for Python and Java."""

    regex: str
    year_group: int
    quarter_group: int

    @classmethod
    def of(cls, spark_format: str) -> Self | None:
        """For a pattern of `yyyy`, one `q`, texts in quotes and marks; None for any other pattern."""
        regex, groups = "", []
        for part in PARTS.finditer(spark_format):
            match part.lastgroup:
                case "year":
                    regex += "([0-9]{4})"
                    groups.append("year")
                case "quarter":
                    regex += "([1-4])"
                    groups.append("quarter")
                case "letter":
                    return None
                case _:
                    regex += re.escape(part["quoted"] or part["mark"] or "")
        if sorted(groups) != ["quarter", "year"]:
            return None
        return cls(regex=regex, year_group=groups.index("year") + 1, quarter_group=groups.index("quarter") + 1)

    def first_day(self, text: Column) -> Column:
        """The date on which the quarter begins; null for a text of another form."""
        whole = rf"^{self.regex}\z"
        year = F.regexp_extract(text, whole, self.year_group).try_cast("int")
        quarter = F.regexp_extract(text, whole, self.quarter_group).try_cast("int")
        return F.when(text.rlike(whole), F.make_date(year, quarter * 3 - 2, F.lit(1)))

"""Times of a series that name a whole period: a year, a month or a quarter, or a day in eight digits."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from penstock.sources.quarters import QuarterFormat

#: Years that a number of four digits may be; the last one is that of an open end.
YEARS = {*range(1678, 2262), 9999}


@dataclass(frozen=True, kw_only=True)
class PeriodFormat:
    """spark: the `format` of a contract's field. python: for strptime; empty for quarters."""

    spark: str
    python: str
    looks: re.Pattern[str]

    def first_day(self, text: str) -> datetime | None:
        """None for a text of another form."""
        if not self.looks.fullmatch(text):
            return None
        quarters = QuarterFormat.of(self.spark)
        try:
            if quarters is None:
                day = datetime.strptime(text, self.python)
            else:
                found = re.fullmatch(quarters.regex, text)
                if found is None:
                    return None
                day = datetime(int(found[quarters.year_group]), 3 * int(found[quarters.quarter_group]) - 2, 1)
        except ValueError:
            return None
        return day if day.year in YEARS else None


def period_formats() -> tuple[PeriodFormat, ...]:
    year, month, name = "[0-9]{4}", "[0-9]{2}", "[A-Z][a-z]{2}"
    forms = [
        ("yyyyMMdd", "%Y%m%d", "[0-9]{8}"),
        ("yyyyMM", "%Y%m", "[0-9]{6}"),
        ("yyyy", "%Y", year),
        ("yyyy-MM", "%Y-%m", f"{year}-{month}"),
        ("yyyy/MM", "%Y/%m", f"{year}/{month}"),
        ("yyyy'M'MM", "%YM%m", f"{year}M{month}"),
        ("MM/yyyy", "%m/%Y", f"{month}/{year}"),
        ("MM-yyyy", "%m-%Y", f"{month}-{year}"),
        ("MMM yyyy", "%b %Y", f"{name} {year}"),
        ("MMM-yyyy", "%b-%Y", f"{name}-{year}"),
        ("yyyy MMM", "%Y %b", f"{year} {name}"),
        ("yyyy-MMM", "%Y-%b", f"{year}-{name}"),
        ("MMMM yyyy", "%B %Y", f"[A-Z][a-z]{{2,8}} {year}"),
    ]
    forms += [(f"yyyy{mark}'Q'q", "", f"{year}{mark}Q[1-4]") for mark in ("", "-", " ", "/", ":")]
    forms += [(f"'Q'q{mark}yyyy", "", f"Q[1-4]{mark}{year}") for mark in (" ", "-", "/")]
    return tuple(PeriodFormat(spark=spark, python=python, looks=re.compile(looks)) for spark, python, looks in forms)


PERIOD_FORMATS = period_formats()


def period_format_of(values: Collection[str]) -> PeriodFormat | None:
    """The first format that all values have; None if there is none, or no value."""
    fitting = (form for form in PERIOD_FORMATS if all(form.first_day(text) for text in values))
    return next(fitting, None) if values else None


def period_format(spark: str) -> PeriodFormat | None:
    """The one with this Spark pattern."""
    return next((form for form in PERIOD_FORMATS if form.spark == spark), None)

"""Checks of retention against the sections `evaluate` and `labels`: what waits for its actual or label is kept."""

from penstock.config.durations import written
from penstock.config.evaluation import LabelsConfig
from penstock.config.series import SeriesConfig

DAY_SECONDS = 86400.0
#: No month has more days; a business day is at most a long weekend and some holidays after the one before.
LONGEST_MONTH_DAYS, LONGEST_BUSINESS_DAYS = 31, 4


def horizon_seconds(series: SeriesConfig) -> float:
    """No forecast of the horizon is for a time that is longer after its cutoff."""
    calendar = series.calendar
    days = calendar.months * LONGEST_MONTH_DAYS + calendar.business_days * LONGEST_BUSINESS_DAYS
    # A business day in a month may be some days off the calendar's.
    slack_days = 14 if calendar.has_business_days else 1
    return series.horizon * (calendar.microseconds / 1e6 + days * DAY_SECONDS) + slack_days * DAY_SECONDS


def check_forecasts_are_kept(seconds: float | None, *, series: SeriesConfig, time_travel: float) -> None:
    """seconds: the retention of forecasts. Raises ValueError where one may be deleted before its actual comes."""
    least = horizon_seconds(series) + time_travel
    if seconds is not None and seconds < least:
        raise ValueError(
            f"maintenance.retention: forecasts are deleted after {written(seconds)}, before what they are for has come "
            f"and is evaluated; keep them for at least the horizon and maintenance.time_travel, {written(least)}, or "
            "leave the section evaluate out"
        )


def check_predictions_are_kept(seconds: float | None, *, labels: LabelsConfig) -> None:
    """seconds: the retention of predictions. A label waits for its row as long as look_back, and the row may be as much
    older. Raises ValueError."""
    least = 2 * labels.look_back + labels.matures_after
    if seconds is not None and seconds < least:
        raise ValueError(
            f"maintenance.retention: predictions are deleted after {written(seconds)}, before all labels can have "
            f"come; keep them for at least twice labels.look_back and labels.matures_after, {written(least)}, or "
            "shorten these"
        )

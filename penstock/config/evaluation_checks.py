"""Checks of the sections `evaluate` and `labels` against contracts, other sections and each other."""

from penstock.config.durations import written
from penstock.config.evaluation import LabelsConfig
from penstock.config.series import SeriesConfig
from penstock.errors import ConfigError
from penstock.schemas.contract import Contract
from penstock.schemas.types import TIMES

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


def check_labelled_contract(labels: LabelsConfig, contract: Contract, *, name: str) -> None:
    """Raises ConfigError unless the contract of the predictions has the columns that name a row and its time."""
    for column in (*labels.key, *([labels.time] if labels.time else [])):
        check_field(contract, column, key="time" if column == labels.time else "key", name=name)
    if labels.time:
        kind = next(field.type for field in contract.fields if field.name == labels.time)
        if kind not in TIMES:
            raise ConfigError(f"labels.time: {labels.time} is a {kind} in {name}, expected {' or '.join(TIMES)}")


def check_labels_contract(labels: LabelsConfig, contract: Contract, label_contract: Contract, *, name: str) -> None:
    """name: of the labels' contract. Raises ConfigError unless it has the key, in the same types, and the value."""
    own = {field.name: field.type for field in contract.fields}
    theirs = {field.name: field.type for field in label_contract.fields}
    for column in labels.key:
        check_field(label_contract, column, key="key", name=name)
        if own[column] != theirs[column]:
            raise ConfigError(
                f"labels.key: {column} is a {theirs[column]} in {name}, and a {own[column]} in this pipeline's "
                "contract; give it the same type in both"
            )
    if labels.value not in theirs:
        raise ConfigError(f"labels.value: {name} has no field {labels.value}; its fields: {', '.join(theirs)}")


def check_field(contract: Contract, column: str, *, key: str, name: str) -> None:
    found = next((field for field in contract.fields if field.name == column), None)
    if found is None:
        raise ConfigError(
            f"labels.{key}: the contract {name} has no field {column}; name columns of the contract, as the tables "
            "have them"
        )
    if found.nullable:
        raise ConfigError(
            f"labels.{key}: {column} may be null in the contract {name}, and such a row would never meet its label; "
            "give it nullable=False"
        )

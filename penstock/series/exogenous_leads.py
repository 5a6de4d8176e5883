"""The values of exogenous variables laid out for windows: those of the periods after each cutoff, and what is missing.

All in native expressions. A window is joined to the values of its series (or of all series) by the ordinal number of
its cutoff; each cutoff that has a value in the period after it has a row, so that the cost is linear in the values.
"""

from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from penstock.config.exogenous import lead_column
from penstock.config.series import SeriesConfig
from penstock.schemas.contract import Field
from penstock.series.calendar import Calendar
from penstock.series.exogenous_types import DS, SERIES_ID
from penstock.series.reasons import MISSING_EXOGENOUS

#: The ordinal number of the cutoff, in the rows of leads and of windows.
CUTOFF = "_cutoff_ordinal"
ORDINAL = "_ordinal"
PHASE = "_phase"
#: The series of values that hold for all series.
ALL_SERIES = ""


@dataclass(frozen=True, kw_only=True)
class Leads:
    """Values of exogenous variables, by cutoff. values: of `laid_out` where they hold for all series, else its input,
    of which only the series of a batch are laid out."""

    values: DataFrame
    is_by_series: bool


def lead_names(series: SeriesConfig) -> list[tuple[str, int]]:
    """The exogenous variables at step 1, then at step 2, ..."""
    return [(name, step) for step in range(1, series.horizon + 1) for name in series.exogenous_names]


def lead_columns(series: SeriesConfig) -> list[str]:
    return [lead_column(*lead) for lead in lead_names(series)]


def lead_fields(series: SeriesConfig) -> tuple[Field, ...]:
    """As possible inputs of the model."""
    return tuple(Field(name=name, type="double", nullable=True) for name in lead_columns(series))


def leads_of(spark: SparkSession, values: pa.Table, series: SeriesConfig) -> Leads:
    """values: of `read_exogenous`."""
    is_by_series = SERIES_ID in values.column_names
    if not is_by_series:
        values = values.append_column(SERIES_ID, pa.array([ALL_SERIES] * len(values), pa.string()))
    frame: DataFrame = spark.createDataFrame(values)
    if is_by_series:
        return Leads(values=frame, is_by_series=True)
    once: DataFrame = spark.createDataFrame(laid_out(frame, series).drop(SERIES_ID).toArrow())
    return Leads(values=once, is_by_series=False)


def laid_out(values: DataFrame, series: SeriesConfig) -> DataFrame:
    """series_id, `_cutoff_ordinal` and `lead_columns` for each value: a row is of the cutoff one period before it.

    A lead is null where the value is missing, and where a period before it has no row. values: series_id, ds and the
    exogenous variables, a row for each series and ds. Those of no period of the calendar are left out.
    """
    calendar = Calendar.of_series(series)
    period = calendar.ordinals_per_period
    known = values.where(calendar.is_on(F.col(DS))).select(
        SERIES_ID, calendar.ordinal(F.col(DS)).alias(ORDINAL), *series.exogenous_names
    )
    # Of values that are closer than a period, such as those of each hour for days, every phase is on its own.
    phased = known.withColumn(PHASE, F.pmod(F.col(ORDINAL), F.lit(period)))
    following = Window.partitionBy(SERIES_ID, PHASE).orderBy(ORDINAL)
    return phased.select(
        SERIES_ID,
        (F.col(ORDINAL) - period).alias(CUTOFF),
        *[
            F.when(
                F.lead(ORDINAL, step - 1).over(following) == F.col(ORDINAL) + (step - 1) * period,
                F.lead(name, step - 1).over(following),
            ).alias(lead_column(name, step))
            for name, step in lead_names(series)
        ],
    )


def with_leads(windows: DataFrame, leads: Leads | None, series: SeriesConfig, *, of: DataFrame) -> DataFrame:
    """Windows with `lead_columns`, null where there is no value. As they are, without exogenous variables.

    of: a frame with the `series_id` of all windows, in whatever number. leads: None where there are no values at all.
    """
    if not series.exogenous_names:
        return windows
    if leads is None:
        return windows.select("*", *[F.lit(None).cast("double").alias(name) for name in lead_columns(series)])
    numbered = windows.withColumn(CUTOFF, Calendar.of_series(series).ordinal(F.col(DS)))
    if not leads.is_by_series:
        return numbered.join(F.broadcast(leads.values), on=CUTOFF, how="left").drop(CUTOFF)
    asked = leads.values.join(of.select(SERIES_ID).distinct(), on=SERIES_ID, how="left_semi")
    return numbered.join(laid_out(asked, series), on=[SERIES_ID, CUTOFF], how="left").drop(CUTOFF)


def missing_exogenous(series: SeriesConfig) -> Column:
    """Why a window with `lead_columns` has no forecast: `missing_exogenous: price has no value at 2024-05-01`, of the
    first step without one. Null where none is missing."""
    names = series.exogenous_names
    is_missing = F.array(*[F.col(name).isNull() for name in lead_columns(series)])
    place = F.array_position(is_missing, True) - 1
    step = F.floor(place / len(names)).cast("int") + 1
    name = F.get(F.array(*map(F.lit, names)), F.pmod(place, F.lit(len(names))).cast("int"))
    ds = Calendar.of_series(series).after(F.col(DS), step)
    is_midnight = ds == F.date_trunc("day", ds)
    when = F.when(is_midnight, F.date_format(ds, "yyyy-MM-dd")).otherwise(F.date_format(ds, "yyyy-MM-dd HH:mm:ss"))
    return F.when(place >= 0, F.concat(F.lit(f"{MISSING_EXOGENOUS}: "), name, F.lit(" has no value at "), when))

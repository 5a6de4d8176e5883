"""Fits all series of a hash bucket in one call of `applyInArrow`."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.udfs.var.evaluation import evaluation_to_bytes
from penstock.udfs.var.exogenous_lookup import ExogenousValues, exogenous_values
from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings, FleetFit, fit_to_bytes
from penstock.udfs.var.histories import Histories, histories
from penstock.udfs.var.holdout import evaluate
from penstock.udfs.var.kernel import FloatArray
from penstock.udfs.var.lag_bounds import TOO_SHORT
from penstock.udfs.var.runs import PERIOD_TOLERANCE

#: Which bucket a row is in.
BUCKET = "bucket"
#: In a bucket that has both: whether a row has exogenous variables, and not an observation.
IS_EXOGENOUS = "is_exogenous"
SHOWN_HOLES = 3
PHASES = ("arrange", "holdout", "fit")


@dataclass(frozen=True)
class BucketSettings:
    """fit: its variables are the columns. frequency: a pandas offset alias. holdout, origin_every: in periods, origins:
    as for `evaluate`. holidays: ISO dates."""

    fit: FitSettings
    frequency: str
    holdout: int
    ids_are_integers: bool
    holidays: tuple[str, ...] = ()
    origins: int = 1
    origin_every: int = 1

    @property
    def result_schema(self) -> str:
        """As Spark DDL. ids, last_ds, conflicts: of the series in `fit`, refused ones included; refused_*: of all that
        were refused; evaluation: the bytes of an Evaluation; seconds: by PHASES."""
        kind = "bigint" if self.ids_are_integers else "string"
        return (
            f"ids array<{kind}>, last_ds array<timestamp>, conflicts array<bigint>, fit binary, "
            f"refused_ids array<{kind}>, refused_reasons array<string>, evaluation binary, seconds array<double>"
        )


def bucket_fitter(settings: BucketSettings, *, exogenous: pa.Table | None = None) -> Callable[[pa.Table], pa.Table]:
    """One row of `result_schema` for the observations of a bucket.

    exogenous: the values that hold for all series, as for `exogenous_values`; those of single series are rows of the
    bucket with IS_EXOGENOUS.
    """

    def fit_bucket(table: pa.Table) -> pa.Table:
        moments = [time.monotonic()]
        observations, of_series = parted(table)
        given = arranged(observations, settings)
        known = known_in_advance(of_series if exogenous is None else exogenous, given, settings)
        moments.append(time.monotonic())
        evaluation = evaluate(
            given.levels,
            given.offsets,
            settings.fit,
            holdout=settings.holdout,
            origins=settings.origins,
            origin_every=settings.origin_every,
            periods=given.periods,
            exogenous=known,
        )
        moments.append(time.monotonic())
        fit = fitted(given, settings, known)
        moments.append(time.monotonic())
        refused = refusals(given, fit)
        kind = pa.int64() if settings.ids_are_integers else pa.string()
        texts, moment, numbers = pa.list_(pa.string()), pa.list_(pa.timestamp("us", tz="UTC")), pa.list_(pa.float64())
        seconds = [after - before for before, after in pairwise(moments)]
        return pa.table(
            {
                "ids": pa.array([given.ids.tolist()], pa.list_(kind)),
                "last_ds": pa.array([pa.array(given.last_ds.astype("datetime64[us]")).to_pylist()], moment),
                "conflicts": pa.array([given.conflicts.tolist()], pa.list_(pa.int64())),
                "fit": pa.array([fit_to_bytes(fit)], pa.binary()),
                "refused_ids": pa.array([list(refused)], pa.list_(kind)),
                "refused_reasons": pa.array([list(refused.values())], texts),
                "evaluation": pa.array([evaluation_to_bytes(evaluation)], pa.binary()),
                "seconds": pa.array([seconds], numbers),
            }
        )

    return fit_bucket


def arranged(table: pa.Table, settings: BucketSettings) -> Histories:
    return histories(table, variables=settings.fit.variables, frequency=settings.frequency, holidays=settings.holidays)


def parted(table: pa.Table) -> tuple[pa.Table, pa.Table | None]:
    """The observations of a bucket, and the rows with exogenous variables if it has such."""
    if IS_EXOGENOUS not in table.schema.names:
        return table, None
    return table.filter(pc.invert(table[IS_EXOGENOUS])), table.filter(table[IS_EXOGENOUS])


def known_in_advance(table: pa.Table | None, given: Histories, settings: BucketSettings) -> ExogenousValues | None:
    """None without exogenous variables. Raises ValueError if the settings have some and there is no table."""
    names = settings.fit.exogenous
    if not names:
        return None
    if table is None:
        raise ValueError(f"no values of the exogenous variables {', '.join(names)}")
    return exogenous_values(table, given, names=names, frequency=settings.frequency, holidays=settings.holidays)


def at_observations(known: ExogenousValues | None, given: Histories) -> FloatArray | None:
    """(n_total, q), the values in the observations' periods; None without exogenous variables."""
    return None if known is None else known.at(given.series, given.periods)


def fitted(given: Histories, settings: BucketSettings, known: ExogenousValues | None) -> FleetFit:
    return fit_fleet(
        given.levels, given.offsets, settings.fit, periods=given.periods, exogenous=at_observations(known, given)
    )


def refusals(given: Histories, fit: FleetFit) -> dict[object, str]:
    """The reasons of all refused series by id; those that are too short for their holes with the holes' dates."""
    reasons: dict[object, str] = dict(given.refused)
    for refusal in fit.refused:
        holes = holes_of(given, refusal.position) if refusal.reason.startswith(TOO_SHORT) else []
        reasons[given.ids[refusal.position]] = refusal.reason + (f"; {named(holes)}" if holes else "")
    return reasons


def holes_of(given: Histories, position: int) -> list[str]:
    """For each hole of a series the observation before it, as an ISO date or time."""
    rows = slice(given.offsets[position], given.offsets[position + 1])
    before = np.flatnonzero(np.abs(np.diff(given.periods[rows]) - 1.0) > PERIOD_TOLERANCE)
    moments = given.ds[rows][before].astype("datetime64[s]")
    return [str(moment).replace("T00:00:00", "") for moment in moments]


def named(holes: Sequence[str]) -> str:
    more = f" and {len(holes) - SHOWN_HOLES} more" if len(holes) > SHOWN_HOLES else ""
    return f"observations are missing after {', '.join(holes[:SHOWN_HOLES])}{more}"

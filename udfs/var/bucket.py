"""Fits all series of a hash bucket in one call of `applyInArrow`."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import pyarrow as pa

from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings, FleetFit, fit_to_bytes
from penstock.udfs.var.histories import Histories, histories
from penstock.udfs.var.holdout import holdout_scores
from penstock.udfs.var.transform import observations_lost

PHASES = ("arrange", "holdout", "fit")


@dataclass(frozen=True)
class BucketSettings:
    """variables: the columns, one per transform of `fit`. holdout: in periods. holidays: ISO
    dates."""

    fit: FitSettings
    variables: tuple[str, ...]
    frequency: str
    holdout: int
    ids_are_integers: bool
    holidays: tuple[str, ...] = ()

    @property
    def levels_needed(self) -> int:
        """The minimum length of a history that can be fitted."""
        return self.fit.observations_needed + observations_lost(self.fit.transforms)

    @property
    def result_schema(self) -> str:
        """As Spark DDL. ids, last_ds: of the series in `fit`, refused ones included; refused_*: of all that were
        refused; scores: the sums of `fit_holdout`, flat; seconds: by PHASES."""
        kind = "bigint" if self.ids_are_integers else "string"
        return (
            f"ids array<{kind}>, last_ds array<timestamp>, fit binary, refused_ids array<{kind}>, "
            "refused_reasons array<string>, scores array<double>, scored bigint, seconds array<double>"
        )


def bucket_fitter(settings: BucketSettings) -> Callable[[pa.Table], pa.Table]:
    """One row of `result_schema` for the observations of a bucket."""

    def fit_bucket(table: pa.Table) -> pa.Table:
        moments = [time.monotonic()]
        given = arranged(table, settings)
        moments.append(time.monotonic())
        scores = holdout_scores(given.levels, given.offsets, settings.fit, holdout=settings.holdout)
        moments.append(time.monotonic())
        fit = fit_fleet(given.levels, given.offsets, settings.fit)
        moments.append(time.monotonic())
        refused = refusals(given, fit)
        kind = pa.int64() if settings.ids_are_integers else pa.string()
        texts, moment, numbers = pa.list_(pa.string()), pa.list_(pa.timestamp("us", tz="UTC")), pa.list_(pa.float64())
        seconds = [after - before for before, after in pairwise(moments)]
        return pa.table(
            {
                "ids": pa.array([given.ids.tolist()], pa.list_(kind)),
                "last_ds": pa.array([pa.array(given.last_ds.astype("datetime64[us]")).to_pylist()], moment),
                "fit": pa.array([fit_to_bytes(fit)], pa.binary()),
                "refused_ids": pa.array([list(refused)], pa.list_(kind)),
                "refused_reasons": pa.array([list(refused.values())], texts),
                "scores": pa.array([scores.sums.ravel().tolist()], numbers),
                "scored": pa.array([scores.n_series], pa.int64()),
                "seconds": pa.array([seconds], numbers),
            }
        )

    return fit_bucket


def arranged(table: pa.Table, settings: BucketSettings) -> Histories:
    return histories(
        table,
        variables=settings.variables,
        frequency=settings.frequency,
        needed=settings.levels_needed,
        holidays=settings.holidays,
    )


def refusals(given: Histories, fit: FleetFit) -> dict[object, str]:
    """The reasons of all refused series by id."""
    reasons: dict[object, str] = dict(given.refused)
    for refusal in fit.refused:
        n_runs = int(given.n_runs[refusal.position])
        cut = n_runs > 1 and refusal.reason.startswith("too short")
        more = f"; holes cut the series into {n_runs} runs, of which this is the longest" if cut else ""
        reasons[given.ids[refusal.position]] = refusal.reason + more
    return reasons

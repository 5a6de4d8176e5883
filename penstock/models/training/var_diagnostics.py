"""VAR diagnostics by statsmodels for single series.

statsmodels takes no holes: of a series that has some it sees the longest run of consecutive periods. Each diagnostic
is independent: one that can't be computed is reported, and the others are still written.
"""

import logging
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.tsa.api import VAR

from penstock.models.training.var_statistics import causality_table, roots_table, whiteness_lags
from penstock.udfs.var.bucket import BucketSettings, at_observations
from penstock.udfs.var.deterministic import DeterministicTerms
from penstock.udfs.var.exogenous_lookup import ExogenousValues
from penstock.udfs.var.fleet_calendar import last_periods
from penstock.udfs.var.histories import Histories
from penstock.udfs.var.kernel import FloatArray
from penstock.udfs.var.packs import Observations
from penstock.udfs.var.runs import runs_of
from penstock.udfs.var.samples import time_indices
from penstock.udfs.var.transform import observations_lost
from penstock.udfs.var.transformed import transformed_observations

IMPULSE_PERIODS = 12
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A series to diagnose. values: the VAR's (transformed) input, by variable and ds, of its longest run. n_runs: how
    many runs it has. first_time_index: t of the first row of values (see DeterministicTerms). exogenous: (rows, q), of
    the same rows; a run ends as well where one has no value. is_all: whether these are all observations."""

    series_id: Any
    lag_order: int
    values: pd.DataFrame
    n_runs: int = 1
    first_time_index: float = 1.0
    exogenous: FloatArray | None = None
    is_all: bool = True

    def given_columns(self, terms: DeterministicTerms) -> pd.DataFrame | None:
        """Those of season and exogenous variables, a row for each of values; None without any."""
        if terms.n_terms == terms.n_trend:
            return None
        times = self.first_time_index + np.arange(len(self.values), dtype=np.float64)
        columns = terms.columns(times)[:, terms.n_trend :]
        if self.exogenous is not None:
            columns = np.hstack([columns, self.exogenous])
        return pd.DataFrame(columns, index=self.values.index, columns=list(terms.names[terms.n_trend :]))


def subjects(
    given: Histories, settings: BucketSettings, lag_orders: dict[Any, int], *, exogenous: ExogenousValues | None = None
) -> list[Subject]:
    """One for each series in `given` that has a lag order."""
    runs = runs_of(given.offsets, given.periods)
    observations = transformed_observations(
        given.levels, runs, settings.fit, exogenous=at_observations(exogenous, given)
    )
    # of each transformed observation the place of its level
    levels = np.flatnonzero(runs.places() >= observations_lost(settings.fit.transforms))
    times = time_indices(observations.runs)
    found = []
    for place, series_id in enumerate(given.ids.tolist()):
        if series_id not in lag_orders:
            continue
        consecutive = consecutive_rows(observations, place)
        start, end = max(consecutive, key=lambda run: run[1] - run[0])
        last = given.ds[levels[end - 1]]
        dates = last_periods(last, periods=end - start, frequency=settings.frequency, holidays=settings.holidays)
        found.append(
            Subject(
                series_id=series_id,
                lag_order=lag_orders[series_id],
                values=pd.DataFrame(
                    observations.values[start:end],
                    index=pd.DatetimeIndex(dates),
                    columns=list(settings.fit.variables),
                ),
                n_runs=len(consecutive),
                is_all=end - start == observations.n_obs[place],
                first_time_index=float(times[start]),
                exogenous=None if observations.exogenous is None else observations.exogenous[start:end],
            )
        )
    return found


def consecutive_rows(observations: Observations, place: int) -> list[tuple[int, int]]:
    """Start and end of each run of a series' observations of consecutive periods that have exogenous values."""
    runs = observations.runs
    edges = runs.offsets[runs.owned[place] : runs.owned[place + 1] + 1]
    if observations.exogenous is None:
        return list(pairwise(edges.tolist()))
    values = observations.exogenous[edges[0] : edges[-1]]
    lacking = edges[0] + np.flatnonzero(~np.isfinite(values).all(axis=1))
    starts = np.unique(np.concatenate([edges, lacking, lacking + 1])).tolist()
    return [(start, end) for start, end in pairwise(starts) if start not in lacking]


def write_diagnostics(chosen: Iterable[Subject], folder: Path, *, terms: DeterministicTerms) -> pd.DataFrame:
    """A folder of diagnostics per series, and `index.csv`, which is also returned: series_id, folder, lag_order, the
    run of observations that was looked at, and problems (empty: all were computed)."""
    rows = []
    for number, subject in enumerate(chosen, start=1):
        name = f"{number:02d}-{re.sub(r'[^A-Za-z0-9_.-]+', '_', str(subject.series_id))[:60]}"
        (folder / name).mkdir(parents=True)
        problems = diagnose(subject, folder / name, terms=terms)
        rows.append((subject.series_id, name, subject.lag_order, looked_at(subject), "; ".join(problems)))
        log.info("diagnostics of %s: %s", subject.series_id, "; ".join(problems) or "done")
    index = pd.DataFrame(rows, columns=["series_id", "folder", "lag_order", "looked_at", "problems"])
    folder.mkdir(parents=True, exist_ok=True)
    index.to_csv(folder / "index.csv", index=False)
    return index


def looked_at(subject: Subject) -> str:
    if not len(subject.values):
        return "nothing"
    dates = subject.values.index
    which = "all" if subject.is_all else "those with all exogenous variables"
    if subject.n_runs > 1:
        which = f"the longest of {subject.n_runs} runs"
    return f"{which}: {len(dates)} observations, {dates[0]} to {dates[-1]}"


def diagnose(subject: Subject, folder: Path, *, terms: DeterministicTerms) -> list[str]:
    """Write each diagnostic that can be computed to `folder`; returns the failures with reasons."""
    problems: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = VAR(subject.values, exog=subject.given_columns(terms))
            result = model.fit(subject.lag_order, trend=terms.trend)
        except Exception as error:  # noqa: BLE001 - statsmodels raises what numpy raises
            return [f"statsmodels could not fit it: {in_one_line(error)}"]
        for name, write in DIAGNOSTICS.items():
            try:
                write(result, folder)
            except Exception as error:  # noqa: BLE001
                problems.append(f"{name}: {in_one_line(error)}")
    if problems:
        (folder / "problems.txt").write_text("\n".join(problems) + "\n")
    return problems


def in_one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def write_summary(result: Any, folder: Path) -> None:
    (folder / "summary.txt").write_text(f"{result.summary()}\n")


def write_stability(result: Any, folder: Path) -> None:
    if not result.k_ar:
        raise ValueError("a VAR(0) has no roots")
    roots_table(result.roots).to_csv(folder / "roots.csv", index=False)


def write_whiteness(result: Any, folder: Path) -> None:
    """Portmanteau test: no autocorrelation is left in the residuals."""
    n_lags = whiteness_lags(result.k_ar)
    texts = [str(result.test_whiteness(nlags=n_lags, adjusted=adjusted).summary()) for adjusted in (False, True)]
    (folder / "whiteness.txt").write_text("\n\n".join(texts) + "\n")


def write_normality(result: Any, folder: Path) -> None:
    (folder / "normality.txt").write_text(f"{result.test_normality().summary()}\n")


def write_causality(result: Any, folder: Path) -> None:
    causality_table(result).to_csv(folder / "granger_causality.csv", index=False)


def write_impulse_responses(result: Any, folder: Path) -> None:
    """statsmodels' plot, with asymptotic intervals."""
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    mpl.use("Agg")
    figure = result.irf(IMPULSE_PERIODS).plot(orth=False)
    try:
        figure.savefig(folder / "impulse_responses.png", dpi=80, bbox_inches="tight")
    finally:
        plt.close(figure)


DIAGNOSTICS: dict[str, Callable[[Any, Path], None]] = {
    "summary": write_summary,
    "stability": write_stability,
    "whiteness": write_whiteness,
    "normality": write_normality,
    "causality": write_causality,
    "impulse responses": write_impulse_responses,
}

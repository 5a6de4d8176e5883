"""VAR diagnostics by statsmodels for single series.

statsmodels takes no holes: of a series that has some it sees the longest run of consecutive periods. Each diagnostic
is independent: one that can't be computed is reported, and the others are still written.
"""

import logging
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.tsa.api import VAR

from penstock.models.training.var_statistics import causality_table, roots_table, whiteness_lags
from penstock.udfs.var.bucket import BucketSettings
from penstock.udfs.var.deterministic import DeterministicTerms
from penstock.udfs.var.fleet_calendar import last_periods
from penstock.udfs.var.histories import Histories
from penstock.udfs.var.runs import runs_of
from penstock.udfs.var.transform import transform_levels

IMPULSE_PERIODS = 12
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A series to diagnose. values: the VAR's (transformed) input, by variable and ds, of its longest run. n_runs: how
    many runs it has. first_time_index: t of the first row of values (see DeterministicTerms)."""

    series_id: Any
    lag_order: int
    values: pd.DataFrame
    n_runs: int = 1
    first_time_index: float = 1.0

    def seasonal_columns(self, terms: DeterministicTerms) -> pd.DataFrame | None:
        """A row for each of values; None without a season."""
        if not terms.season:
            return None
        columns = terms.columns(self.first_time_index + np.arange(len(self.values), dtype=np.float64))[
            :, terms.n_trend :
        ]
        return pd.DataFrame(columns, index=self.values.index, columns=list(terms.names[terms.n_trend :]))


def subjects(given: Histories, settings: BucketSettings, lag_orders: dict[Any, int]) -> list[Subject]:
    """One for each series in `given` that has a lag order."""
    runs = runs_of(given.offsets, given.periods)
    values, offsets = transform_levels(given.levels, runs.offsets, settings.fit.transforms)
    found = []
    for place, series_id in enumerate(given.ids.tolist()):
        if series_id not in lag_orders:
            continue
        own = range(runs.owned[place], runs.owned[place + 1])
        longest = max(own, key=lambda run: offsets[run + 1] - offsets[run])
        first = next(run for run in own if offsets[run + 1] > offsets[run])
        rows = values[offsets[longest] : offsets[longest + 1]]
        end = given.ds[runs.offsets[longest + 1] - 1]
        dates = last_periods(end, periods=len(rows), frequency=settings.frequency, holidays=settings.holidays)
        frame = pd.DataFrame(rows, index=pd.DatetimeIndex(dates), columns=list(settings.fit.variables))
        found.append(
            Subject(
                series_id=series_id,
                lag_order=lag_orders[series_id],
                values=frame,
                n_runs=len(own),
                first_time_index=float(runs.start_periods[longest] - runs.start_periods[first]) + 1.0,
            )
        )
    return found


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
    which = "all" if subject.n_runs == 1 else f"the longest of {subject.n_runs} runs"
    return f"{which}: {len(dates)} observations, {dates[0]} to {dates[-1]}"


def diagnose(subject: Subject, folder: Path, *, terms: DeterministicTerms) -> list[str]:
    """Write each diagnostic that can be computed to `folder`; returns the failures with reasons."""
    problems: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = VAR(subject.values, exog=subject.seasonal_columns(terms))
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

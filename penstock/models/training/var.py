"""The job `fit_var`: read, fit, log, register, set the alias."""

import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import PipelineConfig
from penstock.errors import FitError
from penstock.models.registry import Registry
from penstock.models.training.elasticnet import begin_experiment
from penstock.models.training.var_accuracy import report_accuracy
from penstock.models.training.var_data import read_fit_data, report_refusals
from penstock.models.training.var_diagnostics import subjects, write_diagnostics
from penstock.models.training.var_exogenous import read_known
from penstock.models.training.var_fit import FittedFleet, fit_series, outcome
from penstock.models.training.var_logging import log_exogenous, log_outcome, log_settings, write_tables
from penstock.models.training.var_settings import bucket_settings, check_workload
from penstock.timings import Timings
from penstock.udfs.var.bucket import arranged, known_in_advance
from penstock.udfs.var.fleet_refused import MAX_SERIES
from penstock.udfs.var.fleet_save import fleet_model_parts
from penstock.udfs.var.histories import SERIES_ID
from penstock.udfs.var.transform import observations_lost

CANDIDATE = "candidate"
#: The tag of a run whose model must not be promoted, with the reason; else it is empty.
NOT_PROMOTED = "not_promoted"
DIAGNOSED_SERIES = 20
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """The registered version, its run, and the fit. not_promoted: why the config's alias must not be set to it; None if
    it may."""

    version: str
    run_id: str
    fleet: FittedFleet
    not_promoted: str | None = None

    @property
    def outcome(self) -> str:
        return outcome(self.fleet) + (f"; not promoted: {self.not_promoted}" if self.not_promoted else "")

    def check_promoted(self, alias: str, *, asked: bool) -> None:
        """Raises FitError if `alias` was asked for and is not set."""
        if asked and self.not_promoted:
            raise FitError(f"version {self.version} has the alias {CANDIDATE}, not {alias}: {self.not_promoted}")


def fit_var(
    spark: SparkSession,
    config: PipelineConfig,
    *,
    data: Sequence[str] = (),
    from_table: bool = False,
    table_version: int | None = None,
    until: datetime | None = None,
    promote: bool = False,
    diagnosed: int = DIAGNOSED_SERIES,
) -> FitResult:
    """Fit every series on its observations with ds <= until (UTC) and register one model with the alias `candidate`.

    promote: also set the config's alias, unless the model takes more observations than series.keep_lags. diagnosed: how
    many series, the first by id, get statsmodels' diagnostics; with a prior none do.
    Raises ConfigError, FitError, ExogenousError, RegistryUnavailableError.
    """
    check_workload(config, job="fit_var")
    bucket_settings(config, ids_are_integers=False)  # fails early on invalid settings
    timings = Timings()
    with registry_errors(config):
        begin_experiment(config)
    with timings.measure("read"):
        observed = read_fit_data(spark, config, data=data, from_table=from_table, table_version=table_version)
        report_refusals(observed)
        known = read_known(config)
    settings = replace(
        bucket_settings(config, ids_are_integers=observed.ids_are_integers),
        holidays=config.the_series.calendar.holidays,
    )
    frame = observed.until(until)
    with timings.measure("fit"):
        fleet = fit_series(spark, frame, settings, exogenous=known.values if known else None)
    report_accuracy(fleet, config)
    with (
        registry_errors(config),
        tempfile.TemporaryDirectory() as scratch,
        mlflow.start_run(run_name=run_name(config)) as run,
    ):
        log_settings(config, observed, until=until.isoformat() if until else None)
        if known:
            log_exogenous(config, known)
        log_outcome(config, observed, fleet)
        with timings.measure("diagnostics"):
            write_tables(Path(scratch), config, observed, fleet)
            orders = dict(zip(fleet.fitted_ids.tolist(), fleet.fit.lag_order.tolist(), strict=True))
            if config.fit.prior != "none" and diagnosed:
                log.info("no diagnostics: statsmodels' are of least squares, and these models have a prior")
                diagnosed = 0
            chosen = {series_id: orders[series_id] for series_id in sorted(orders)[:diagnosed]}
            if chosen:
                table = frame.where(F.col(SERIES_ID).isin(list(chosen))).toArrow()
                given = arranged(table, settings)
                ahead = known_in_advance(known.values if known else None, given, settings)
                looked_at = subjects(given, settings, chosen, exogenous=ahead)
                write_diagnostics(looked_at, Path(scratch) / "diagnostics", terms=settings.fit.terms)
            mlflow.log_artifacts(scratch)
        not_promoted = too_deep(config, fleet)
        mlflow.set_tag(NOT_PROMOTED, not_promoted or "")
        with timings.measure("register"):
            version = register(config, fleet, promote=promote and not_promoted is None)
        mlflow.log_metrics({f"seconds_{phase}": seconds for phase, seconds in timings.seconds.items()})
    if not_promoted:
        log.warning("version %s must not be promoted: %s", version, not_promoted)
    return FitResult(version=version, run_id=run.info.run_id, fleet=fleet, not_promoted=not_promoted)


@contextmanager
def registry_errors(config: PipelineConfig) -> Iterator[None]:
    try:
        yield
    except MlflowException as error:
        raise Registry.of(config).unavailable(error) from error


def run_name(config: PipelineConfig) -> str:
    order = f"{config.fit.criterion} up to {config.fit.max_lags}" if config.fit.criterion else f"{config.fit.max_lags}"
    season = f" season={config.fit.season:g}" if config.fit.season else ""
    prior = f" prior={config.fit.prior}" if config.fit.prior != "none" else ""
    names = config.the_series.exogenous_names
    exogenous = f" exogenous={','.join(names)}" if names else ""
    return f"var lags={order} trend={config.fit.trend}{season}{prior}{exogenous}"


def register(config: PipelineConfig, fleet: FittedFleet, *, promote: bool) -> str:
    """Log the model, make it a version, set its aliases; returns the version. Raises FitError."""
    try:
        with (
            fleet_model_parts(
                fleet.fit,
                ids=fleet.ids,
                variables=config.the_series.variables,
                frequency=config.the_series.frequency,
                last_ds=fleet.last_ds,
                holidays=config.the_series.calendar.holidays,
                refused=fleet.refused,
                levels=config.the_series.levels[:-1],
            ) as parts,
            warnings.catch_warnings(),
        ):
            warnings.filterwarnings("ignore", message=".*input example")  # the signature is exact without one
            info = mlflow.pyfunc.log_model(name="model", registered_model_name=config.the_model.name, **parts)
    except ValueError as error:
        raise FitError(f"the fit can't be made a model: {error}") from error
    version = str(info.registered_model_version)
    left_out = len(fleet.refused) - MAX_SERIES
    if left_out > 0:
        log.warning("%s of the refused series are not in the model: they will be unknown_series", f"{left_out:,}")
    aliases = dict.fromkeys([CANDIDATE, *([config.the_model.alias] if promote else [])])
    for alias in aliases:
        Registry.of(config).client.set_registered_model_alias(config.the_model.name, alias, version)
    log.info("registered %s version %s with the alias %s", config.the_model.name, version, " and ".join(aliases))
    return version


def too_deep(config: PipelineConfig, fleet: FittedFleet) -> str | None:
    """Why the stream, which keeps series.keep_lags observations of a series, would refuse the model; None if it would
    not."""
    # a pooled VAR takes at least one change; that a season is kept for its fallback is checked with the config
    least = 2 if config.fit.fallback == "pooled" else 1
    needed = max(least, int(fleet.fit.lag_order.max()) + observations_lost(config.the_series.transforms))
    kept = config.the_series.keep_lags
    if needed <= kept:
        return None
    fewer = kept - observations_lost(config.the_series.transforms) if kept >= least else 0
    return (
        f"the model takes {needed} observations of a series and series.keep_lags is {kept}; set series.keep_lags to at "
        f"least {needed}" + (f", or fit.max_lags to at most {fewer}" if fewer else "")
    )

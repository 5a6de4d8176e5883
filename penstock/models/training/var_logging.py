"""Logs a fit to MLflow: params, metrics, data sources, tables and plots."""

import warnings
from pathlib import Path

import matplotlib as mpl
import mlflow
import numpy as np
import pandas as pd
from mlflow.data.dataset_source import DatasetSource
from mlflow.data.dataset_source_registry import resolve_dataset_source
from mlflow.data.delta_dataset_source import DeltaDatasetSource
from mlflow.data.meta_dataset import MetaDataset

from penstock.config.pipeline import PipelineConfig
from penstock.models.training.var_accuracy import accuracy_metrics, write_accuracy
from penstock.models.training.var_data import SHOWN_FILES, FitData
from penstock.models.training.var_exogenous import KnownInAdvance
from penstock.models.training.var_fit import FittedFleet

LONGEST_PARAM = 500
#: The tag of a run that says whether its accuracy is of periods that the models were not fitted on.
ACCURACY, OUT_OF_SAMPLE = "accuracy", "out_of_sample"


def log_settings(config: PipelineConfig, data: FitData, *, until: str | None) -> None:
    """Log the params of a run, and its data as MLflow datasets."""
    series, fit = config.the_series, config.fit
    params: dict[str, object] = {
        "variables": ", ".join(series.variables),
        "transforms": ", ".join(series.transforms),
        "frequency": series.frequency,
        **({"holidays": len(series.calendar.holidays)} if series.holidays else {}),
        "horizon": series.horizon,
        "level": series.main_level,
        **({"levels": ", ".join(map(str, series.levels))} if len(series.levels) > 1 else {}),
        "point": series.point,
        "criterion": fit.criterion or "none",
        "max_lags": fit.max_lags,
        "trend": fit.trend,
        **({"season": f"{fit.season:g}", "fourier": fit.fourier or "none"} if fit.season else {}),
        "intervals": fit.intervals,
        "prior": fit.prior,
        **({"tightness": fit.tightness, "decay": fit.decay} if fit.prior != "none" else {}),
        "holdout": fit.holdout,
        **({"fallback": fit.fallback} if fit.fallback != "none" else {}),
        **({"origins": fit.origins, "origin_every": fit.origin_every} if fit.origins > 1 else {}),
        "until": until or "all",
        "data_source": shortened(data.locations),
        "data_kind": "files" if data.version is None else "observations table",
        **({"data_files": len(data.files)} if data.version is None else {"data_version": data.version}),
    }
    mlflow.log_params({name: str(value)[:LONGEST_PARAM] for name, value in params.items()})
    for location in data.locations:
        source = source_of(location, data.version)
        dataset = MetaDataset(source=source, name=Path(location).name[:LONGEST_PARAM])  # type: ignore[abstract]
        mlflow.log_input(dataset, context="training")


def log_exogenous(config: PipelineConfig, known: KnownInAdvance) -> None:
    """Log what the exogenous variables are, and their source as an MLflow dataset."""
    source, version = known.source.path, known.source.version
    params: dict[str, object] = {
        "exogenous": ", ".join(config.the_series.exogenous_names),
        "exogenous_source": source,
        **({"exogenous_version": version} if version is not None else {}),
        "exogenous_rows": known.values.num_rows,
    }
    mlflow.log_params({name: str(value)[:LONGEST_PARAM] for name, value in params.items()})
    name = Path(source).name[:LONGEST_PARAM]
    mlflow.log_input(MetaDataset(source=source_of(source, version), name=name), context="exogenous")  # type: ignore[abstract]


def shortened(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN_FILES} more" if len(names) > SHOWN_FILES else ""
    return ", ".join(names[:SHOWN_FILES]) + more


def source_of(location: str, version: int | None) -> DatasetSource:
    if version is not None:
        return DeltaDatasetSource(path=location, delta_table_version=version)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that two of MLflow's classes for local files would do
        return resolve_dataset_source(str(Path(location).absolute()))


def log_outcome(config: PipelineConfig, data: FitData, fleet: FittedFleet) -> None:
    """Log counts and hold-out metrics."""
    mlflow.log_params({"series_fitted": len(fleet.fit), "series_refused": len(fleet.refused)})
    metrics = {
        "series_fitted": float(len(fleet.fit)),
        "series_refused": float(len(fleet.refused)),
        "observations": float(fleet.n_observations),
        "rejected_rows": float(data.n_rejected),
        "refused_files": float(len(data.refused_files)),
        "lag_order_mean": float(fleet.fit.lag_order.mean()),
        "series_with_fewer_lags": float((fleet.fit.lags_tried < fleet.fit.settings.max_lags).sum()),
        "series_with_holes": float((fleet.fit.n_holes > 0).sum()),
        "holes": float(fleet.fit.n_holes.sum()),
        "rows_left_out": float(fleet.fit.rows_left_out.sum()),
        "conflicts": float(fleet.conflicts.sum()),
        "holdout_series": float(fleet.scored),
        **accuracy_metrics(fleet, config),
        **{f"worker_seconds_{phase}": seconds for phase, seconds in fleet.worker_seconds.items()},
    }
    mlflow.log_metrics(metrics)
    if fleet.scored:
        mlflow.set_tag(ACCURACY, OUT_OF_SAMPLE)


def write_tables(folder: Path, config: PipelineConfig, data: FitData, fleet: FittedFleet) -> None:
    """Tables and plots, for `mlflow.log_artifacts`: data/, fit/."""
    (folder / "data").mkdir(parents=True)
    (folder / "fit").mkdir()
    if data.version is None:
        files = [(file.path, file.verdict, file.length, "; ".join(file.reasons)) for file in data.files]
        pd.DataFrame(files, columns=["path", "verdict", "length", "reasons"]).to_csv(
            folder / "data" / "files.csv", index=False
        )
        data.rejected.to_csv(folder / "data" / "rejected_rows.csv", index=False)
    refused = pd.DataFrame(list(fleet.refused), columns=["series_id", "reason"])
    refused.to_csv(folder / "fit" / "refused_series.csv", index=False)
    series_table(fleet).to_parquet(folder / "fit" / "series.parquet", index=False)
    orders = lag_orders(fleet)
    orders.to_csv(folder / "fit" / "lag_orders.csv", index=False)
    plot_lag_orders(
        orders, folder / "fit" / "lag_orders.png", title=f"Lag orders by {config.fit.criterion or 'config'}"
    )
    write_accuracy(folder / "fit", config, fleet)


def series_table(fleet: FittedFleet) -> pd.DataFrame:
    """One row per fitted series."""
    return pd.DataFrame(
        {
            "series_id": fleet.fitted_ids,
            "lag_order": fleet.fit.lag_order,
            "lags_tried": fleet.fit.lags_tried,
            "transformed_observations": fleet.fit.n_obs,
            "holes": fleet.fit.n_holes,
            "rows_left_out": fleet.fit.rows_left_out,
            "conflicts": fleet.conflicts[fleet.fit.positions],
            "largest_root_modulus": fleet.fit.root_modulus,
            "last_ds": fleet.last_ds[fleet.fit.positions],
        }
    ).sort_values("series_id", ignore_index=True)


def lag_orders(fleet: FittedFleet) -> pd.DataFrame:
    """How many series have each lag order, from 0 to the largest tried."""
    counts = np.bincount(fleet.fit.lag_order, minlength=fleet.fit.settings.max_lags + 1)
    return pd.DataFrame({"lag_order": np.arange(len(counts)), "series": counts})


def plot_lag_orders(orders: pd.DataFrame, file: Path, *, title: str) -> None:
    from matplotlib import pyplot as plt

    mpl.use("Agg")
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    axes.bar(orders["lag_order"], orders["series"], color="#3b6ea5")
    axes.set(title=title, xlabel="lag order p", ylabel="series", xticks=orders["lag_order"])
    figure.savefig(file, dpi=100)
    plt.close(figure)

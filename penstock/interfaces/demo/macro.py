"""The demo's second part: US macro data, forecast quarter by quarter, with the actual values."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from statsmodels.datasets import macrodata

from penstock.config.pipeline import PipelineConfig
from penstock.interfaces.demo.wine import as_csv, drop_files
from penstock.storage.files import Storage

#: The model is fitted on the quarters up to here, and forecasts the later ones.
LAST_FITTED = "2005-10-01"
SERIES_ID = "usa"
SHOWN_VARIABLE = "realgdp"
CHART_QUARTERS = 24
#: The folder of the demo's own files, even if the tables are on S3.
LOCAL = Path("warehouse")


def macro_history(variables: tuple[str, ...]) -> pd.DataFrame:
    """series_id, ds and the variables in levels: quarters from 1959 to the third of 2009, as statsmodels ships them."""
    data: pd.DataFrame = macrodata.load_pandas().data
    months = pd.DataFrame({"year": data["year"], "month": data["quarter"] * 3 - 2, "day": 1}).astype(int)
    dated = data[list(variables)].assign(series_id=SERIES_ID, ds=pd.to_datetime(months))
    return dated[["series_id", "ds", *variables]]


def write_history(config: PipelineConfig) -> Path:
    """All quarters as one CSV file for fit_var, which is run with --until; returns its path."""
    path = LOCAL / config.pipeline / "history" / "usa.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    macro_history(config.the_series.variables).to_csv(path, index=False, date_format="%Y-%m-%d")
    return path


def drop_macro_files(storage: Storage, config: PipelineConfig, *, stamp: str) -> list[str]:
    """One CSV file for each year after LAST_FITTED, and before them one with the quarters for the first lags."""
    history = macro_history(config.the_series.variables)
    is_later = history["ds"] > LAST_FITTED
    parts = {"start": history[~is_later].tail(config.the_series.keep_lags)}
    parts |= {str(year): part for year, part in history[is_later].groupby(history["ds"].dt.year)}
    files = {f"{stamp}-{name}.csv": as_csv(part) for name, part in parts.items()}
    return drop_files(storage, config.source.path, files)


def forecasts_beside_truth(spark: SparkSession, config: PipelineConfig) -> pd.DataFrame:
    """cutoff, ds, step, variable, forecast, lower, upper, truth; of a cutoff forecast twice, the newest."""
    forecasts = spark.read.format("delta").load(config.table_path("forecasts"))
    newest = F.max_by(F.struct("forecast", "lower", "upper"), "scored_at").alias("newest")
    found = forecasts.groupBy("cutoff", "ds", "step", "variable").agg(newest).select("*", "newest.*").drop("newest")
    truth = macro_history(config.the_series.variables).melt(
        ["series_id", "ds"], var_name="variable", value_name="truth"
    )
    frame = found.toPandas().merge(truth.drop(columns="series_id"), on=["ds", "variable"], how="left")
    return frame.sort_values(["variable", "cutoff", "step"], ignore_index=True)


def show_macro_results(spark: SparkSession, config: PipelineConfig) -> str:
    """A summary of the forecasts as text; draws the charts."""
    frame = forecasts_beside_truth(spark, config)
    observations = spark.read.format("delta").load(config.table_path("observations"))
    outcomes = observations.groupBy(F.coalesce("error", F.lit("forecast made"))).count().collect()
    known = frame.dropna(subset="truth")
    inside = (known["lower"] <= known["truth"]) & (known["truth"] <= known["upper"])
    first = known[(known["cutoff"] == LAST_FITTED) & (known["variable"] == SHOWN_VARIABLE)]
    shown = first[["ds", "forecast", "lower", "upper", "truth"]].round(0).assign(ds=first["ds"].dt.strftime("%Y-%m"))
    charts = draw_charts(frame, config)
    level = config.the_series.main_level
    return "\n".join(
        [
            "",
            "Observations (all runs of this demo together): "
            + ", ".join(f"{count} {what}" for what, count in sorted(outcomes)),
            "",
            f"{SHOWN_VARIABLE} as forecast from {LAST_FITTED}, in billions of 2005 dollars, with the actual values:",
            shown.to_string(index=False),
            "",
            f"Over all cutoffs and variables {inside.mean():.0%} of {len(known)} actual values are within their "
            f"{level:.0%} intervals (2008 and 2009 were not like the years before).",
            "Fan charts: " + ", ".join(str(chart) for chart in charts),
            f"The tables are in {config.tables.root}: forecasts, observations, lags, quarantine, batches.",
        ]
    )


def draw_charts(frame: pd.DataFrame, config: PipelineConfig) -> list[Path]:
    """A PNG for each variable: the years before the first cutoff, the forecasts from it, and the actual values."""
    folder = LOCAL / config.pipeline / "charts"
    folder.mkdir(parents=True, exist_ok=True)
    history = macro_history(config.the_series.variables)
    made = []
    for variable in config.the_series.variables:
        fan = frame[(frame["cutoff"] == LAST_FITTED) & (frame["variable"] == variable)]
        made.append(folder / f"{variable}.png")
        draw_fan(history[["ds", variable]], fan, made[-1], level=config.the_series.main_level)
    return made


def draw_fan(history: pd.DataFrame, fan: pd.DataFrame, file: Path, *, level: float) -> None:
    """history: ds and one variable. fan: ds, forecast, lower, upper."""
    from matplotlib import pyplot as plt

    mpl.use("Agg")
    variable = history.columns[1]
    before = history[history["ds"] <= LAST_FITTED].tail(CHART_QUARTERS)
    after = history[(history["ds"] >= LAST_FITTED) & (history["ds"] <= fan["ds"].max())]
    start = before.tail(1)
    dates = np.concatenate([start["ds"].to_numpy(), fan["ds"].to_numpy()])
    lines = {name: np.concatenate([start[variable], fan[name]]) for name in ("forecast", "lower", "upper")}
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    axes.fill_between(dates, lines["lower"], lines["upper"], color="#3b6ea5", alpha=0.25, label=f"{level:.0%} interval")
    axes.plot(dates, lines["forecast"], color="#3b6ea5", label="forecast")
    axes.plot(before["ds"], before[variable], color="black", label="known")
    axes.plot(after["ds"], after[variable], color="black", linestyle="--", label="actual")
    axes.set(title=f"{variable}, forecast from {LAST_FITTED}", ylabel="billions of 2005 dollars")
    axes.legend(loc="upper left", frameon=False)
    figure.savefig(file, dpi=100)
    plt.close(figure)

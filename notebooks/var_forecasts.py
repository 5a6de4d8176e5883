# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # VAR forecasts, from exploration to the stream
#
# US gross domestic product, consumption and investment, quarter by quarter (the data set `macrodata` of statsmodels).
# A vector autoregression is chosen and fitted, registered in MLflow, and then run in the pipeline: each new quarter
# that arrives as a file gives a forecast of the next eight, with intervals, in dollars.

# %%
import os
from datetime import datetime
from pathlib import Path

import altair as alt
import numpy as np
from statsmodels.tsa.api import VAR

from penstock import build_session, connect_duckdb, fit_var, load_config, macro_history, run_pipeline, settings_of

os.chdir(next(folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / "conf" / "macro.yaml").exists()))
FOLDER = Path(os.environ.get("PENSTOCK_NOTEBOOKS", "warehouse/notebooks")).absolute()
VARIABLES = ("realgdp", "realcons", "realinv")
CUTOFF = datetime(2005, 10, 1)

# %% [markdown]
# ## The levels grow, their log differences are steady
#
# A VAR requires stationary series. So the pipeline has `transform: dlog` for each variable, and
# transforms forecasts and intervals back to levels.

# %%
history = macro_history(VARIABLES)
steps = history.set_index("ds")[list(VARIABLES)].transform(np.log).diff().dropna()
long = steps.reset_index().melt("ds", var_name="variable", value_name="growth")
alt.Chart(long).mark_line(strokeWidth=1).encode(
    x=alt.X("ds:T", title=None), y="growth:Q", row=alt.Row("variable:N", title=None)
).properties(width=600, height=90).resolve_scale(y="independent")

# %% [markdown]
# ## How many lags?
#
# statsmodels' table of the information criteria; `fit.criterion: aic` in `conf/macro.yaml` selects for each series the
# order with the lowest AIC, which may differ for each of a million series.

# %%
known = steps[steps.index <= CUTOFF]
orders = VAR(known, freq="QS-OCT").select_order(8)
orders.summary()

# %% [markdown]
# ## Fit and register
#
# This runs the job `penstock fit --conf conf/macro.yaml --promote`. It evaluates on the last eight quarters against
# the naive forecast, refits on all, and registers the model as code with `.npy` files, no pickle.

# %%
config = load_config(
    [Path("conf/macro.yaml")],
    overrides=[
        f"source.path={FOLDER}/macro/inbox",
        "source.settle=1 s",
        f"tables.root={FOLDER}/macro/tables",
        f"checkpoint={FOLDER}/macro/checkpoint",
        f"mlflow.tracking_uri=sqlite:///{FOLDER}/mlflow.db",
    ],
)
FOLDER.mkdir(parents=True, exist_ok=True)
data = FOLDER / "macro" / "history.csv"
data.parent.mkdir(exist_ok=True)
history.to_csv(data, index=False, date_format="%Y-%m-%d")
spark = build_session("penstock-notebook", settings=settings_of(config))
fitted = fit_var(spark, config, data=[str(data)], until=CUTOFF, promote=True)
print(f"version {fitted.version}: {fitted.outcome}")

# %% [markdown]
# ## Quarters arrive
#
# The last nine known quarters come first, for the lags; then a file with two later quarters.

# %%
inbox = Path(config.source.path)
inbox.mkdir(parents=True, exist_ok=True)
is_known = history["ds"] <= CUTOFF
history[is_known].tail(9).to_csv(inbox / "a-known.csv", index=False, date_format="%Y-%m-%d")
history[~is_known].head(2).to_csv(inbox / "b-later.csv", index=False, date_format="%Y-%m-%d")
[record] = run_pipeline(config, job="notebook", once=True, resume=False)
print(f"{record.accepted} observations, {record.failed} failed")

# %% [markdown]
# ## Forecasts
#
# One row is a series, a cutoff, a step and a variable.

# %%
tables = connect_duckdb(config)
fan = tables.execute("SELECT * FROM forecasts WHERE cutoff = $cutoff ORDER BY variable, step", {"cutoff": CUTOFF}).df()
fan[["variable", "step", "ds", "forecast", "lower", "upper", "model_version"]].head(8)

# %%
shown = history[(history["ds"] > "2001") & (history["ds"] <= "2007-10-01")]
truth = shown.melt(["series_id", "ds"], var_name="variable", value_name="value")
base = alt.Chart(fan).encode(x=alt.X("ds:T", title=None))
billions = alt.Y("lower:Q", title="billions of 2005 dollars", scale=alt.Scale(zero=False))
band = base.mark_area(opacity=0.25).encode(y=billions, y2="upper:Q")
line = base.mark_line().encode(y="forecast:Q")
actual = alt.Chart(truth).mark_line(color="black").encode(x="ds:T", y="value:Q")
alt.hconcat(
    *[
        alt.layer(*[layer.transform_filter(alt.datum.variable == name) for layer in (band, line, actual)]).properties(
            width=220, height=180, title=name
        )
        for name in VARIABLES
    ]
)

# %% [markdown]
# ## The same as statsmodels
#
# Point forecasts of the same model by statsmodels, cumulated from log differences to levels.

# %%
by_statsmodels = VAR(known.to_numpy()).fit(orders.aic, trend="c").forecast(known.to_numpy()[-orders.aic :], 8)
last = history.loc[is_known, list(VARIABLES)].to_numpy()[-1]
levels = last * np.exp(np.cumsum(by_statsmodels, axis=0))
ours = fan.pivot(index="step", columns="variable", values="forecast")[list(VARIABLES)].to_numpy()
print(f"largest relative difference: {np.max(np.abs(ours / levels - 1)):.1e}")

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
# # Was it right?
#
# The notebook on VAR forecasts has written forecasts, and two quarters that came later. Here each forecast is judged
# once, as its actual value lands, and the versions of the model are looked at by what came true. Run that one first.

# %%
import os
import subprocess
import sys
from pathlib import Path

import altair as alt

from penstock import connect_duckdb, load_config, read_model_versions, run_duckdb_query

os.chdir(next(folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / "conf" / "macro.yaml").exists()))
FOLDER = Path(os.environ.get("PENSTOCK_NOTEBOOKS", "warehouse/notebooks")).absolute()
CONF, OVERRIDES = (
    Path("conf/macro.yaml"),
    [
        f"source.path={FOLDER}/macro/inbox",
        f"tables.root={FOLDER}/macro/tables",
        f"checkpoint={FOLDER}/macro/checkpoint",
        f"mlflow.tracking_uri=sqlite:///{FOLDER}/mlflow.db",
    ],
)
config = load_config([CONF], overrides=OVERRIDES)


def penstock(command: str) -> str:
    """What a command prints, as in a shell."""
    settings = [part for override in OVERRIDES for part in ("--set", override)]
    arguments = [sys.executable, "-m", "penstock.jobs.run_command", command, "--conf", str(CONF), *settings]
    return subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True).stdout


# %% [markdown]
# ## Judge what has come true
#
# `penstock evaluate` takes the observations that are new since the last time, joins them with the forecasts of their
# quarter, and appends sums: by unit (the quarter), version, variable and step. A second run finds nothing new. A stream
# does the same every `evaluate.every`.

# %%
print(penstock("evaluate"))
tables = connect_duckdb(config)
tables.sql("SELECT unit, model_version, variable, step, pairs, loss, absolute_error FROM model_performance").df()

# %% [markdown]
# ## The versions of the model
#
# What each was trained on, what it was measured at then, and what came true: mean loss (the weighted interval score
# over the interval's half-width), error over that of repeating the last quarter, and coverage.

# %%
print(penstock("models"))

# %% [markdown]
# The same in Python, by variable and step.

# %%
[version] = [one for one in read_model_versions(config).versions if one.is_answering]
live = version.live
assert live is not None
print(f"{live.pairs} pairs one step ahead, {live.coverage:.0%} of the actuals within their 95% intervals")

# %% [markdown]
# ## By variable and step
#
# Above 1 a forecast is worse than no model. Two quarters say little: look at the pairs before you look at the loss.

# %%
losses = run_duckdb_query(config, "loss_by_version").to_pandas()
bars = alt.Chart(losses).mark_bar()
ratio = bars.encode(
    x=alt.X("step:O"),
    y=alt.Y("mean(ratio_to_naive):Q", title="error over the naive forecast's"),
    column=alt.Column("variable:N", title=None),
)
ratio.properties(width=160, height=180)

# %%
run_duckdb_query(config, "coverage_by_version").to_pandas()

# %% [markdown]
# ## The sums are what one gets by hand
#
# The absolute errors, from forecasts and observations alone.

# %%
by_hand = tables.sql(
    """
    SELECT variable, step, sum(abs(error)) AS absolute_error FROM forecast_vs_actual
    WHERE vintage = 1 GROUP BY ALL ORDER BY variable, step
    """
).df()
evaluated = tables.sql(
    "SELECT variable, step, sum(absolute_error) AS absolute_error FROM model_performance GROUP BY ALL ORDER BY ALL"
).df()
assert by_hand[["variable", "step"]].equals(evaluated[["variable", "step"]])
relative = (evaluated["absolute_error"] / by_hand["absolute_error"] - 1).abs()
print(f"largest difference: {relative.max():.1e}")

# %% [markdown]
# What to do about a version that has become worse: `docs/model-performance.md`. `penstock explain` shows one forecast
# down to its file and each term of the VAR; `penstock rescore` and `penstock compare` try another version on the same
# quarters.

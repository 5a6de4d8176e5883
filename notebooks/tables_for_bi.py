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
# # Reading the tables for BI, without Spark
#
# The results of a pipeline are Delta tables, on disk or on S3. deltalake reads their logs and DuckDB their rows:
# filters and columns are pushed down into the files, so a question about one day of a large table reads that day. This
# notebook reads the tables of the other two. Run those first.

# %%
import os
from pathlib import Path

import altair as alt

from penstock import PipelineConfig, connect_duckdb, load_config

os.chdir(next(folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / "conf" / "wine.yaml").exists()))
FOLDER = Path(os.environ.get("PENSTOCK_NOTEBOOKS", "warehouse/notebooks")).absolute()


def pipeline(name: str) -> PipelineConfig:
    """The config of a pipeline with the tables of the other notebooks."""
    return load_config([Path(f"conf/{name}.yaml")], overrides=[f"tables.root={FOLDER}/{name}/tables"])


wine, macro = (connect_duckdb(pipeline(name)) for name in ("wine", "macro"))

# %% [markdown]
# ## What came in, batch by batch
#
# `batches` has a row for each finished micro-batch: the commit marker, with row counts.

# %%
wine.sql("SELECT batch_id, finished_at, rows_in, accepted, quarantined, failed, versions FROM batches").df()

# %% [markdown]
# ## Why were rows rejected?

# %%
reasons = wine.sql("SELECT unnest(reasons) AS reason FROM quarantine")
wine.sql("SELECT reason, count(*) AS entries FROM reasons GROUP BY ALL ORDER BY reason").df()

# %% [markdown]
# ## Predictions by the alcohol in the wine

# %%
shown = wine.sql("SELECT alcohol, prediction FROM predictions WHERE error IS NULL").df()
alt.Chart(shown).mark_circle(opacity=0.4).encode(
    x=alt.X("alcohol:Q", scale=alt.Scale(zero=False)), y=alt.Y("prediction:Q", scale=alt.Scale(zero=False))
).properties(width=480, height=260)

# %% [markdown]
# ## Forecasts and actual values
#
# A forecast is for a `ds`; once an observation of that `ds` has arrived, the two can be compared.

# %%
compared = macro.sql(
    """
    SELECT forecasts.ds, step, forecast, lower, upper, observations.realgdp AS actual,
           observations.realgdp BETWEEN lower AND upper AS is_inside
    FROM forecasts JOIN observations USING (series_id, ds)
    WHERE variable = 'realgdp' AND cutoff = TIMESTAMPTZ '2005-10-01 00:00:00+00'
    ORDER BY step
    """
).df()
print(f"{len(compared)} forecasts have an actual value")
compared.round(1)

# %% [markdown]
# The same tables are there for Superset, Tableau and Power BI through a Spark Thrift server: `docs/bi.md`.

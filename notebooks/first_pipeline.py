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
# # A first pipeline: red wine
#
# Files with measurements of wines arrive in a folder; a model from an MLflow registry gives each wine a quality; every
# row ends in exactly one table, `predictions` or `quarantine`. This notebook trains the model, drops files, runs the
# pipeline once over them and shows the result. As a stream it is `penstock stream --conf conf/wine.yaml`.
#
# Run it in the project's folder (`make env`, then open it with jupytext, JupyterLab or an editor that knows `# %%`).

# %%
import os
from pathlib import Path

import altair as alt
import pandas as pd

from penstock import connect_duckdb, load_config, run_pipeline, train_elasticnet

os.chdir(next(folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / "conf" / "wine.yaml").exists()))
FOLDER = Path(os.environ.get("PENSTOCK_NOTEBOOKS", "warehouse/notebooks")).absolute()

# %% [markdown]
# ## One YAML file is a pipeline
#
# `conf/wine.yaml` names the inbox, the contract, the model and the tables. Here everything goes below another folder,
# so that the notebook leaves the demo's data alone.

# %%
config = load_config(
    [Path("conf/wine.yaml")],
    overrides=[
        f"source.path={FOLDER}/wine/inbox",
        "source.settle=1 s",
        f"tables.root={FOLDER}/wine/tables",
        f"checkpoint={FOLDER}/wine/checkpoint",
        f"mlflow.tracking_uri=sqlite:///{FOLDER}/mlflow.db",
    ],
)
print(Path("conf/wine.yaml").read_text())

# %% [markdown]
# ## A model in the registry
#
# An ElasticNet, trained on the first 1,100 wines. `promote` gives it the alias `champion`, which the pipeline asks for.

# %%
FOLDER.mkdir(parents=True, exist_ok=True)
result = train_elasticnet(
    config, data=Path("data/winequality-red.csv"), alpha=0.02, l1_ratio=0.5, first_rows=1100, promote=True
)
pd.Series(result.metrics, name=f"version {result.version}").to_frame()

# %% [markdown]
# ## Files arrive
#
# The other wines come as two CSV files, the second with its columns in another order: columns go by name. In the first
# file two rows are wrong.

# %%
wines = pd.read_csv("data/winequality-red.csv").iloc[1100:]
inbox = Path(config.source.path)
inbox.mkdir(parents=True, exist_ok=True)
measured = wines.drop(columns="quality").astype(object)
first, second = measured.iloc[:250].copy(), measured.iloc[250:]
first["alcohol"] = ["strong", -3, *first["alcohol"].iloc[2:]]
first.to_csv(inbox / "first.csv", index=False)
second[sorted(second.columns)].to_csv(inbox / "second.csv", index=False)
print(len(first), "and", len(second), "rows")

# %% [markdown]
# ## One backfill
#
# The first micro-batch of a process takes longest: Spark starts, and its Python workers import MLflow.

# %%
records = run_pipeline(config, job="notebook", once=True, resume=False)
pd.DataFrame(
    [
        {
            "batch": record.plan.batch_id,
            "rows in": record.rows_in,
            "accepted": record.accepted,
            "quarantined": record.quarantined,
            "model version": record.plan.champion.version,
            **record.seconds,
        }
        for record in records
    ]
)

# %% [markdown]
# Two rows violate the contract. They are stored with their text and every reason, and `penstock replay-quarantine`
# processes them again after a fix.

# %%
tables = connect_duckdb(config)
tables.sql("SELECT reasons, raw FROM quarantine").df().style.hide(axis="index")

# %% [markdown]
# ## Predictions and actual qualities
#
# The wines' real qualities were left out of the files; here they come back.

# %%
predictions = tables.sql("SELECT fixed_acidity, density, alcohol, prediction FROM predictions").df()
keys = {"fixed acidity": "fixed_acidity", "density": "density", "alcohol": "alcohol"}
truth = wines.rename(columns=keys)[[*keys.values(), "quality"]].drop_duplicates([*keys.values()])
compared = predictions.merge(truth, on=[*keys.values()])
alt.Chart(compared).mark_boxplot().encode(
    x=alt.X("quality:O", title="quality, by the judges"), y=alt.Y("prediction:Q", scale=alt.Scale(zero=False))
).properties(width=480, height=280)

# %% [markdown]
# Run the cell with `run_pipeline` once more: the files are known, and nothing is scored twice.

# %%
again = run_pipeline(config, job="notebook", once=True, resume=False)
print(
    f"{len(again)} further micro-batches, {tables.sql('SELECT count(*) FROM predictions').fetchall()[0][0]} predictions"
)

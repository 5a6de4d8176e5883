"""Trains a baseline model for any pipeline of rows: a linear one on the inputs of its contract."""

import logging
from pathlib import Path
from typing import Any

import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.impute import KNNImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from penstock.config.loading import load_contract
from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError
from penstock.models.training.elasticnet import SEED, TrainingResult, begin_experiment, measure, register_sklearn
from penstock.models.training.rows_data import RowData, Task, read_row_data
from penstock.models.training.var import registry_errors
from penstock.schemas.contract import Field

HOLDOUT_FRACTION = 0.25
#: Categories that are rarer, or beyond this number of the most frequent ones, are encoded together as infrequent.
RAREST_TEXT = 2
MAX_TEXTS = 50
MAX_ITERATIONS = 1000
EXAMPLE_ROWS = 5
log = logging.getLogger(__name__)


def train_rows(
    config: PipelineConfig, *, data: Path, target: str, promote: bool, task: Task | None = None
) -> TrainingResult:
    """Evaluate on a hold-out quarter of `data`, refit on all of it, register under the config's model name.

    data: CSV in the config's dialect, or Parquet, with the contract's columns and `target`, all by their headers.
    promote: set the config's alias; otherwise `candidate`. Raises ConfigError, RegistryUnavailableError.
    """
    if config.series is not None:
        raise ConfigError(f"workload: {config.pipeline} is a pipeline of {config.workload}; use fit_var")
    log.info("training a first %s", config.the_model.name)
    rows = read_row_data(config, load_contract(config), data=data, target=target, task=task)
    if rows.left_out:
        log.warning("%s rows left out: no target, or a value that does not fit the contract", f"{rows.left_out:,}")
    metrics = holdout_metrics(rows)
    model = fit_model(rows.inputs, rows.target, rows.task)
    with registry_errors(config):
        begin_experiment(config)
        with mlflow.start_run(run_name=f"{rows.task} of {target}"[:100]) as run:
            mlflow.log_params(
                {
                    "task": rows.task,
                    "target": target,
                    "rows": len(rows.target),
                    "rows_left_out": rows.left_out,
                    "inputs": len(rows.fields),
                    "seed": SEED,
                    "data": data.name,
                }
            )
            mlflow.log_metrics(metrics)
            version = register_sklearn(
                config,
                model,
                signature=signature_of(rows),
                example=example_of(rows),
                promote=promote,
                # Given explicitly: MLflow's inference starts a process and takes seconds.
                requirements=mlflow.sklearn.get_default_pip_requirements(include_skops=True),
            )
    return TrainingResult(version=version, run_id=run.info.run_id, metrics=metrics)


def fit_model(inputs: pd.DataFrame, target: pd.Series, task: Task) -> Pipeline:
    """Strings one-hot encoded, missing numbers imputed by the median, all standardised; then ridge or logistic
    regression."""
    texts = [name for name in inputs.columns if inputs[name].dtype == "object"]
    encode = ColumnTransformer(
        [
            (
                "texts",
                OneHotEncoder(
                    handle_unknown="infrequent_if_exist",
                    min_frequency=RAREST_TEXT,
                    max_categories=MAX_TEXTS,
                    sparse_output=False,
                ),
                texts,
            )
        ],
        remainder="passthrough",
    ).fit(inputs)
    encoded = encode.transform(inputs)
    fill = median_filler(encoded)
    filled = fill.transform(encoded)
    scale = StandardScaler().fit(filled)
    learner = Ridge() if task == "regression" else LogisticRegression(max_iter=MAX_ITERATIONS)
    learner.fit(scale.transform(filled), target.to_numpy())
    return Pipeline([("encode", encode), ("fill", fill), ("scale", scale), ("learn", learner)])


def median_filler(values: Any) -> KNNImputer:
    """An imputer whose only neighbour is the row of medians.

    It imputes as SimpleImputer does, which skops would load only with types declared as trusted; models that declare
    trusted types themselves are refused here.
    """
    medians = pd.DataFrame(values).median().to_numpy()
    return KNNImputer(n_neighbors=1, keep_empty_features=True).fit(medians[np.newaxis, :])


def holdout_metrics(rows: RowData) -> dict[str, float]:
    """Metrics on the last quarter of the rows of a model fitted on the others, and of a dummy baseline."""
    parts = train_test_split(
        rows.inputs, rows.target, test_size=HOLDOUT_FRACTION, random_state=SEED, stratify=strata(rows)
    )
    inputs, unseen, target, truth = parts
    if rows.task == "regression":
        naive = DummyRegressor().fit(inputs, target)
        metrics = measure(fit_model(inputs, target, rows.task), unseen, truth)
        return metrics | {"holdout_mae_naive": measure(naive, unseen, truth)["holdout_mae"]}
    if target.nunique() < 2:
        log.warning("no hold-out metrics: all rows but a few are of one class")
        return {}
    predicted = fit_model(inputs, target, rows.task).predict(unseen)
    naive = DummyClassifier().fit(inputs, target)
    return {
        "holdout_accuracy": float(accuracy_score(truth, predicted)),
        "holdout_f1_macro": float(f1_score(truth, predicted, average="macro")),
        "holdout_accuracy_naive": float(accuracy_score(truth, naive.predict(unseen))),
    }


def strata(rows: RowData) -> pd.Series | None:
    """The classes to stratify by, if each has enough rows for both parts."""
    if rows.task == "regression":
        return None
    counts = rows.target.value_counts()
    return rows.target if counts.min() >= 2 and len(counts) <= len(rows.target) * HOLDOUT_FRACTION else None


def signature_of(rows: RowData) -> ModelSignature:
    """Numbers as double, which can be missing and which every numeric type of a contract can be cast to."""
    kind = rows.target.dtype.kind if rows.task == "classification" else "f"
    output = {"f": "double", "O": "string", "b": "boolean", "i": "long"}[kind]
    inputs: list[ColSpec | TensorSpec] = [
        ColSpec(input_type(field), field.model, required=not field.nullable) for field in rows.fields
    ]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema([ColSpec(output)]))


def input_type(field: Field) -> str:
    return field.type if field.type in ("string", "boolean") else "double"


def example_of(rows: RowData) -> pd.DataFrame | None:
    """A few complete rows in the signature's types, if there are any."""
    whole = rows.inputs.dropna().head(EXAMPLE_ROWS)
    booleans = {field.model: "bool" for field in rows.fields if field.type == "boolean"}
    return whole.astype(booleans) if len(whole) else None

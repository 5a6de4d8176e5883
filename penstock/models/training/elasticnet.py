"""Trains, logs and registers the wine example: an ElasticNet on standardised measurements."""

import logging
from dataclasses import dataclass
from pathlib import Path

import mlflow
import mlflow.sklearn
import pandas as pd
from mlflow.data.pandas_dataset import from_pandas
from mlflow.models import ModelSignature
from sklearn.linear_model import ElasticNet
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from penstock.config.loading import load_contract
from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError
from penstock.udfs.scoring.pickled import pickle_allowed

SEED = 42
TARGET = "quality"
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """The registered version and the metrics on the hold-out rows."""

    version: str
    run_id: str
    metrics: dict[str, float]


def train_elasticnet(
    config: PipelineConfig,
    *,
    data: Path,
    alpha: float,
    l1_ratio: float,
    first_rows: int | None,
    promote: bool,
) -> TrainingResult:
    """Fit on three quarters of `data`, measure on the last quarter, register under the config's model name.

    data: a CSV with the contract's columns (by their model names) and `quality`. first_rows: use only this many.
    promote: set the config's alias; otherwise `candidate`. Raises ConfigError.
    """
    log.info("training %s", config.the_model.name)
    names = [field.model for field in load_contract(config).fields]
    frame = read_training_data(data, names).iloc[:first_rows]
    training, holdout = train_test_split(frame, test_size=0.25, random_state=SEED)
    begin_experiment(config)
    with mlflow.start_run(run_name=f"elasticnet alpha={alpha:g} l1_ratio={l1_ratio:g}") as run:
        model = make_pipeline(StandardScaler(), ElasticNet(alpha=alpha, l1_ratio=l1_ratio, random_state=SEED))
        model.fit(training[names], training[TARGET])
        metrics = measure(model, holdout[names], holdout[TARGET])
        mlflow.log_params({"alpha": alpha, "l1_ratio": l1_ratio, "seed": SEED, "training_rows": len(training)})
        mlflow.log_metrics(metrics)
        mlflow.log_input(from_pandas(training, targets=TARGET, name=data.stem), context="training")
        example = training[names].head(5)
        version = register_sklearn(
            config,
            model,
            signature=mlflow.models.infer_signature(example, model.predict(example)),
            example=example,
            promote=promote,
        )
    return TrainingResult(version=version, run_id=run.info.run_id, metrics=metrics)


def register_sklearn(
    config: PipelineConfig,
    model: Pipeline,
    *,
    signature: ModelSignature,
    example: pd.DataFrame | None,
    promote: bool,
    requirements: list[str] | None = None,
) -> str:
    """Log the model in the current run as a new version under the config's name; returns the version.

    promote: set the config's alias; otherwise `candidate`. requirements: None lets MLflow see what the model imports.
    """
    # MLflow loads the model that it has just saved, to infer its requirements.
    with pickle_allowed(True):
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            signature=signature,
            input_example=example,
            registered_model_name=config.the_model.name,
            pip_requirements=requirements,
        )
    version = str(info.registered_model_version)
    alias = config.the_model.alias if promote else "candidate"
    mlflow.MlflowClient().set_registered_model_alias(config.the_model.name, alias, version)
    log.info("registered %s version %s with the alias %s", config.the_model.name, version, alias)
    return version


def read_training_data(data: Path, names: list[str]) -> pd.DataFrame:
    try:
        frame = pd.read_csv(data)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{data}: can't be read as CSV: {error}") from None
    missing = [name for name in [*names, TARGET] if name not in frame.columns]
    if missing:
        raise ConfigError(f"{data}: lacks the columns {missing}; it has {list(frame.columns)}")
    return frame.astype({TARGET: "float64"})


def begin_experiment(config: PipelineConfig) -> None:
    """The pipeline's experiment, made with its artifacts beside the registry's database if it is new."""
    uri = config.the_mlflow.tracking_uri
    if uri.startswith("sqlite:///"):
        Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    name = config.the_mlflow.experiment or config.pipeline
    if mlflow.get_experiment_by_name(name) is None:
        mlflow.create_experiment(name, artifact_location=config.the_mlflow.experiment_artifacts)
    mlflow.set_experiment(name)


def measure(model: Pipeline, inputs: pd.DataFrame, truth: pd.Series) -> dict[str, float]:
    """Mean absolute error, root mean squared error and R2; the errors in the unit of the truth."""
    predicted = model.predict(inputs)
    return {
        "holdout_mae": float(mean_absolute_error(truth, predicted)),
        "holdout_rmse": float(root_mean_squared_error(truth, predicted)),
        "holdout_r2": float(r2_score(truth, predicted)),
    }

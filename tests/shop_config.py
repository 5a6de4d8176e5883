"""The config of a pipeline of series with exogenous variables, for tests that run no micro-batch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penstock.config.pipeline import PipelineConfig


def shop_config(folder: Path, exogenous: Mapping[str, Any] | None, **series: Any) -> PipelineConfig:
    """exogenous: of series.exogenous, None for a pipeline without. series: more of its section."""
    section = {"variables": ["sales"], "frequency": "MS", **series}
    return PipelineConfig.model_validate(
        {
            "pipeline": "shop",
            "workload": "series",
            "source": {"path": str(folder / "inbox")},
            "contract": "contracts:SHOP",
            "model": {"name": "shop"},
            "series": section if exogenous is None else {**section, "exogenous": exogenous},
            "tables": {"root": str(folder / "tables")},
            "checkpoint": str(folder / "checkpoint"),
            "mlflow": {"tracking_uri": "sqlite:///mlflow.db"},
        }
    )

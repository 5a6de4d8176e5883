"""What evaluations of a pipeline are by, with and without a section `evaluate`."""

from types import MappingProxyType

from penstock.config.evaluation import EvaluateConfig, Loss
from penstock.config.pipeline import PipelineConfig

DEFAULT_LOSS: MappingProxyType[str, Loss] = MappingProxyType({"rows": "absolute", "series": "wis"})


def loss_of(config: PipelineConfig) -> Loss:
    """`evaluate.loss`, or the workload's default. Sums of another loss, from before a change, are not added to it."""
    chosen = config.evaluate.loss if config.evaluate else None
    return chosen or DEFAULT_LOSS[config.workload]


def steps_of(config: PipelineConfig) -> tuple[int, ...]:
    """Of forecasts, those that decide."""
    return (config.evaluate or EvaluateConfig()).steps

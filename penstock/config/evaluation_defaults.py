"""What evaluations of a pipeline are by, with and without a section `evaluate`."""

from types import MappingProxyType

from penstock.config.evaluation import EvaluateConfig, Loss
from penstock.config.pipeline import PipelineConfig

#: The window of the labels' arrival, where evaluate.every is null.
UNIT_SECONDS = 3600.0
DEFAULT_LOSS: MappingProxyType[str, Loss] = MappingProxyType({"rows": "absolute", "series": "wis"})


def loss_of(config: PipelineConfig) -> Loss:
    """`evaluate.loss`, or the workload's default. Sums of another loss, from before a change, are not added to it."""
    chosen = config.evaluate.loss if config.evaluate else None
    return chosen or DEFAULT_LOSS[config.workload]


def unit_seconds(evaluate: EvaluateConfig | None) -> float:
    """The window in which the labels that come are one unit."""
    return (evaluate.every if evaluate else None) or UNIT_SECONDS


def steps_of(config: PipelineConfig) -> tuple[int, ...]:
    """Of forecasts, those that decide."""
    return (config.evaluate or EvaluateConfig()).steps

"""Whether predictions can be judged by the labels that the config names."""

from collections.abc import Iterator

from penstock.config.loading import load_contract
from penstock.config.pipeline import PipelineConfig
from penstock.operations.doctor.checks import Finding, found
from penstock.pipeline.evaluation.labels_source import LabelsSource


def examine_labels(config: PipelineConfig) -> Iterator[Finding]:
    """Nothing for a pipeline without the section `labels`."""
    if config.labels is not None:
        yield found("labels", lambda: describe_labels(config))


def describe_labels(config: PipelineConfig) -> str:
    """Raises ConfigError."""
    source = LabelsSource.of(config, load_contract(config))
    key = ", ".join(source.labels.key)
    return f"{source.labels.value} by {key}, of the pipeline {source.labels_config.pipeline}"

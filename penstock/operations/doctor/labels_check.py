"""Does the pipeline that brings the labels of a pipeline of rows agree with it on what names a row?"""

from collections.abc import Iterator

from penstock.config.label_contract import labels_config
from penstock.config.loading import load_contract
from penstock.config.pipeline import PipelineConfig
from penstock.operations.doctor.checks import Finding, found
from penstock.pipeline.workload import workload_of


def examine_labels(config: PipelineConfig) -> Iterator[Finding]:
    """Nothing for a pipeline without the section `labels`."""
    if config.labels is not None:
        yield found("labels", lambda: check_labels(config))


def check_labels(config: PipelineConfig) -> str:
    """Raises ConfigError."""
    brings = labels_config(config)
    workload_of(brings).check_contract(load_contract(brings), brings)
    label = brings.the_label
    return f"{brings.pipeline} brings {label.value} by {', '.join(label.key)}"

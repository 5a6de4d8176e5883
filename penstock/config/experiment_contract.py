"""Checks contracts against the section `experiment`."""

from penstock.config.label_contract import required_fields
from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError
from penstock.schemas.contract import Contract

#: Of the table predictions, of a pipeline with an experiment.
SHADOW_COLUMNS = ("shadow_version", "shadow_prediction", "shadow_error")
#: By workload, the table that has the contract's fields, and its columns for the answers of an experiment.
TAKEN_COLUMNS = {"rows": ("predictions", SHADOW_COLUMNS), "series": ("observations", ("shadow_error",))}
#: Their values are one text each, wherever they are written: in a file, by Spark, or in a request.
KEY_TYPES = ("string", "integer", "long", "date", "boolean")


def check_experiment_contract(contract: Contract, config: PipelineConfig) -> None:
    """Raises ConfigError unless the contract has the columns of experiment.key, not nullable and of KEY_TYPES."""
    experiment = config.experiment
    if experiment is None:
        return
    table, columns = TAKEN_COLUMNS[config.workload]
    names = config.series.variables if config.series else [field.name for field in contract.fields]
    taken = [name for name in names if name in columns]
    if taken:
        raise ConfigError(
            f"the contract {config.contract} has a field {taken[0]!r}, which the table {table} uses for the "
            f"answers of an experiment; give the field another name, with source={taken[0]!r} if the files call it so"
        )
    fields = required_fields(contract, config, {"experiment.key": experiment.key})
    for name in experiment.key:
        if fields[name].type not in KEY_TYPES:
            raise ConfigError(
                f"experiment.key: {name} is a {fields[name].type}, expected {', '.join(KEY_TYPES[:-1])} or "
                f"{KEY_TYPES[-1]}; name a column whose values have one way to be written"
            )

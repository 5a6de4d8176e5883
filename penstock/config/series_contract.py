"""Checks a contract against the config section `series`."""

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError
from penstock.schemas.contract import Contract
from penstock.schemas.types import INTEGER_BITS, NUMBERS, TIMES

IDS = ("string", *INTEGER_BITS)


def check_series_contract(contract: Contract, config: PipelineConfig) -> None:
    """Raises ConfigError unless the contract has the columns that the section `series` names, in usable types."""
    series, fields = config.the_series, {field.name: field for field in contract.fields}
    missing = [name for name in (series.id, series.time, *series.variables) if name not in fields]
    if missing:
        raise ConfigError(f"series: the contract {config.contract} has no field {', '.join(missing)}")
    wanted = {series.id: ("id", IDS), series.time: ("time", TIMES)}
    wanted |= dict.fromkeys(series.variables, ("variables", NUMBERS))
    for name, (key, types) in wanted.items():
        if fields[name].type not in types:
            raise ConfigError(f"series.{key}: {name} is a {fields[name].type}, expected {' or '.join(types)}")
    for name in (series.id, series.time):
        if fields[name].nullable:
            raise ConfigError(f"series: {name} may be null in the contract {config.contract}; give it nullable=False")


def ids_are_integers(contract: Contract, config: PipelineConfig) -> bool:
    return next(field.facts.is_whole for field in contract.fields if field.name == config.the_series.id)

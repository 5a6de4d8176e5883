"""Checks a contract against the config section `series`."""

from dataclasses import replace

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError
from penstock.schemas.contract import Contract, Rule
from penstock.schemas.types import INTEGER_BITS, NUMBERS, TIMES

#: The id of the only series where the files have no id.
SINGLE_SERIES = "single"
IDS = ("string", *INTEGER_BITS)
#: What a model's datetime can hold, nanoseconds in 64 bits, by the type of the time field.
TIME_RANGES = {
    "timestamp": "TIMESTAMP'1677-09-21 00:12:43.145225' AND TIMESTAMP'2262-04-11 23:47:16.854775'",
    "date": "DATE'1677-09-22' AND DATE'2262-04-11'",
}


def check_series_contract(contract: Contract, config: PipelineConfig) -> None:
    """Raises ConfigError unless the contract has the columns that the section `series` names, in usable types."""
    series, fields = config.the_series, {field.name: field for field in contract.fields}
    keys = (series.time,) if series.id is None else (series.id, series.time)
    missing = [name for name in (*keys, *series.variables) if name not in fields]
    if missing:
        hint = "; a file that is one series has series.id: null" if series.id in missing else ""
        raise ConfigError(f"series: the contract {config.contract} has no field {', '.join(missing)}{hint}")
    wanted = dict.fromkeys(keys, ("id", IDS)) | {series.time: ("time", TIMES)}
    wanted |= dict.fromkeys(series.variables, ("variables", NUMBERS))
    for name, (key, types) in wanted.items():
        if fields[name].type not in types:
            raise ConfigError(f"series.{key}: {name} is a {fields[name].type}, expected {' or '.join(types)}")
    for name in keys:
        if fields[name].nullable:
            raise ConfigError(f"series: {name} may be null in the contract {config.contract}; give it nullable=False")


def with_time_range(contract: Contract, config: PipelineConfig) -> Contract:
    """The contract of a pipeline of series with a rule that its times are those that a model can take. Of rows: as it
    is.

    A sentinel such as 9999-12-31 would be its series' newest observation, and all others be late from then on.
    """
    if config.workload != "series":
        return contract
    time = config.the_series.time
    ranges = [TIME_RANGES[field.type] for field in contract.fields if field.name == time and field.type in TIME_RANGES]
    name = f"{time}_in_time_range"
    if not ranges or any(rule.name.lower() == name.lower() for rule in contract.rules):
        return contract
    return replace(contract, rules=(*contract.rules, Rule(name=name, sql=f"{time} BETWEEN {ranges[0]}")))


def ids_are_integers(contract: Contract, config: PipelineConfig) -> bool:
    """Not for a single series."""
    return any(field.facts.is_whole for field in contract.fields if field.name == config.the_series.id)

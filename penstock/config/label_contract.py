"""Checks contracts against the sections `label` (a pipeline of labels) and `labels` (a pipeline of rows)."""

from pathlib import Path

from penstock.config.evaluation import LabelsConfig
from penstock.config.loading import load_config, load_contract
from penstock.config.pipeline import PipelineConfig, S3Config
from penstock.errors import ConfigError
from penstock.schemas.catalog import LABELS
from penstock.schemas.contract import Contract, Field
from penstock.schemas.types import TIMES


def check_label_contract(contract: Contract, config: PipelineConfig) -> None:
    """Raises ConfigError unless a contract of labels has key and value, and no column of the table `labels`."""
    label = config.the_label
    required_fields(contract, config, {"label.key": label.key, "label.value": (label.value,)})
    taken = [field.name for field in contract.fields if field.name in LABELS.column_names]
    if taken:
        raise ConfigError(
            f"the contract {config.contract} has a field {taken[0]!r}, which the table labels uses for itself; give "
            f"the field another name, with source={taken[0]!r} if the files call it so"
        )


def check_labelled_contract(contract: Contract, config: PipelineConfig) -> None:
    """Raises ConfigError unless the contract of rows that labels come for has their key, and the time to look at."""
    labels = config.labels
    if labels is None:
        return
    columns = {"labels.key": labels.key} | ({"labels.time": (labels.time,)} if labels.time else {})
    fields = required_fields(contract, config, columns)
    if labels.time and fields[labels.time].type not in TIMES:
        found = fields[labels.time].type
        raise ConfigError(f"labels.time: {labels.time} is a {found}, expected {' or '.join(TIMES)}")


def required_fields(
    contract: Contract, config: PipelineConfig, columns: dict[str, tuple[str, ...]]
) -> dict[str, Field]:
    """The contract's fields by name. columns: those that must be there and not nullable, by the setting that names
    them. Raises ConfigError."""
    fields = {field.name: field for field in contract.fields}
    for setting, names in columns.items():
        missing = [name for name in names if name not in fields]
        if missing:
            raise ConfigError(f"{setting}: the contract {config.contract} has no field {', '.join(missing)}")
        for name in names:
            if fields[name].nullable:
                raise ConfigError(
                    f"{setting}: {name} may be null in the contract {config.contract}; give it nullable=False"
                )
    return fields


def labels_config(config: PipelineConfig) -> PipelineConfig:
    """The config of the pipeline that brings the labels of one of rows.

    An overlay that says where the tables of any pipeline are (`${pipeline}` in tables.root) holds for it, too; on S3
    its connection is that of the rows unless it names one.

    Raises ConfigError where the config has no section `labels`, or the two do not agree on what names a row.
    """
    labels = config.labels
    if labels is None:
        raise ConfigError(
            f"{config.pipeline} has no section `labels`; name the config of the pipeline that brings them, the key and "
            "the value there (docs/labels.md)"
        )
    try:
        found = load_config([Path(labels.conf)], further=config.overlaid_places)
    except ConfigError as error:
        raise ConfigError(f"labels.conf: {error}") from None
    check_agreement(labels, config, found)
    return found if found.s3 != S3Config() else found.model_copy(update={"s3": config.s3})


def check_agreement(labels: LabelsConfig, rows: PipelineConfig, found: PipelineConfig) -> None:
    """Raises ConfigError. labels: the section of `rows`, which names the pipeline `found`."""
    if found.label is None:
        raise ConfigError(
            f"labels.conf: {labels.conf} is of {found.pipeline}, a pipeline of {found.workload}; name one whose "
            "workload is labels"
        )
    if found.tables.root == rows.tables.root:
        raise ConfigError(
            f"labels.conf: {found.pipeline} and {rows.pipeline} both have the tables.root {rows.tables.root}; give "
            "each one of its own"
        )
    for setting, ours, theirs in (
        ("key", sorted(labels.key), sorted(found.label.key)),
        ("value", labels.value, found.label.value),
    ):
        if ours != theirs:
            raise ConfigError(
                f"labels.{setting} of {rows.pipeline} is {ours}, label.{setting} of {found.pipeline} is {theirs}; they "
                "must name the same columns"
            )
    row_fields = {field.name: field.type for field in load_contract(rows).fields}
    for field in load_contract(found).fields:
        if field.name in labels.key and field.type != row_fields.get(field.name, field.type):
            raise ConfigError(
                f"labels.key: {field.name} is a {row_fields[field.name]} in {rows.contract} and a {field.type} in "
                f"{found.contract}; give it one type, or no label finds its row"
            )

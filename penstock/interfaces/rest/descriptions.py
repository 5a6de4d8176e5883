"""The response bodies of /models."""

from pydantic import BaseModel, ConfigDict

from penstock.config.experiment import BUCKETS
from penstock.interfaces.rest.served import Served
from penstock.udfs.scoring.outputs import ModelColumn


class CanaryDescription(BaseModel):
    """The candidate that answers a share of the keys, as the newest plan of the stream has it. fraction: of the keys.
    problem: why the champion answers these, too."""

    version: str | None
    fraction: float | None
    problem: str | None


class ModelSummary(BaseModel):
    """alias: null if the config pins a version. version: null until one is loaded. problem: why the version that
    the registry names now is not the one in use. canary: null where the champion answers alone."""

    model_config = ConfigDict(protected_namespaces=())
    name: str
    pipeline: str
    workload: str
    alias: str | None
    version: str | None
    problem: str | None
    canary: CanaryDescription | None = None


class FieldDescription(BaseModel):
    """source: the key in a request's rows. model: the model input that it provides, if any."""

    model_config = ConfigDict(protected_namespaces=())
    source: str
    name: str
    model: str
    type: str
    format: str | None
    nullable: bool


class RuleDescription(BaseModel):
    """A condition over the fields' names, in Spark SQL, that must be true."""

    name: str
    sql: str


class ColumnDescription(BaseModel):
    name: str
    type: str
    required: bool


class ModelDescription(ModelSummary):
    """inputs, outputs: of the loaded version's signature; none until one is loaded."""

    inputs: list[ColumnDescription]
    outputs: list[ColumnDescription]
    fields: list[FieldDescription]
    rules: list[RuleDescription]


class Models(BaseModel):
    models: list[ModelSummary]


def summary(served: Served) -> ModelSummary:
    standing = served.versions.default
    return ModelSummary(
        name=served.name,
        pipeline=served.config.pipeline,
        workload=served.config.workload,
        alias=None if served.config.the_model.version else served.config.the_model.alias,
        version=standing.model.version.version if standing.model else None,
        problem=standing.problem or None,
        canary=canary_of(served),
    )


def canary_of(served: Served) -> CanaryDescription | None:
    followed = served.experiment
    canary = followed.of(served.loaded.version) if followed and served.loaded else None
    problem = followed.standing_problem if followed else ""
    if canary is None and not problem:
        return None
    return CanaryDescription(
        version=canary.candidate.version.version if canary else None,
        fraction=canary.limit / BUCKETS if canary else None,
        problem=problem or None,
    )


def description(served: Served) -> ModelDescription:
    loaded = served.loaded
    return ModelDescription(
        **summary(served).model_dump(),
        inputs=[column_description(column) for column in loaded.inputs] if loaded else [],
        outputs=[column_description(column) for column in loaded.outputs] if loaded else [],
        fields=[
            FieldDescription(
                source=field.source,
                name=field.name,
                model=field.model,
                type=field.type,
                format=field.format,
                nullable=field.nullable,
            )
            for field in served.contract.fields
        ],
        rules=[RuleDescription(name=rule.name, sql=rule.sql) for rule in served.contract.rules],
    )


def column_description(column: ModelColumn) -> ColumnDescription:
    return ColumnDescription(name=column.name, type=column.type.name, required=column.required)

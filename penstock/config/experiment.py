"""The sections `experiment` and `verdict`: a second version beside the champion, and the rule that decides about it."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from penstock.config.durations import written
from penstock.config.evaluation import BoundedSeconds, EvaluateConfig, LabelsConfig
from penstock.config.model import ModelConfig
from penstock.config.sections import Section

Mode = Literal["shadow", "canary"]
#: The hash of a key is one of so many; a fraction is as fine as this.
BUCKETS = 10_000
#: How the reason begins for which a candidate is refused that has broken a guardrail.
GUARDRAIL = "guardrail: "
#: What MLflow takes as the name of an alias, and what of it has a meaning of its own there.
ALIAS, OWN_ALIAS = re.compile(r"[\w-]{1,255}"), re.compile(r"latest|v\d+", re.IGNORECASE)


def first_bucket_without(fraction: float) -> int:
    """Keys in buckets below it are in the sample; it grows with the fraction, so that a ramp only ever adds keys."""
    return round(fraction * BUCKETS)


def as_steps(given: object) -> object:
    """One fraction is a ramp of one step."""
    return given if isinstance(given, Sequence) and not isinstance(given, str) else (given,)


#: The least is one bucket.
Fraction = Annotated[float, Field(ge=1 / BUCKETS, le=1)]


class GuardrailsConfig(Section):
    """When a candidate is out at the next batch, without any label. failed: its share of rows without an answer above
    the champion's. slowdown: its seconds over the champion's, for the same rows."""

    failed: float = Field(default=0.01, ge=0, le=1)
    slowdown: float = Field(default=3.0, gt=0)


class ExperimentConfig(Section):
    """The version that `alias` points to answers beside the champion.

    mode: shadow, its answers stand beside those of the champion; canary, they stand in their place for the keys that
    it has. fraction: the share of the keys that it answers; several are the steps of a ramp, one every `step_every`.
    key: the columns whose values decide which rows it answers; of series it is always series_id. Without a key, which
    only a shadow of rows can be, a row is its own key.
    """

    alias: str = "candidate"
    mode: Mode = "shadow"
    fraction: Annotated[tuple[Fraction, ...], BeforeValidator(as_steps)] = Field(default=(1.0,), min_length=1)
    key: tuple[str, ...] = ()
    step_every: BoundedSeconds = Field(default=86400.0, gt=0)
    guardrails: GuardrailsConfig = GuardrailsConfig()

    @field_validator("alias")
    @classmethod
    def alias_is_one_of_mlflow(cls, alias: str) -> str:
        """Of any other name the registry would say that it is not set, and no candidate would ever answer."""
        if ALIAS.fullmatch(alias) and not OWN_ALIAS.fullmatch(alias):
            return alias
        raise ValueError(
            f"{alias!r} can be no alias in MLflow, where one has letters, digits, _ and - (1 to 255), and is not "
            "`latest` or v and a number; name the alias that the candidates are given"
        )

    @model_validator(mode="after")
    def ramp_ascends(self) -> Self:
        for earlier, later in zip(self.fraction, self.fraction[1:], strict=False):
            if first_bucket_without(later) <= first_bucket_without(earlier):
                raise ValueError(
                    f"fraction has {later:g} after {earlier:g}; a ramp only ever adds keys: give its steps in "
                    f"ascending order, at least {1 / BUCKETS:g} apart"
                )
        return self

    @model_validator(mode="after")
    def key_names_no_column_twice(self) -> Self:
        if len(set(self.key)) < len(self.key):
            raise ValueError(f"key {list(self.key)} names a column twice")
        return self


class VerdictConfig(Section):
    """The rule on the paired difference of losses, and who carries out what it says.

    act: propose, a person does (`penstock promote`); promote, the stream does. alpha: how often, at most, a verdict on
    two versions that do not differ may ever be wrong. margin: a candidate is promoted whose loss is surely below
    1 + margin times the champion's; -0.02 asks for 2% less. tolerance: one is rejected whose loss is surely above
    1 + tolerance times the champion's. min_units: blocks before any verdict; with fewer than 30 more than alpha are
    wrong (measured: 12% of AR(0.6) losses with 10, at 5%). min_duration: neither promotion nor rejection by the rule
    before the experiment has lasted that long, and its units span that long; it must cover the longest cycle of the
    losses. max_duration: of the experiment, from its first batch. bake: how long the old champion remains as shadow
    after a promotion.
    """

    act: Literal["propose", "promote"] = "propose"
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    margin: float = Field(default=0.0, gt=-1, lt=1)
    tolerance: float = Field(default=0.0, gt=-1, lt=1)
    min_units: int = Field(default=30, ge=2)
    min_duration: BoundedSeconds = Field(default=86400.0, ge=0)
    max_duration: BoundedSeconds = Field(default=30 * 86400.0, gt=0)
    bake: BoundedSeconds = 7 * 86400.0

    @model_validator(mode="after")
    def no_candidate_is_both(self) -> Self:
        if self.margin > self.tolerance:
            raise ValueError(
                f"margin {self.margin:g} is larger than tolerance {self.tolerance:g}: a candidate between them could "
                "be promoted and rejected at once; set margin to at most tolerance"
            )
        return self

    @model_validator(mode="after")
    def a_verdict_can_come_in_time(self) -> Self:
        if self.min_duration >= self.max_duration:
            raise ValueError(
                f"min_duration is {written(self.min_duration)}, and max_duration {written(self.max_duration)}: the "
                "time is over before a verdict may come; make min_duration shorter, or max_duration longer"
            )
        return self


def check_experiment(
    experiment: ExperimentConfig,
    verdict: VerdictConfig,
    model: ModelConfig | None,
    workload: str,
    evaluate: EvaluateConfig | None,
    labels: LabelsConfig | None,
) -> None:
    """Checks the section against the others of its pipeline. Raises ValueError."""
    if model is None:
        raise ValueError(f"experiment is for pipelines with a model; the workload is {workload}: leave it out")
    if model.version is not None:
        raise ValueError(
            f"model.version is pinned to {model.version}, and an experiment compares with the version of an alias, "
            "which a promotion moves; name model.alias in its place, or leave the section experiment out"
        )
    if experiment.alias == model.alias:
        raise ValueError(f"experiment.alias and model.alias are both {model.alias!r}; give the candidate another alias")
    if workload == "series" and experiment.key:
        raise ValueError(f"experiment.key is {list(experiment.key)}; of series it is always series_id: leave it out")
    if workload == "rows" and experiment.mode == "canary" and not experiment.key:
        raise ValueError(
            "experiment.mode is canary without experiment.key: name the columns whose values decide which version "
            "answers, such as a customer's id, so that a customer always meets the same one"
        )
    if verdict.act == "promote" and workload == "rows" and labels is None:
        raise ValueError(
            "verdict.act is promote, and no labels say what came true; give the section labels, or set act to propose"
        )
    if verdict.act == "promote" and evaluate is None:
        raise ValueError(
            "verdict.act is promote, and nothing is evaluated that a verdict could rest on; give the section evaluate, "
            "or set act to propose"
        )

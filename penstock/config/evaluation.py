"""The sections `evaluate` and `labels` of a pipeline of rows or series, and `label` of one of labels."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from penstock.config.durations import Seconds, written
from penstock.config.sections import Section

Loss = Literal["wis", "absolute", "squared", "zero_one", "log"]

#: A hundred years. Times that are so much earlier can still be computed.
MAX_SECONDS = 36525 * 86400.0


def within_a_century(seconds: float) -> float:
    """Raises ValueError."""
    if seconds > MAX_SECONDS:
        raise ValueError(f"{written(seconds)} is longer than {written(MAX_SECONDS)}; write a shorter duration")
    return seconds


BoundedSeconds = Annotated[Seconds, AfterValidator(within_a_century)]


class EvaluateConfig(Section):
    """What answers are judged by, once their actuals or labels come.

    loss: wis (series), or absolute, squared, zero_one, log (rows); null for wis and absolute. steps: of a forecast,
    those that decide. every: how often the stream evaluates; null only by `penstock evaluate`. prediction: the output
    that is judged, of a model that has several.
    """

    loss: Loss | None = None
    steps: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(1,), min_length=1)
    every: BoundedSeconds | None = Field(default=3600.0, gt=0)
    prediction: str | None = None


class LabelsConfig(Section):
    """Where the labels of rows come from: a pipeline of its own, whose workload is labels.

    conf: its YAML file. key: columns that both contracts have, and that name a row. value: the label's column. time:
    the column of this pipeline's contract by which predictions are looked up, at most look_back before the label came;
    null for scored_at. matures_after: rows younger than this wait, so that quick labels do not speak alone.
    """

    conf: str
    key: tuple[str, ...] = Field(min_length=1)
    value: str
    time: str | None = None
    look_back: BoundedSeconds = Field(default=30 * 86400.0, gt=0)
    matures_after: BoundedSeconds = 0.0

    @model_validator(mode="after")
    def key_is_no_value(self) -> Self:
        check_key(self.key, self.value)
        return self

    @model_validator(mode="after")
    def labels_can_come_for_mature_rows(self) -> Self:
        if self.matures_after >= self.look_back:
            raise ValueError(
                f"matures_after is {written(self.matures_after)}, and look_back {written(self.look_back)}: no row is "
                "old enough while labels are still looked for; make matures_after shorter than look_back"
            )
        return self


class LabelConfig(Section):
    """What a row of a pipeline of labels is: the label `value` of the row that the columns of `key` name."""

    key: tuple[str, ...] = Field(min_length=1)
    value: str

    @model_validator(mode="after")
    def key_is_no_value(self) -> Self:
        check_key(self.key, self.value)
        return self


def check_key(key: Sequence[str], value: str) -> None:
    """Raises ValueError."""
    if len(set(key)) < len(key):
        raise ValueError(f"key {list(key)} names a column twice")
    if value in key:
        raise ValueError(f"value {value!r} is a column of the key {list(key)}; name the label's column")

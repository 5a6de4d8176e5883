"""What an explanation consists of: facts, as text and JSON show them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from penstock.models.explanation.var_terms import VarForecast
from penstock.sources.row_search.search import FoundRows


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The micro-batch that the answer is of. rescore_id: of the rescore that made it, None if the batch did. role: in
    which the version answered."""

    query_id: str
    batch_id: int
    started_at: datetime | None
    finished_at: datetime | None
    scored_at: datetime | None
    role: str
    rescore_id: int | None


@dataclass(frozen=True, kw_only=True)
class File:
    """length, modified_at: when the batch was planned, None where its ledger row does not say it. now: unchanged,
    changed, gone or unknown. found: where in the file the row stands; None where the file is gone."""

    path: str
    length: int | None
    modified_at: datetime | None
    now: str
    found: FoundRows | None


@dataclass(frozen=True, kw_only=True)
class PlanFacts:
    """path: of the plan's file, None where it is not kept; missing says why then. has_same_contract, has_same_config:
    whether those of now are the same. code: the version of Penstock that made it."""

    path: str | None = None
    missing: str = ""
    planned_at: datetime | None = None
    contract_hash: str | None = None
    has_same_contract: bool | None = None
    config_hash: str | None = None
    has_same_config: bool | None = None
    code: str | None = None


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """sha256: of its files on this machine. aliases: that point to it now. trained_on: what its run says of its data.
    problem: why it can't be had."""

    name: str
    version: str
    aliases: tuple[str, ...] = ()
    run_id: str | None = None
    git_commit: str | None = None
    created_at: datetime | None = None
    sha256: str | None = None
    trained_on: tuple[str, ...] = ()
    fitted_until: datetime | None = None
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class AgainFacts:
    """is_equal: to the last bit; None where it could not be made again, for the reason `problem`. together: with how
    many rows it was scored. difference: what is not equal."""

    is_equal: bool | None
    value: Any = None
    error: str | None = None
    together: int = 1
    alone: Any = None
    difference: str = ""
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Label:
    """error: null if it counts. loss: of the prediction under it, None where it can't be computed."""

    value: Any
    labelled_at: datetime
    error: str | None
    loss: float | None


@dataclass(frozen=True, kw_only=True)
class Labels:
    """loss_name: of `evaluate.loss`. found: the one that counts first. problem: why they can't be read."""

    loss_name: str
    found: tuple[Label, ...] = ()
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class OtherAnswer:
    """Another version's answer for the same row, from a rescore."""

    model_version: str
    prediction: Any
    error: str | None
    rescore_id: int | None


@dataclass(frozen=True, kw_only=True)
class Beside:
    """The answer of the other version of an experiment, which does not stand. role: champion, where a canary's
    candidate answered, else shadow. model_version: None where it is not known any more. answer: of a forecast the one
    of `of`. error: why it has none."""

    role: str
    model_version: str | None
    answer: Any
    error: str | None = None
    of: str = ""


def is_of_candidate(role: str) -> bool:
    """Of predictions and forecasts; a candidate's fallback has a role of its own."""
    return role.startswith("candidate")


def other_role(role: str) -> str:
    """As `Beside` has it."""
    return "champion" if is_of_candidate(role) else "shadow"


@dataclass(frozen=True, kw_only=True)
class PredictionReport:
    """row: the contract's columns. equal_rows: how many rows have this row_id, in all batches."""

    pipeline: str
    row_id: Any
    prediction: Any
    error: str | None
    row: dict[str, Any]
    equal_rows: int
    batch: Batch
    file: File
    plan: PlanFacts
    model: ModelFacts
    again: AgainFacts
    others: tuple[OtherAnswer, ...] = ()
    beside: Beside | None = None
    labels: Labels | None = None

    @property
    def is_confirmed(self) -> bool:
        return self.again.is_equal is True


@dataclass(frozen=True, kw_only=True)
class WindowRow:
    ds: datetime
    values: dict[str, float | None]
    source_file: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """A forecast as the table has it. actual: the valid observation of its ds, as it is now. loss: its weighted
    interval score over half the interval's width. is_within: whether the interval has the actual. shadow_forecast: of
    the other version of an experiment."""

    step: int
    ds: datetime
    variable: str
    forecast: float | None
    lower: float | None
    upper: float | None
    level: float | None
    intervals: list[dict[str, float]] | None
    actual: float | None
    absolute_error: float | None
    loss: float | None
    is_within: bool | None
    shadow_forecast: float | None = None


@dataclass(frozen=True, kw_only=True)
class ForecastReport:
    """is_newest: the cutoff was not asked for, and is the newest with a forecast. versions: how many forecasts of this
    cutoff there are; the newest is explained. error: of the observation at the cutoff. method: in words, of a forecast
    without a VAR of its series. terms: None where there is no VAR. window: newest first."""

    pipeline: str
    series_id: str
    cutoff: datetime
    is_newest: bool
    versions: int
    error: str | None
    batch: Batch
    file: File
    plan: PlanFacts
    model: ModelFacts
    again: AgainFacts
    steps: tuple[Step, ...]
    window: tuple[WindowRow, ...]
    exogenous: str | None = None
    method: str | None = None
    terms: VarForecast | None = None
    beside: Beside | None = None

    @property
    def is_confirmed(self) -> bool:
        return self.again.is_equal is True

"""The sections `series`, `fit` and `forecast` of a pipeline's YAML file."""

from datetime import date
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from penstock.config.exogenous import ExogenousConfig
from penstock.config.sections import Section
from penstock.udfs.var.prior_rules import Prior, check_decay, check_prior, check_tightness

if TYPE_CHECKING:
    from penstock.udfs.var.fleet_frequency import Frequency


class SeriesConfig(Section):
    """The columns of a series by their table names, its calendar, and its forecast horizon.

    id: null where all rows are of one series. transform: none (the default), log, diff or dlog by variable. frequency:
    a pandas offset alias, or a day of the month (`MS-15`). holidays: dates that are no business days. level: coverage
    of the intervals, one or several; a list of one is that one. keep_lags: how many observations of each series the
    `lags` table keeps; at least as many as the model needs. point: what forecasts of a variable in logs are, the median
    of its distribution or its mean; for sums over series, means. revisions: which of two observations with the same ds
    counts. first: the one that came first, and one before the newest ds is not used either, both until a late replay.
    newest: the one that came last, at once; `penstock init` writes this. exogenous: variables known in advance, which
    the model takes as they are, without lags and transforms.
    """

    id: str | None = "series_id"
    time: str = "ds"
    variables: tuple[str, ...] = Field(min_length=1)
    transform: dict[str, Literal["none", "log", "diff", "dlog"]] = Field(default_factory=dict)
    frequency: str
    holidays: tuple[date, ...] = ()
    horizon: int = Field(default=8, ge=1)
    level: float | tuple[float, ...] = 0.95
    point: Literal["median", "mean"] = "median"
    keep_lags: int = Field(default=8, ge=1)
    revisions: Literal["first", "newest"] = "first"
    exogenous: ExogenousConfig | None = None

    @property
    def transforms(self) -> tuple[str, ...]:
        return tuple(self.transform.get(variable, "none") for variable in self.variables)

    @field_validator("level")
    @classmethod
    def levels_ascend(cls, level: float | tuple[float, ...]) -> float | tuple[float, ...]:
        levels = sorted(level) if isinstance(level, tuple) else [level]
        if not levels or not all(0 < one < 1 for one in levels):
            raise ValueError(f"{level} is no coverage between 0 and 1, nor a list of some, such as [0.5, 0.8, 0.95]")
        if len(set(levels)) < len(levels):
            raise ValueError(f"the levels {levels} are not different from one another; leave out what is there twice")
        return tuple(levels) if len(levels) > 1 else levels[0]

    @property
    def levels(self) -> tuple[float, ...]:
        """Ascending."""
        return self.level if isinstance(self.level, tuple) else (self.level,)

    @property
    def main_level(self) -> float:
        """The largest: of the bounds `lower` and `upper`, and of the hold-out's coverage."""
        return self.levels[-1]

    @model_validator(mode="after")
    def transforms_name_variables(self) -> Self:
        unknown = sorted(set(self.transform) - set(self.variables))
        if unknown:
            raise ValueError(f"transform names {', '.join(unknown)}, not among the variables {list(self.variables)}")
        return self

    @model_validator(mode="after")
    def exogenous_names_are_free(self) -> Self:
        if self.exogenous:
            from penstock.udfs.var.exogenous_effects import check_names

            check_names(self.exogenous_names, variables=self.variables)
        return self

    @property
    def exogenous_names(self) -> tuple[str, ...]:
        return self.exogenous.columns if self.exogenous else ()

    @model_validator(mode="after")
    def calendar_is_supported(self) -> Self:
        _ = self.calendar
        return self

    @property
    def calendar(self) -> "Frequency":
        # Imports pandas, which takes most of a second and which pipelines of rows do not need.
        from penstock.udfs.var.fleet_frequency import Frequency

        return Frequency.of(self.frequency, holidays=self.holidays)

    @property
    def meaning(self) -> dict[str, Any]:
        """What determines forecasts, as JSON, but for medians or means: that is in the model, whose version a plan
        names. Without what is as it was before there was the setting: no holidays, the first of two observations."""
        excluded = {"point", "exogenous"} | ({"holidays"} if not self.holidays else set())
        excluded |= {"revisions"} if self.revisions == "first" else set()
        # Where they are kept may change: a plan names the version that its batch reads.
        exogenous = {"exogenous": self.exogenous.model_dump(mode="json", exclude={"path"})} if self.exogenous else {}
        return self.model_dump(mode="json", exclude=excluded) | exogenous


class FitConfig(Section):
    """How models are fitted. criterion null: the lag order is max_lags. holdout: periods left out for testing.

    season: number of periods in a season, null for none. fourier: how many pairs of sine and cosine the season has, for
    long ones and those of no whole number of periods; null for a dummy for each period of the season but one.
    intervals: plain, or asymptotic with the uncertainty of the coefficients. fallback: what an observation gets for
    which its series' model makes no forecast. prior: shrinks the coefficients, whose lag order then is max_lags.
    tightness: the standard deviation of the prior of an own first lag. decay: that of lag l is divided by l^decay.
    origins: from how many cutoffs the models are tested; the last one is `holdout` periods before the end, each other
    one origin_every periods before the next.
    """

    max_lags: int = Field(default=8, ge=1)
    criterion: Literal["aic", "aicc", "bic", "hqic", "fpe"] | None = "aic"
    trend: Literal["n", "c", "ct", "ctt"] = "c"
    holdout: int = Field(default=8, ge=0)
    origins: int = Field(default=1, ge=1)
    origin_every: int = Field(default=1, ge=1)
    season: float | None = None
    fourier: int | None = Field(default=None, ge=1)
    intervals: Literal["plain", "asymptotic"] = "plain"
    fallback: Literal["none", "naive", "seasonal_naive", "pooled"] = "none"
    prior: Prior = "none"
    tightness: float = 0.2
    decay: float = 1.0

    @field_validator("tightness")
    @classmethod
    def tightness_is_possible(cls, tightness: float) -> float:
        check_tightness(tightness)
        return tightness

    @field_validator("decay")
    @classmethod
    def decay_is_possible(cls, decay: float) -> float:
        check_decay(decay)
        return decay

    @model_validator(mode="after")
    def terms_are_possible(self) -> Self:
        if self.season == 0:
            raise ValueError("season 0 must be more than 1 period; leave it out, or null, for no season")
        if self.season is not None or self.fourier is not None:
            from penstock.udfs.var.deterministic import DeterministicTerms

            DeterministicTerms(trend=self.trend, season=self.season or 0.0, fourier=self.fourier or 0)
        return self

    @model_validator(mode="after")
    def the_fallback_goes_with_the_season(self) -> Self:
        if self.fallback not in ("none", "naive"):
            from penstock.udfs.var.fleet_fallback import check_fallback

            check_fallback(self.fallback, season=self.season or 0.0)
        return self

    @model_validator(mode="after")
    def a_prior_takes_the_place_of_a_criterion(self) -> Self:
        check_prior(self.prior, criterion=self.criterion, intervals=self.intervals, max_lags=self.max_lags)
        return self

    @model_validator(mode="after")
    def origins_have_a_holdout(self) -> Self:
        if self.origins > 1 and not self.holdout:
            raise ValueError(
                f"origins is {self.origins} and holdout 0, so that no period is left for testing; set holdout to at "
                "least 1"
            )
        return self


class ForecastConfig(Section):
    """every: a forecast for each observation. latest: one for each series and batch, for large fleets.

    every_of_many: confirms `every` for a model with more than 10,000 series.
    """

    at: Literal["every", "latest"] = "every"
    every_of_many: bool = False

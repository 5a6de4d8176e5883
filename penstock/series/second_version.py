"""A second model version beside the champion: which of the two forecasts of an observation stands, and why there is no
other one.

Both versions are asked in one pass about the same windows. In a shadow the champion's forecast stands; in a canary that
of the candidate, and where it has none the champion's.
"""

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from penstock.config.series import SeriesConfig
from penstock.series.missing_forecasts import Answers, has_changed, has_forecast, may_have_forecast, reason
from penstock.series.windows import IS_NEWEST
from penstock.udfs.scoring.outputs import SCORED, SHADOW
from penstock.udfs.var.fleet_forecast import BOUNDS

#: Why the version whose forecast does not stand has none; null also where it was not asked.
SHADOW_ERROR = "shadow_error"
#: Whether the candidate is asked about a window.
IS_ASKED = "_is_asked"
#: Whether its forecast is the one that stands, and whether both versions have one.
IS_CANDIDATE, IS_PAIRED = "_is_candidate", "_is_paired"
#: What `judged` adds to windows.
JUDGED = ("error", SHADOW_ERROR, IS_CANDIDATE, IS_PAIRED, SCORED, SHADOW)
#: Of a forecast of the other version; its intervals of all levels are in no table, unless they stand.
SHADOW_BOUNDS = {bound: f"shadow_{bound}" for bound in BOUNDS}
SHADOW_INTERVALS = "_shadow_intervals"
CHAMPION_ERROR, CANDIDATE_ERROR = "_champion_error", "_candidate_error"


@dataclass(frozen=True, kw_only=True)
class SecondVersion:
    """champion, candidate: their version numbers. is_sampled: whether a series is answered by both; from columns of
    windows. is_canary: the candidate's forecasts stand. role: of those. refused_reasons: of the candidate's fit."""

    champion: str
    candidate: str
    is_sampled: Column
    is_canary: bool
    role: str = "candidate"
    refused_reasons: tuple[str, ...] = ()


def asked(windows: DataFrame, series: SeriesConfig, second: SecondVersion, *, latest_only: bool) -> DataFrame:
    """The windows with IS_ASKED: nothing is asked where no version could have a forecast."""
    is_asked = second.is_sampled & may_have_forecast(series)
    if latest_only:
        is_asked = is_asked & F.col(IS_NEWEST)
    return windows.withColumn(IS_ASKED, F.coalesce(is_asked, F.lit(False)))


def judged(
    scored_windows: DataFrame, series: SeriesConfig, champion: Answers, second: SecondVersion, *, latest_only: bool
) -> DataFrame:
    """Windows with IS_ASKED, SCORED and SHADOW, with JUDGED: `error` is of the forecast that stands, and the outputs of
    a version that has no forecast are null."""
    candidate = Answers.of(scored_windows, struct=SHADOW, refused_reasons=second.refused_reasons)
    # The forecasts of an old observation are made again by both versions or by none, so that they remain a pair.
    changed = has_changed(champion) if series.revisions == "newest" else None
    if changed is not None and second.is_canary:
        changed = changed | F.coalesce(F.col(IS_ASKED) & has_changed(candidate), F.lit(False))
    with_reasons = scored_windows.withColumns(
        {
            CHAMPION_ERROR: reason(series, champion, latest_only=latest_only, changed=changed),
            CANDIDATE_ERROR: F.when(
                F.col(IS_ASKED), reason(series, candidate, latest_only=latest_only, changed=changed)
            ),
        }
    )
    both = with_reasons.withColumns(
        {
            "_champion_has": has_forecast(CHAMPION_ERROR),
            "_candidate_has": F.col(IS_ASKED) & has_forecast(CANDIDATE_ERROR),
        }
    )
    champion_has, candidate_has = F.col("_champion_has"), F.col("_candidate_has")
    stands = candidate_has if second.is_canary else F.lit(False)
    of_candidate = F.when(F.col(IS_ASKED) & ~candidate_has, F.col(CANDIDATE_ERROR))
    return both.withColumns(
        {
            "error": F.when(stands, F.col(CANDIDATE_ERROR)).otherwise(F.col(CHAMPION_ERROR)),
            SHADOW_ERROR: F.when(stands, F.when(~champion_has, F.col(CHAMPION_ERROR))).otherwise(of_candidate),
            IS_CANDIDATE: stands,
            IS_PAIRED: champion_has & candidate_has,
            SCORED: F.when(champion_has, F.col(SCORED)),
            SHADOW: F.when(candidate_has, F.col(SHADOW)),
        }
    ).drop(CHAMPION_ERROR, CANDIDATE_ERROR, "_champion_has", "_candidate_has")


def standing(forecasts: DataFrame, second: SecondVersion) -> DataFrame:
    """The forecasts of both versions, of a champion and as a shadow, as columns of the table: those that stand, and the
    other ones, with `model_version`, `role` and `shadow_version`. They have IS_CANDIDATE and IS_PAIRED."""
    if not second.is_canary:
        return forecasts.withColumn("shadow_version", F.when(F.col(IS_PAIRED), F.lit(second.candidate)))

    def either(of_candidate: Column, of_champion: Column) -> Column:
        return F.when(F.col(IS_CANDIDATE), of_candidate).otherwise(of_champion)

    places = dict(SHADOW_BOUNDS)
    if SHADOW_INTERVALS in forecasts.columns:
        places["intervals"] = SHADOW_INTERVALS
    other_version = either(F.lit(second.champion), F.lit(second.candidate))
    return forecasts.withColumns(
        {
            **{name: either(F.col(shadow), F.col(name)) for name, shadow in places.items()},
            **{shadow: either(F.col(name), F.col(shadow)) for name, shadow in places.items()},
            "model_version": either(F.lit(second.candidate), F.col("model_version")),
            "role": either(F.lit(second.role), F.col("role")),
            "shadow_version": F.when(F.col(IS_PAIRED), other_version),
        }
    )

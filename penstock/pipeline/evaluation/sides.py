"""Which of the two answers of a row is the champion's, and which the candidate's.

Of a row that both versions answered, or were asked to, shadow_version is not null. Where the role is `candidate`, or
begins so (candidate_fallback), the candidate's answer stands, and the shadow columns have the champion's; else it is
the other way round. A row that one version alone answered is that version's, whichever it is: no pair.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

VERSION = "model_version"
SHADOW_VERSION = "shadow_version"


class Sides:
    """Of a table of answers, with or without the columns of an experiment."""

    def __init__(self, answers: DataFrame) -> None:
        self._answers = answers
        self._has_shadow = SHADOW_VERSION in answers.columns

    def champion(self, name: str) -> Column:
        """The champion's value of a column whose shadow is called `shadow_<name>`; without a pair the one that stands.
        name: or that of a field of a struct."""
        if not self._has_shadow:
            return F.col(name)
        return F.when(self._is_candidates, F.col(shadow_of(name))).otherwise(F.col(name))

    def candidate(self, name: str) -> Column:
        """The candidate's; null without a pair."""
        if not self._has_shadow:
            return F.lit(None).cast(self._answers.select(name).schema[0].dataType)
        shadow = F.when(self._is_pair, F.col(shadow_of(name)))
        return F.when(self._is_candidates, F.col(name)).otherwise(shadow)

    @property
    def champion_version(self) -> Column:
        """Without a pair the version that answered."""
        return self.champion(VERSION)

    @property
    def candidate_version(self) -> Column:
        """Null without a pair."""
        return self.candidate(VERSION)

    @property
    def _is_pair(self) -> Column:
        return F.col(SHADOW_VERSION).isNotNull()

    @property
    def _is_candidates(self) -> Column:
        """Whether the candidate's answer stands, beside that of the champion."""
        return self._is_pair & F.coalesce(F.col("role").startswith("candidate"), F.lit(False))


def shadow_of(name: str) -> str:
    return SHADOW_VERSION if name == VERSION else f"shadow_{name}"

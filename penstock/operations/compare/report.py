"""What a comparison of versions finds."""

from dataclasses import dataclass, field
from datetime import datetime

from penstock.models.accuracy.diebold_mariano import DieboldMariano


@dataclass(frozen=True, kw_only=True)
class Score:
    """One version over a group of pairs. loss: its mean. ratio: to the first version's loss. mae: mean absolute error.
    ratio_to_naive: of the mae to that of the observation at the cutoff (series). coverage: share of actuals within the
    interval (series). hindsight: of how many pairs it answered after the actual had come, and another version before
    (series): its window had revisions that the other could not know. test: of the loss differences to the first
    version; untested says why there is none."""

    version: str
    loss: float
    mae: float | None
    coverage: float | None
    ratio: float | None
    ratio_to_naive: float | None
    hindsight: int = 0
    test: DieboldMariano | None = None
    untested: str = ""


@dataclass(frozen=True, kw_only=True)
class Group:
    """by: what the pairs were grouped by, empty for all of them. pairs: how many there are, the same for each version.
    units: of time, over which the test counts."""

    by: str
    value: str
    pairs: int
    units: int
    scores: tuple[Score, ...]


@dataclass(frozen=True, kw_only=True)
class Loser:
    """A series in which a version loses most: its loss less that of the first version, over all pairs."""

    version: str
    series_id: str
    pairs: int
    loss: float
    first_loss: float

    @property
    def difference(self) -> float:
        return self.loss - self.first_loss


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """steps: of forecasts, those that all groups but that by step are of; empty for rows. first, last: the units
    compared. left_out_in_sample: pairs whose cutoff is before the end of a version's fit. left_out_failed: pairs of
    which a version has no finite answer. in_sample: whether such pairs are counted, or may be. fitted_until: by
    version, None where it is not known."""

    pipeline: str
    model: str
    versions: tuple[str, ...]
    loss_name: str
    steps: tuple[int, ...]
    first: datetime
    last: datetime
    pairs: int
    left_out_in_sample: int
    left_out_failed: int
    in_sample: bool
    fitted_until: dict[str, datetime | None]
    groups: tuple[Group, ...]
    losers: tuple[Loser, ...] = field(default=())

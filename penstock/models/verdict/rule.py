"""What the rule says of a candidate: promote, reject, expire or continue.

What alpha means. The bounds hold at all looks together with a probability of about 1 - alpha, and each of the two
decisions looks at one of them: a promotion at the upper bound of E[candidate loss - (1 + margin) champion loss], a
rejection at the lower bound of the same with the tolerance. The bounds are as far above the mean as below, so that each
decision alone is wrong with a probability of about alpha / 2, over the whole experiment, however often one looks: to
promote a candidate whose loss is (1 + margin) times the champion's or more, or to reject one whose loss is
(1 + tolerance) times it or less. A candidate for which both were wrong (margin = tolerance = 0, and no difference) is
promoted or rejected with a probability of about alpha. It is about one experiment: of 20 candidates that are as good as
the champion about one is decided about. "About": the bounds are asymptotic, and blocks are nearly independent only. In
simulations of 1,600 units and as many looks 2 to 4% were wrong at alpha = 5% for independent, AR(.6) and MA(7) losses,
5 to 6% at AR(.3), which short series of blocks do not always show. Fewer blocks than 30 break it: at 10 blocks 5% of
independent, 12% of AR(.6) losses were. So do very skewed differences: 9% at 30 blocks, 6% at 60, where they are of a
gamma distribution of shape 0.5. Those of two versions that are as good as each other mostly are not skewed.

Blocks do not show a cycle that is longer than all units so far: what is half of a slow wave looks like a difference.
Of two equal versions whose losses differ by a wave of 168 units (a week of hours), beside noise of standard deviation
1, 11% were decided about wrongly at an amplitude of 0.25, 37% at 0.5 and 56% at 1.0 (1,000 runs of 720 looks, at 5%);
of those that were looked at after a whole wave for the first time 1.5, 0.5 and 0%, and with a wave of 24 units, fewer
than min_units, at most 2.5%. So the rule waits for min_duration, in the time of the experiment and in that of its
units, which has to cover the longest cycle; min_units does so, too, where it is as many units.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from penstock.models.verdict.blocks import looks
from penstock.models.verdict.confidence import FloatArray

Verdict = Literal["promote", "reject", "expire", "continue"]

#: A share of fewer rows or pairs, or of so few failures, may be chance.
MIN_ROWS = 100
MIN_FAILED = 4
#: Of the champion's mean loss: what rounding alone can make of the difference of two versions that answer the same.
ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True)
class Units:
    """What came true of the pairs of two versions, by unit of time in its order.

    pairs: of each unit those that both versions have a loss for, at least one. champion_loss, candidate_loss: their
    sums over these. A pair that one version has no loss for (it failed, or its loss is no finite number) is none of
    them: it counts in the failed shares alone, since what its loss would have been is not known. span_seconds: from the
    first unit to the last.
    """

    pairs: NDArray[np.int64]
    champion_loss: FloatArray
    candidate_loss: FloatArray
    span_seconds: float

    def __len__(self) -> int:
        return len(self.pairs)

    def differences(self, share: float) -> FloatArray:
        """By unit the mean over its pairs of candidate loss - (1 + share) champion loss: each unit counts the same,
        however many pairs it has."""
        return np.asarray((self.candidate_loss - (1.0 + share) * self.champion_loss) / self.pairs)

    @property
    def mean_champion_loss(self) -> float:
        """Over units, each of which counts the same."""
        return float(np.mean(self.champion_loss / self.pairs))

    @property
    def mean_candidate_loss(self) -> float:
        return float(np.mean(self.candidate_loss / self.pairs))


@dataclass(frozen=True, kw_only=True)
class Rule:
    """alpha, margin, tolerance, min_units, min_duration (in seconds): of the section verdict. failed: of
    experiment.guardrails, by which share the candidate may fail more often than the champion."""

    alpha: float
    margin: float
    tolerance: float
    min_units: int
    min_duration_seconds: float
    failed: float


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """pairs: all, also those that a version has no loss for. champion_failures, candidate_failures: of them, without an
    answer. lasted_seconds: since the experiment began. is_last_step: of the ramp. is_over: the time that the experiment
    has is over."""

    pairs: int
    champion_failures: int
    candidate_failures: int
    lasted_seconds: float
    is_last_step: bool
    is_over: bool

    @property
    def champion_failed(self) -> float:
        """The share of the pairs."""
        return self.champion_failures / max(self.pairs, 1)

    @property
    def candidate_failed(self) -> float:
        return self.candidate_failures / max(self.pairs, 1)

    @property
    def are_failures_no_chance(self) -> bool:
        return self.pairs >= MIN_ROWS and self.candidate_failures >= MIN_FAILED


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Of the mean difference, in the unit of the loss, at the last look."""

    blocks: int
    block_units: int
    lower: float
    upper: float


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """bounds: of candidate loss - champion loss; None where there are not enough units for any."""

    verdict: Verdict
    reason: str
    bounds: Bounds | None


def bounds_of(units: Units, rule: Rule, *, share: float) -> Bounds | None:
    """Of the mean of `differences(share)`; None where fewer than min_units blocks are complete, or those that are
    depend on one another. A half-width is at least what rounding can make of equal losses."""
    if not len(units):
        return None
    seen = looks(units.differences(share), alpha=rule.alpha, least_blocks=rule.min_units)
    if not seen.block_units[-1]:
        return None
    width = max(float(seen.half_width[-1]), ROUNDING * abs(units.mean_champion_loss))
    return Bounds(
        blocks=int(seen.blocks[-1]),
        block_units=int(seen.block_units[-1]),
        lower=float(seen.mean[-1]) - width,
        upper=float(seen.mean[-1]) + width,
    )


def judge(units: Units, rule: Rule, at: Circumstances) -> Judgement:
    """A rejection comes first, then a promotion, and the end of the time only where neither is said: it needs no data,
    for the champion stays. The others do: no data is never a verdict."""
    plain = bounds_of(units, rule, share=0.0)
    to_promote = bounds_of(units, rule, share=rule.margin)
    to_reject = bounds_of(units, rule, share=rule.tolerance)
    too_many = at.candidate_failed - at.champion_failed > rule.failed
    shares = (
        f"{at.candidate_failed:.2%} of the candidate's pairs failed, and {at.champion_failed:.2%} of the champion's"
    )

    def said(verdict: Verdict, reason: str) -> Judgement:
        return Judgement(verdict=verdict, reason=reason, bounds=plain)

    # Also where all pairs failed, and there is no unit at all.
    if too_many and at.are_failures_no_chance:
        return said("reject", f"guardrail: {shares}; experiment.guardrails.failed allows {rule.failed:.2%} more")
    too_short = why_too_short(units, rule, at)
    if to_reject is not None and to_reject.lower > 0.0 and not too_short:
        return said("reject", f"the candidate is worse{beyond(rule.tolerance)}: {described(plain, units)}")
    is_better = to_promote is not None and to_promote.upper < 0.0
    if is_better and not too_many and at.is_last_step and not too_short:
        return said("promote", f"the candidate is better{beyond(rule.margin)}: {described(plain, units)}")
    open_yet = why_nothing(units, rule, at) or too_short
    open_yet = open_yet or why_open(units, rule, plain=plain, is_better=is_better, failures=shares if too_many else "")
    if at.is_over:
        return said("expire", f"the time is over, and the champion stays: {open_yet}")
    return said("continue", open_yet)


def beyond(share: float) -> str:
    return f" than {1.0 + share:.4g} x the champion's loss" if share else ""


def described(bounds: Bounds | None, units: Units) -> str:
    if bounds is None:
        return f"{len(units)} units, whose plain difference has no bounds yet"
    champion = units.mean_champion_loss
    of = (
        f"of {bounds.blocks} blocks of {bounds.block_units} units"
        if bounds.block_units > 1
        else f"of {len(units)} units"
    )
    if champion <= 0.0:
        return f"loss difference {bounds.lower:.4g} to {bounds.upper:.4g}, {of}"
    return f"loss ratio {1 + bounds.lower / champion:.4g} to {1 + bounds.upper / champion:.4g}, {of}"


def why_nothing(units: Units, rule: Rule, at: Circumstances) -> str:
    """Empty where there are enough units."""
    if not len(units) and at.pairs:
        return f"none of the {at.pairs} pairs that have come true has a loss of both versions"
    if not len(units):
        return "no pair of both versions has come true yet"
    if len(units) < rule.min_units:
        return f"{len(units)} of at least {rule.min_units} units have come"
    return ""


def why_too_short(units: Units, rule: Rule, at: Circumstances) -> str:
    """Empty where both the experiment and its units have lasted long enough."""
    least = rule.min_duration_seconds
    if at.lasted_seconds < least:
        return f"the experiment has lasted {rounded(at.lasted_seconds)} of at least {rounded(least)} (min_duration)"
    if units.span_seconds < least:
        return f"the units span {rounded(units.span_seconds)} of at least {rounded(least)} (min_duration)"
    return ""


def rounded(seconds: float) -> str:
    for name, length in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        # 24 hours rather than 1 day: what is compared is in one unit mostly.
        if seconds >= 2 * length:
            return f"{math.floor(10 * seconds / length) / 10:g} {name}"
    return f"{math.floor(seconds)} s"


def why_open(units: Units, rule: Rule, *, plain: Bounds | None, is_better: bool, failures: str) -> str:
    if is_better:
        return (
            f"the candidate is better, but {failures}"
            if failures
            else "the candidate is better, and the ramp is not at its last step"
        )
    if plain is None:
        return (
            f"the {len(units)} units depend on one another: blocks of them that do not are fewer than {rule.min_units}"
        )
    return f"which one is better is open: {described(plain, units)}"

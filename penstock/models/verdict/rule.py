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
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from penstock.models.verdict.blocks import looks
from penstock.models.verdict.confidence import FloatArray

Verdict = Literal["promote", "reject", "expire", "continue"]

#: Of the champion's mean loss: what rounding alone can make of the difference of two versions that answer the same.
ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True)
class Units:
    """What came true of the pairs of two versions, by unit of time in its order.

    pairs: of each unit those that both versions have a loss for, at least one. champion_loss, candidate_loss: their
    sums over these. A pair that one version has no loss for (it failed, or its loss is no finite number) is none of
    them: it counts in the failed shares alone, since what its loss would have been is not known.
    """

    pairs: NDArray[np.int64]
    champion_loss: FloatArray
    candidate_loss: FloatArray

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
    """alpha, margin, tolerance, min_units: of the section verdict. failed: of experiment.guardrails, by which share the
    candidate may fail more often than the champion."""

    alpha: float
    margin: float
    tolerance: float
    min_units: int
    failed: float


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """champion_failed, candidate_failed: shares of all pairs. is_last_step: of the ramp. is_over: the time that the
    experiment has is over."""

    champion_failed: float
    candidate_failed: float
    is_last_step: bool
    is_over: bool


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

    if too_many and len(units) >= rule.min_units:
        return said("reject", f"guardrail: {shares}; experiment.guardrails.failed allows {rule.failed:.2%} more")
    if to_reject is not None and to_reject.lower > 0.0:
        return said("reject", f"the candidate is worse{beyond(rule.tolerance)}: {described(plain, units)}")
    is_better = to_promote is not None and to_promote.upper < 0.0
    if is_better and not too_many and at.is_last_step:
        return said("promote", f"the candidate is better{beyond(rule.margin)}: {described(plain, units)}")
    open_yet = why_open(units, rule, plain=plain, is_better=is_better, failures=shares if too_many else "")
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


def why_open(units: Units, rule: Rule, *, plain: Bounds | None, is_better: bool, failures: str) -> str:
    if not len(units):
        return "no pair of both versions has come true yet"
    if is_better:
        return (
            f"the candidate is better, but {failures}"
            if failures
            else "the candidate is better, and the ramp is not at its last step"
        )
    if plain is None and len(units) < rule.min_units:
        return f"{len(units)} of at least {rule.min_units} units have come"
    if plain is None:
        return (
            f"the {len(units)} units depend on one another: blocks of them that do not are fewer than {rule.min_units}"
        )
    return f"which one is better is open: {described(plain, units)}"

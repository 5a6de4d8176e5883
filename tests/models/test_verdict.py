"""The confidence sequence by its published formula, in decimal arithmetic; blocks by plain loops; and how often the
rule is wrong, and how soon right, in simulations that look after every unit."""

import time
from dataclasses import replace
from decimal import Decimal, localcontext
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter

from penstock.models.verdict.blocks import block_means, looks
from penstock.models.verdict.confidence import best_r, half_width
from penstock.models.verdict.rule import Circumstances, Judgement, Rule, Units, judge

FloatArray = NDArray[np.float64]
ALPHA, RUNS, UNITS = 0.05, 2_000, 1_600
RULE = Rule(alpha=ALPHA, margin=0.0, tolerance=0.0, min_units=30, min_duration_seconds=0.0, failed=0.01)
QUIET = Circumstances(
    pairs=2_000, champion_failures=0, candidate_failures=0, lasted_seconds=0.0, is_last_step=True, is_over=False
)
HOUR = 3600.0


def r_by_bisection(alpha: Decimal) -> Decimal:
    """100 r + 1 = u solves u - ln u = 1 - alpha^2 - 2 ln alpha, which is u = -W(-alpha^2 exp(alpha^2 - 1))."""
    right = 1 - alpha**2 - 2 * alpha.ln()
    low, high = Decimal(1), Decimal(100)
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if middle - middle.ln() < right else (low, middle)
    return (low - 1) / 100


@pytest.mark.parametrize(("n", "variance", "alpha"), [(30, "1", "0.05"), (100, "2.5", "0.05"), (1000, "0.04", "0.2")])
def test_the_half_width_is_that_of_the_paper(n: int, variance: str, alpha: str) -> None:
    """Waudby-Smith et al., arXiv 2103.06476, with r as drconfseq chooses it: 50 digits, no Lambert function."""
    with localcontext() as context:
        context.prec = 50
        a, v, r = Decimal(alpha), Decimal(variance), r_by_bisection(Decimal(alpha))
        grown = n * r + 1
        expected = v.sqrt() * (2 * grown * (grown.sqrt() / a).ln() / (n**2 * r)).sqrt()
    assert best_r(float(alpha)) == pytest.approx(float(r), rel=1e-12)
    assert half_width(n, float(variance), alpha=float(alpha)) == pytest.approx(float(expected), rel=1e-12)


def test_the_bounds_are_close_where_they_are_to_be() -> None:
    """No other r makes them closer at 100 values by more than a millionth."""
    others = np.geomspace(0.01, 1.0, 4_000)
    grown = 100 * others + 1
    smallest = np.sqrt(2 * grown * np.log(np.sqrt(grown) / ALPHA) / (100**2 * others)).min()
    assert half_width(100, 1.0, alpha=ALPHA) == pytest.approx(smallest, rel=1e-6)


def looked_at_once(values: FloatArray, *, least: int) -> tuple[int, int, float, float]:
    """Block units, blocks, mean and half-width of one prefix: plain loops, no running sums."""
    length = 1
    while len(values) // length >= least:
        means = [float(np.mean(values[i * length : (i + 1) * length])) for i in range(len(values) // length)]
        centered = [value - sum(means) / len(means) for value in means]
        if sum(a * b for a, b in pairwise(centered)) <= 0.0:
            variance = float(np.var(means, ddof=1))
            return length, len(means), float(np.mean(means)), float(half_width(len(means), variance, alpha=ALPHA))
        length *= 2
    return 0, 0, np.nan, np.nan


@pytest.mark.parametrize("phi", [0.3, 0.7])
def test_each_look_is_what_a_look_at_its_prefix_alone_sees(phi: float) -> None:
    values = 1e6 + lfilter([1.0], [1.0, -phi], np.random.default_rng(3).standard_normal(150))
    seen = looks(values, alpha=ALPHA, least_blocks=8)
    assert len(set(seen.block_units.tolist())) > 2
    for k in range(1, len(values) + 1):
        units, blocks, mean, width = looked_at_once(values[:k], least=8)
        assert (seen.block_units[k - 1], seen.blocks[k - 1]) == (units, blocks), k
        assert seen.mean[k - 1] == pytest.approx(mean, rel=1e-12, nan_ok=True)
        assert seen.half_width[k - 1] == pytest.approx(width, rel=1e-6, nan_ok=True)


def test_edges_of_blocks() -> None:
    """Too few units; the tail of a block that is not complete; values that are all the same."""
    assert not looks(np.arange(29.0), alpha=ALPHA, least_blocks=30).block_units.any()
    assert looks(np.zeros(0), alpha=ALPHA, least_blocks=30).mean.shape == (0,)
    assert block_means(np.array([1.0, 3.0, 5.0, 9.0, 100.0]), 2).tolist() == [2.0, 7.0]
    same = looks(np.full(40, 0.1), alpha=ALPHA, least_blocks=30)
    assert (same.block_units[-1], same.mean[-1], same.half_width[-1]) == (1, 0.1, 0.0)
    trend = looks(np.arange(1000.0), alpha=ALPHA, least_blocks=30)
    assert not trend.block_units.any()


def test_a_year_of_hourly_units_is_judged_at_once() -> None:
    began = time.process_time()
    assert judged(planted(1.1, units=8_760)).verdict == "reject"
    assert time.process_time() - began < 1.0


def autoregressive(phi: float, chance: np.random.Generator) -> FloatArray:
    return np.asarray(lfilter([1.0], [1.0, -phi], chance.standard_normal((RUNS, UNITS + 200)))[:, 200:])


def moving_average(order: int, chance: np.random.Generator) -> FloatArray:
    """As losses of forecasts order + 1 steps ahead, which overlap."""
    sums = np.cumsum(chance.standard_normal((RUNS, UNITS + order + 1)), axis=-1)
    return np.asarray(sums[:, order + 1 :] - sums[:, : -order - 1])


LOSSES = {
    "iid": lambda chance: chance.standard_normal((RUNS, UNITS)),
    "AR(.6)": lambda chance: autoregressive(0.6, chance),
    "MA(7)": lambda chance: moving_average(7, chance),
}


@pytest.mark.parametrize("name", LOSSES)
def test_two_versions_that_do_not_differ_are_hardly_ever_told_apart(name: str) -> None:
    """Looked at after each of 1,600 units: wrong in at most alpha of 2,000 runs. Bounds that take units for
    independent are wrong in more than half of the runs whose units are not."""
    values = LOSSES[name](np.random.default_rng(25))
    seen = looks(values, alpha=ALPHA, least_blocks=30)
    is_wrong = ((seen.lower > 0.0) | (seen.upper < 0.0)).any(axis=-1)
    assert 0.0 < is_wrong.mean() <= ALPHA
    if name != "iid":
        counts = np.arange(30, UNITS + 1)
        means = np.cumsum(values, axis=-1)[:, 29:] / counts
        widths = half_width(counts, 1.0, alpha=ALPHA) * values.std()
        assert (np.abs(means) > widths).any(axis=-1).mean() > 0.5


@pytest.mark.parametrize(("effect", "units"), [(0.2, 184), (0.5, 36)])
def test_a_difference_is_found_in_about_the_units_that_the_design_tells(effect: float, units: int) -> None:
    """Medians for effects in standard deviations; blocks cost up to a third more than independent units would."""
    values = np.random.default_rng(1).standard_normal((RUNS, 800)) + effect
    seen = looks(values, alpha=ALPHA, least_blocks=30)
    is_found = seen.lower > 0.0
    first = np.where(is_found.any(axis=-1), is_found.argmax(axis=-1) + 1, UNITS)
    assert units <= np.median(first) <= 1.4 * units
    assert is_found.any(axis=-1).mean() > 0.98
    assert not (seen.upper < 0.0).any()


def units_of(champion: FloatArray, candidate: FloatArray, *, pairs: int = 10) -> Units:
    """One an hour."""
    return Units(
        pairs=np.full(len(champion), pairs),
        champion_loss=pairs * champion,
        candidate_loss=pairs * candidate,
        span_seconds=HOUR * max(len(champion) - 1, 0),
    )


def planted(factor: float, *, units: int = 200) -> Units:
    """Losses of a candidate that is `factor` times as bad, but for noise of its own."""
    chance = np.random.default_rng(7)
    champion = chance.gamma(4.0, 1.0, units)
    return units_of(champion, factor * champion + 0.5 * chance.standard_normal(units))


def first_verdict(units: Units, rule: Rule = RULE) -> tuple[str, int]:
    """What the rule says first, looked at after every unit, and when."""
    for k in range(len(units) + 1):
        prefix = units_of(units.champion_loss[:k] / 10, units.candidate_loss[:k] / 10)
        said = judge(prefix, rule, QUIET).verdict
        if said != "continue":
            return said, k
    return "continue", len(units)


def test_a_worse_candidate_is_rejected_and_a_better_one_promoted() -> None:
    """10% of the champion's mean loss of 4 is 0.8 standard deviations of the noise: as soon as a verdict may be."""
    worse, better = first_verdict(planted(1.1)), first_verdict(planted(0.9))
    assert worse[0] == "reject"
    assert better[0] == "promote"
    assert min(worse[1], better[1]) >= 30
    assert max(worse[1], better[1]) <= 64


def test_margin_and_tolerance_move_what_is_asked_for() -> None:
    """One that is 10% better is not 20% better, and one that is 10% worse is within a tolerance of 20%."""
    asks = replace(RULE, margin=-0.2, tolerance=0.2)
    assert first_verdict(planted(0.9), asks)[0] == "continue"
    assert first_verdict(planted(1.1), asks)[0] == "continue"
    assert first_verdict(planted(0.7), asks)[0] == "promote"
    assert first_verdict(planted(1.3), asks)[0] == "reject"


def judged(units: Units, rule: Rule = RULE, **changes: Any) -> Judgement:
    return judge(units, rule, replace(QUIET, **changes))


def test_what_stands_in_the_way_of_a_promotion() -> None:
    better, unknown = planted(0.9), planted(1.0)
    assert judged(better).verdict == "promote"
    ramp = judged(better, is_last_step=False)
    assert (ramp.verdict, "not at its last step" in ramp.reason) == ("continue", True)
    fails = judged(better, candidate_failures=40)
    assert fails.verdict == "reject"
    assert fails.reason.startswith("guardrail: 2.00% of the candidate's pairs failed, and 0.00% of the champion's")
    # As often as the champion, or by less than the guardrail.
    assert judged(better, candidate_failures=600, champion_failures=590).verdict == "promote"
    over = judged(unknown, is_over=True)
    assert over.verdict == "expire"
    assert over.reason.startswith("the time is over, and the champion stays: which one is better is open")
    # Evidence that is there when the time ends counts.
    assert judged(better, is_over=True).verdict == "promote"
    assert judged(better, is_over=True, is_last_step=False).verdict == "expire"


def test_no_data_is_no_verdict_but_the_end() -> None:
    nothing = units_of(np.zeros(0), np.zeros(0))
    assert judged(nothing, pairs=0).reason == "no pair of both versions has come true yet"
    assert judged(nothing, pairs=0).verdict == "continue"
    assert judged(nothing, pairs=7).reason == "none of the 7 pairs that have come true has a loss of both versions"
    assert judged(nothing, pairs=0, is_over=True).verdict == "expire"
    assert judged(planted(1.5, units=29)).reason == "29 of at least 30 units have come"


def test_so_few_failures_as_chance_makes_reject_nobody() -> None:
    """As of the guardrails of batches: 100 pairs, 4 failures. They stand in the way of a promotion meanwhile."""
    better = planted(0.9)
    one = judged(better, pairs=50, candidate_failures=1)
    assert (one.verdict, one.reason[:49]) == ("continue", "the candidate is better, but 2.00% of the candida")
    assert judged(better, pairs=150, candidate_failures=3).verdict == "continue"
    assert judged(better, pairs=99, candidate_failures=99).verdict == "continue"
    assert judged(better, pairs=100, candidate_failures=4).verdict == "reject"


def test_a_candidate_that_fails_on_all_pairs_is_rejected_without_a_unit() -> None:
    nothing = units_of(np.zeros(0), np.zeros(0))
    assert judged(nothing, pairs=100, candidate_failures=100).verdict == "reject"
    assert judged(nothing, pairs=100, candidate_failures=100, champion_failures=100).verdict == "continue"


def test_the_rule_waits_for_its_least_duration() -> None:
    """Of the experiment, and within its units; only what fails is out before."""
    day = replace(RULE, min_duration_seconds=24 * HOUR)
    for factor, verdict in ((0.9, "promote"), (1.1, "reject")):
        early = judged(planted(factor), day, lasted_seconds=23.9 * HOUR)
        assert early.verdict == "continue"
        assert early.reason == "the experiment has lasted 23.9 hours of at least 24 hours (min_duration)"
        assert early.bounds is not None
        assert judged(planted(factor), day, lasted_seconds=24 * HOUR).verdict == verdict
        short = replace(planted(factor), span_seconds=90.0)
        assert judged(short, day, lasted_seconds=24 * HOUR).reason == (
            "the units span 90 s of at least 24 hours (min_duration)"
        )
        assert judged(short, day, lasted_seconds=24 * HOUR, candidate_failures=40).verdict == "reject"
        assert judged(short, day, is_over=True).verdict == "expire"


def test_a_cycle_that_is_longer_than_the_least_units_deceives_nobody_who_waits_for_its_end() -> None:
    """A week of hours, beside noise of its standard deviation: of two versions that do not differ."""
    chance = np.random.default_rng(7)
    waves = np.sin(2 * np.pi * np.arange(720) / 168 + chance.uniform(0, 2 * np.pi, (400, 1)))
    seen = looks(waves + chance.standard_normal((400, 720)), alpha=ALPHA, least_blocks=30)
    is_wrong = (seen.lower > 0.0) | (seen.upper < 0.0)
    assert is_wrong.any(axis=-1).mean() > 0.3
    assert is_wrong[:, 168:].any(axis=-1).mean() <= ALPHA


def test_losses_that_are_equal_but_for_rounding_decide_nothing() -> None:
    same = np.full(100, 3.0)
    assert judged(units_of(same, same)).verdict == "continue"
    assert judged(units_of(same, same * (1 - 1e-14))).verdict == "continue"
    assert judged(units_of(np.zeros(100), np.zeros(100))).reason.startswith("which one is better is open: loss differ")
    # All units differ by the same: sure enough.
    assert judged(units_of(same, same * 0.99)).verdict == "promote"

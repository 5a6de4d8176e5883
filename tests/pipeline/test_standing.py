"""How an experiment stands, from rows of evaluations that are added up by hand, without Spark."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dashboard_tables import WINE_CONF, WrittenTables, minutes
from deltalake import write_deltalake
from experiment_standings import decision
from experiment_tables import BEGAN, came_true, experiment_tables, of_pair, write_plan

from penstock.models.verdict.confidence import half_width
from penstock.pipeline.decisions.files import DecisionFiles
from penstock.pipeline.decisions.record import DecisionOutcome, Standing
from penstock.pipeline.decisions.standing import standing_of, standing_with_sums
from penstock.pipeline.plan import newest_plan
from penstock.storage.files import LocalStorage

HOUR = timedelta(hours=1)
#: (champion, candidate) by unit: differences -0.3, -0.1, -0.5, -0.2, whose lag-1 autocorrelation is below 0.
LOSSES = [(1.0, 0.7), (1.2, 1.1), (1.5, 1.0), (0.9, 0.7)]


def standing(made: WrittenTables, *, at: datetime = BEGAN + 5 * HOUR) -> Standing:
    found = standing_of(made.config, LocalStorage(), at=at)
    assert found is not None
    return found


def test_there_is_none_without_an_experiment_in_the_newest_plan(tmp_path: Path) -> None:
    made = experiment_tables(tmp_path)

    def found() -> Standing | None:
        return standing_of(made.config, LocalStorage(), at=BEGAN)

    assert found() is None
    write_plan(made)
    assert found() is not None
    write_plan(made, 1, name="another-model")
    assert found() is None
    write_plan(made, 2, experiment=None)
    assert found() is None
    write_plan(made, 3)
    (tmp_path / "other").mkdir()
    assert standing_of(experiment_tables(tmp_path, sections="").config, LocalStorage(), at=BEGAN) is None


def test_there_is_none_of_a_pair_that_was_decided_on_until_a_batch_meets_it_again(tmp_path: Path) -> None:
    """Else what is known of it would undo what a person sets after the decision."""
    made = experiment_tables(tmp_path)
    write_plan(made)
    came_true(made, LOSSES)
    files = DecisionFiles(storage=LocalStorage(), root=made.config.tables.root)
    for number, kind in enumerate(("propose", "external", "reject")):
        assert standing(made).units == 4
        files.make(decision(number, kind))
        outcome = {"outcome": "done", "champion": "7", "candidate": None, "done_at": BEGAN + HOUR}
        files.finish(number, DecisionOutcome.model_validate(outcome))
    assert standing_of(made.config, LocalStorage(), at=BEGAN + 2 * HOUR) is None
    write_plan(made, 61, began_at=BEGAN + timedelta(minutes=61))
    assert standing_of(made.config, LocalStorage(), at=BEGAN + 2 * HOUR) is not None


def test_nothing_has_come_true_yet(tmp_path: Path) -> None:
    made = experiment_tables(tmp_path)
    write_plan(made, fraction=0.5)
    found = standing(made)
    assert (found.pairs, found.units, found.blocks, found.ratio, found.earliest) == (0, 0, 0, None, None)
    assert (found.verdict, found.reason) == ("continue", "no pair of both versions has come true yet")
    assert standing(made, at=BEGAN + timedelta(days=30)).verdict == "expire"


def test_the_pair_and_nothing_else_counts(tmp_path: Path) -> None:
    """Variables of a unit are added up, and parts of it that came later; others are rows of another pair, loss
    or step, of revised data, and of before the experiment began."""
    made = experiment_tables(tmp_path)
    write_plan(made)
    came_true(made, LOSSES)
    bad: Any = (1.0, 1e6)
    made.append(
        "evaluations",
        # The first unit has 20 pairs more: its means are (10 + 20 * 2.5) / 30 and (7 + 20 * 2.2) / 30, still -0.3.
        of_pair(0, (2.5, 2.2), pairs=20, variable="realcons", evaluated_at=BEGAN + 4 * HOUR),
        of_pair(1, bad, step=2),
        of_pair(1, bad, champion="6"),
        of_pair(1, bad, candidate="9"),
        of_pair(1, bad, candidate=None),
        of_pair(1, bad, is_final=True),
        of_pair(1, bad, loss="absolute"),
        of_pair(1, bad, evaluated_at=BEGAN - timedelta(seconds=1)),
        # Both failed: no unit, but it counts in the shares.
        of_pair(9, (0.0, 0.0), pairs=2, compared_pairs=0, champion_failed=1, candidate_failed=2),
        of_pair(9, (float("inf"), 1.0), pairs=0, compared_pairs=1),
    )
    found = standing(made)
    champion = (2.0 + 1.2 + 1.5 + 0.9) / 4
    assert (found.pairs, found.units, found.blocks, found.block_units) == (60, 4, 4, 1)
    assert (found.champion_loss, found.candidate_loss) == pytest.approx((champion, champion - 0.275))
    assert found.ratio == pytest.approx(1 - 0.275 / champion)
    width = float(half_width(4, float(np.var([-0.3, -0.1, -0.5, -0.2], ddof=1)), alpha=0.05))
    assert found.ratio_lower == pytest.approx(1 + (-0.275 - width) / champion)
    assert found.ratio_upper == pytest.approx(1 + (-0.275 + width) / champion)
    assert (found.champion_failed, found.candidate_failed) == pytest.approx((1 / 62, 2 / 62))
    assert (found.champion, found.candidate, found.model_name) == ("7", "8", "wine-quality")
    # 1.6% more than of the champion, and one more percent is allowed; but so few may be chance.
    assert found.verdict == "continue"
    made.append("evaluations", of_pair(10, (0.0, 0.0), pairs=38, compared_pairs=0, candidate_failed=2))
    assert (standing(made).verdict, standing(made).reason[:31]) == ("reject", "guardrail: 4.00% of the candida")


def test_a_better_candidate_is_promoted_at_the_last_step_of_its_ramp(tmp_path: Path) -> None:
    sections = "experiment: {{fraction: [0.5, 1.0]}}\nverdict: {{min_units: 4, min_duration: 0 s, margin: -0.02}}\n"
    made = experiment_tables(tmp_path, sections=sections)
    losses = [(1.0, 0.90), (1.0, 0.91), (1.0, 0.89), (1.0, 0.9)]
    came_true(made, losses)
    write_plan(made, fraction=0.5)
    found = standing(made)
    assert (found.is_last_step, found.verdict) == (False, "continue")
    write_plan(made, 1)
    assert (standing(made).is_last_step, standing(made).verdict) == (True, "promote")
    # In a bake there is no ramp, and its time is verdict.bake, 7 days in place of 30.
    write_plan(made, 2, fraction=0.5, is_bake=True)
    assert (standing(made).is_bake, standing(made).verdict) == (True, "promote")
    write_plan(made, 3, is_bake=True, began_at=BEGAN + 2 * HOUR)
    assert standing(made, at=BEGAN + timedelta(days=7)).verdict == "continue"
    assert standing(made, at=BEGAN + timedelta(days=7, hours=2)).verdict == "expire"


def test_the_earliest_verdict_follows_from_the_pace_of_units(tmp_path: Path) -> None:
    made = experiment_tables(tmp_path)
    write_plan(made)
    came_true(made, LOSSES[:3])
    # Three units in six hours, and one is missing: two hours more.
    assert standing(made, at=BEGAN + 6 * HOUR).earliest == BEGAN + 8 * HOUR
    # Never later than the end, at which the rule speaks whatever has come.
    assert standing(made, at=BEGAN + timedelta(days=29)).earliest == BEGAN + timedelta(days=30)
    came_true(made, LOSSES)
    assert standing(made).earliest is None


def test_a_verdict_waits_until_experiment_and_units_have_lasted(tmp_path: Path) -> None:
    sections = "experiment: {{}}\nverdict: {{min_units: 4, min_duration: 6 hours}}\n"
    made = experiment_tables(tmp_path, sections=sections)
    write_plan(made)
    came_true(made, [(1.0, 0.5)] * 4)
    found = standing(made, at=BEGAN + 4 * HOUR)
    assert (found.verdict, found.ratio_upper) == ("continue", pytest.approx(0.5))
    assert found.reason == "the experiment has lasted 4 hours of at least 6 hours (min_duration)"
    # Four units, an hour apart, in four hours: seven units are six hours, after three more.
    assert found.earliest == BEGAN + 7 * HOUR
    # A backfill brings the units of three hours at once, and the time of the experiment counts all the same.
    assert standing(made, at=BEGAN + 0.01 * HOUR).earliest == BEGAN + 6 * HOUR
    assert standing(made, at=BEGAN + 6 * HOUR).reason == "the units span 3 hours of at least 6 hours (min_duration)"
    made.append("evaluations", of_pair(6, (1.0, 0.5)))
    assert standing(made, at=BEGAN + 5 * HOUR).earliest == BEGAN + 6 * HOUR
    assert standing(made, at=BEGAN + 6 * HOUR).verdict == "promote"


def test_what_the_versions_were_fitted_on_is_no_evidence(tmp_path: Path) -> None:
    """The units of the first two hours; without the end of a fit all count."""
    made = experiment_tables(tmp_path)
    losses = [(1.0, 0.1), (1.0, 0.1), *[(1.0, 1.5)] * 4]
    came_true(made, losses)
    made.append("evaluations", of_pair(1, (9.0, 9.0), step=2), of_pair(2, (9.0, 9.0), step=2))
    write_plan(made)
    assert (standing(made).units, standing(made).in_sample_pairs, standing(made).fitted_until) == (6, 0, None)
    write_plan(made, 1, fitted_until=BEGAN + HOUR)
    plan = newest_plan(LocalStorage(), made.config.checkpoint)
    found, sums = standing_with_sums(made.config, LocalStorage(), plan=plan, at=BEGAN + 7 * HOUR) or pytest.fail("none")
    assert (found.units, found.pairs, found.in_sample_pairs, found.fitted_until) == (4, 40, 20, BEGAN + HOUR)
    assert (found.ratio, found.verdict) == (pytest.approx(1.5), "reject")
    assert min(sums["unit"].to_pylist()) == BEGAN + 2 * HOUR


def test_rows_have_no_steps(tmp_path: Path) -> None:
    made = experiment_tables(tmp_path, template=WINE_CONF)
    write_plan(made)
    came_true(made, LOSSES, step=None, variable="quality", loss="absolute")
    assert standing(made).units == 4


def test_a_table_of_before_the_columns_of_pairs(tmp_path: Path) -> None:
    made = experiment_tables(tmp_path)
    write_plan(made)
    old = made.arrow("evaluations", of_pair(0, (1.0, 0.5), candidate=None))
    old = old.drop_columns(["compared_pairs", "compared_champion_loss"])
    write_deltalake(str(tmp_path / "tables" / "evaluations"), old, mode="append")
    assert standing(made).units == 0
    new = made.arrow("evaluations", of_pair(1, (1.0, 0.5)))
    write_deltalake(str(tmp_path / "tables" / "evaluations"), new, mode="append", schema_mode="merge")
    assert (standing(made).units, standing(made).ratio) == (1, 0.5)


def test_files_of_other_versions_and_of_before_are_not_read(tmp_path: Path) -> None:
    """Nobody misses them."""
    made = experiment_tables(tmp_path)
    write_plan(made, began_at=minutes(30))
    came_true(made, LOSSES[:1])
    made.lose_oldest_file("evaluations")
    made.append("evaluations", of_pair(3, (1.0, 0.5)))
    assert standing(made).units == 1

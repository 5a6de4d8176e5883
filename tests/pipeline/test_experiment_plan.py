"""What a plan says of a second version: ramp, beginning, bake, guardrails, and what its batches counted. By hand."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from batch_records import CONFIG, batch_record

from penstock.config.experiment import ExperimentConfig, GuardrailsConfig
from penstock.config.pipeline import PipelineConfig
from penstock.models.candidate import CandidateChoice, is_lasting
from penstock.models.pinned import PinnedModel
from penstock.models.selection import Selection
from penstock.pipeline.batch_record import FileCount
from penstock.pipeline.context import Pipeline
from penstock.pipeline.decisions.bake import is_bake, part_of
from penstock.pipeline.decisions.moves import newest_moves
from penstock.pipeline.decisions.record import Decision, DecisionOutcome
from penstock.pipeline.guardrails import PairCounts, guardrail_reason
from penstock.pipeline.model_choice import (
    ModelChoice,
    candidate_of,
    fraction_at,
    paired,
    planned_experiment,
    readable_moves,
    with_beginning,
    within_guardrails,
    without_decided,
)
from penstock.pipeline.plan import Plan, PlannedExperiment
from penstock.pipeline.shadow_counts import ShadowCount, shadow_observations, shadow_rows
from penstock.pipeline.stream import progress_line
from penstock.storage.files import LocalStorage

BEGAN = datetime(2026, 11, 20, 6, 30, tzinfo=UTC)
RAMP = ExperimentConfig(fraction=(0.05, 0.25, 1.0), step_every="6 h")


def pinned(version: str, role: str) -> PinnedModel:
    return PinnedModel(name="wine-quality", version=version, role=role, source="s", created_milliseconds=1700000000000)


def chosen(
    *, is_bake: bool = False, began_at: datetime | None = None, earlier: PlannedExperiment | None = None
) -> ModelChoice:
    champion = Selection(pinned=pinned("7", "champion"), refused={}, resolved_at=BEGAN)
    candidate = CandidateChoice(pinned=pinned("8", "candidate"))
    return ModelChoice(champion=champion, candidate=candidate, is_bake=is_bake, began_at=began_at, earlier=earlier)


def config(**experiment: object) -> PipelineConfig:
    return PipelineConfig.model_validate(CONFIG | {"experiment": experiment})


@pytest.mark.parametrize(
    ("hours", "fraction"), [(-1, 0.05), (0, 0.05), (5.99, 0.05), (6, 0.25), (11.9, 0.25), (12, 1.0), (1000, 1.0)]
)
def test_a_ramp_has_a_step_every_six_hours_and_stays_at_the_last(hours: float, fraction: float) -> None:
    assert fraction_at(RAMP, began_at=BEGAN, now=BEGAN + timedelta(hours=hours)) == fraction


def test_the_first_plan_of_a_pair_begins_it_and_later_ones_carry_that() -> None:
    later = BEGAN + timedelta(days=1)
    settings = config(mode="canary", fraction=[0.1, 0.5], key=["pH"], step_every="1 day")
    first = planned_experiment(settings, chosen(), planned_at=BEGAN)
    second = planned_experiment(settings, chosen(began_at=BEGAN, earlier=first), planned_at=later)
    expected = PlannedExperiment(
        mode="canary",
        fraction=0.1,
        key=("pH",),
        salt="wine-quality/8/1700000000000",
        began_at=BEGAN,
        ramp='["canary", [0.1, 0.5], 86400.0, ["pH"]]',
        ramp_began_at=BEGAN,
    )
    assert first == expected
    assert second == expected.model_copy(update={"fraction": 0.5})


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "shadow"},
        {"fraction": [0.1, 0.4]},
        {"step_every": "2 days"},
        {"key": ["sulphates"]},
    ],
)
def test_a_ramp_of_other_settings_begins_anew_and_the_experiment_goes_on(changes: dict[str, object]) -> None:
    """Of a shadow of a week, the first batch of a canary has the ramp's first step."""
    canary: dict[str, object] = {"mode": "canary", "fraction": [0.1, 0.5], "key": ["pH"], "step_every": "1 day"}
    first = planned_experiment(config(**canary | changes), chosen(), planned_at=BEGAN)
    times = [BEGAN + timedelta(days=7), BEGAN + timedelta(days=7, hours=23), BEGAN + timedelta(days=8)]
    found, before = [], first
    for planned_at in times:
        before = planned_experiment(config(**canary), chosen(began_at=BEGAN, earlier=before), planned_at=planned_at)
        assert before is not None
        found.append((before.fraction, before.began_at, before.ramp_began_at))
    assert found == [(0.1, BEGAN, times[0]), (0.1, BEGAN, times[0]), (0.5, BEGAN, times[0])]


def test_an_old_champion_remains_as_a_shadow_of_all_rows() -> None:
    settings = config(mode="canary", fraction=[0.1, 0.5], key=["pH"])
    planned = planned_experiment(settings, chosen(is_bake=True), planned_at=BEGAN)
    assert planned is not None
    assert (planned.mode, planned.fraction, planned.is_bake) == ("shadow", 1.0, True)


def unreadable(root: Path) -> Pipeline:
    """A pipeline whose decisions and batches are files where folders should be."""
    settings = PipelineConfig.model_validate(CONFIG | {"experiment": {}, "tables": {"root": str(root)}})
    (root / "batches").mkdir()
    for name in ("_decisions", "batches/_delta_log"):
        (root / name).write_text("no folder")
    return cast("Pipeline", SimpleNamespace(config=settings, storage=LocalStorage()))


@pytest.mark.parametrize("bakes", [True, False])
def test_decisions_that_can_not_be_read_leave_a_bake_as_it_was(
    tmp_path: Path, bakes: bool, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline, pair = unreadable(tmp_path), chosen()
    running = PlannedExperiment(mode="shadow", fraction=1.0, key=(), salt="s", began_at=BEGAN, is_bake=bakes)
    before = plan(models=pair.models, experiment=running)
    moved = readable_moves(pipeline)
    assert moved is None
    found = paired(pipeline.config, pair.champion, pair.candidate, moved, before=before)
    assert (found.models, found.is_bake, found.began_at) == (pair.models, bakes, BEGAN)
    assert "decisions can't be read" in caplog.text
    # Of a pair that begins, a champion of before might else answer as a canary.
    for other in (None, plan(models=pair.models[:1])):
        alone = paired(pipeline.config, pair.champion, pair.candidate, moved, before=other)
        assert alone.models == pair.models[:1]


def test_batches_that_can_not_be_read_break_no_guardrail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pair = chosen(began_at=BEGAN)
    assert within_guardrails(unreadable(tmp_path), pair, before=plan()) == pair
    assert "no guardrail is looked at" in caplog.text


def test_a_champion_alone_has_no_experiment() -> None:
    alone = ModelChoice(champion=chosen().champion)
    assert planned_experiment(config(), alone, planned_at=BEGAN) is None
    assert planned_experiment(PipelineConfig.model_validate(CONFIG), chosen(), planned_at=BEGAN) is None
    assert candidate_of(None) == CandidateChoice()


def plan(**changes: object) -> Plan:
    made = batch_record({"/in/a.csv": FileCount(accepted=200, failed=1)}).plan
    return made.model_copy(update=changes)


def test_the_progress_line_says_who_answered_and_who_is_refused() -> None:
    record = batch_record({"/in/a.csv": FileCount(accepted=200, failed=1)}, version="7")
    experiment = PlannedExperiment(mode="canary", fraction=0.25, key=("pH",), salt="s", began_at=BEGAN)
    models = (pinned("7", "champion"), pinned("8", "candidate"))
    pair = record.plan.model_copy(update={"models": models, "experiment": experiment})
    refused = record.plan.model_copy(update={"refused_candidates": {"8": "guardrail: it failed"}})
    lines = [
        progress_line(type(record)(**{**vars(record), "plan": changed, "shadow": shadow}), 2)
        for changed, shadow in ((pair, ShadowCount(rows=50, failed=3)), (refused, None))
    ]
    assert lines == [
        "batch 0: 1 files, 200 rows in 2.0 s, 199 scored by version 7 beside 8 (canary, 25%), 1 failed in the model, "
        "3 failed in the candidate",
        "batch 0: 1 files, 200 rows in 2.0 s, 199 scored by version 7, 1 failed in the model, "
        "candidate 8 refused: guardrail: it failed",
    ]


def test_what_batches_say_of_an_experiment() -> None:
    experiment = PlannedExperiment(mode="shadow", fraction=0.05, key=("a", "b"), salt="m/8/1", began_at=BEGAN)
    assert experiment.as_texts == {
        "mode": "shadow",
        "fraction": "0.05",
        "key": '["a", "b"]',
        "salt": "m/8/1",
        "began_at": "2026-11-20T06:30:00+00:00",
        "is_bake": "false",
    }


LIMITS = GuardrailsConfig(failed=0.01, slowdown=3.0)
#: 12% of the candidate's rows, and 0.1% of the champion's.
FAILING = PairCounts(shadow_rows=5_000, shadow_failed=600, champion_failed=5)
#: 12 s for 5,000 rows are 2.4 ms each; 6 s for 10,000 are 0.6 ms.
SLOW = PairCounts(timed_rows=10_000, timed_shadow_rows=5_000, champion_seconds=6.0, candidate_seconds=12.0)


def changed(counts: PairCounts, **changes: float) -> str | None:
    return guardrail_reason(PairCounts(**{**vars(counts), **changes}), LIMITS)


def test_a_candidate_that_fails_is_out() -> None:
    assert changed(FAILING) == (
        "guardrail: it failed on 12.0% of 5,000 rows, the champion on 0.1% of them (experiment.guardrails.failed is "
        "0.01)"
    )
    # As often as the champion and a hundredth; more.
    assert changed(FAILING, champion_failed=100, shadow_rows=1000, shadow_failed=110) is None
    assert changed(FAILING, champion_failed=100, shadow_rows=1000, shadow_failed=111) is not None


@pytest.mark.parametrize(("rows", "failed", "is_out"), [(99, 99, False), (100, 3, False), (100, 4, True)])
def test_few_rows_or_failures_may_be_chance(rows: int, failed: int, is_out: bool) -> None:
    assert (changed(FAILING, shadow_rows=rows, shadow_failed=failed, champion_failed=0) is not None) == is_out


def test_a_candidate_that_crawls_is_out() -> None:
    assert changed(SLOW) == (
        "guardrail: it took 4.0 times the champion's seconds per row, 12.0 s for 5,000 rows "
        "(experiment.guardrails.slowdown is 3)"
    )
    assert changed(SLOW, candidate_seconds=9.0) is None
    assert changed(SLOW, champion_seconds=0.0) is None
    # Under five seconds in all batches together, whatever the ratio.
    assert changed(SLOW, champion_seconds=0.1, candidate_seconds=4.9) is None


def test_a_small_share_of_rows_in_as_many_calls_is_not_slow() -> None:
    """1,000 calls of 10,000 rows, and of 500: by 10 ms a call and 1 microsecond a row 20 s and 10.5 s. That is 2 and 21
    microseconds a row, of one and the same model."""
    same = PairCounts(timed_rows=10_000_000, timed_shadow_rows=500_000, champion_seconds=20.0, candidate_seconds=10.5)
    assert guardrail_reason(same, LIMITS) is None


@pytest.mark.parametrize("unmeasured", [None, [], [("champion", 1.5)]])
def test_a_batch_without_seconds_says_nothing_of_speed(unmeasured: list[tuple[str, float]] | None) -> None:
    experiment = [("mode", "canary"), ("champion_failed", "1")]
    row = {"accepted": 10, "shadow_rows": 5, "shadow_failed": 2, "experiment": experiment}
    one = PairCounts().plus({**row, "model_seconds": [("champion", 1.5), ("candidate", 2.5)]})
    expected = {"timed_rows": 10, "timed_shadow_rows": 5, "champion_seconds": 1.5, "candidate_seconds": 2.5}
    assert one == PairCounts(shadow_rows=5, shadow_failed=2, champion_failed=1, **expected)
    both = PairCounts(shadow_rows=10, shadow_failed=4, champion_failed=2, **expected)
    assert one.plus({**row, "model_seconds": unmeasured}) == both


def test_a_canarys_champion_fails_beside_the_candidates_answers() -> None:
    """A champion that fails on each row of a canary of 100 fails as often as its candidate that fails on 50."""
    row = {"accepted": 100, "shadow_rows": 100, "shadow_failed": 50, "model_seconds": None}
    counts = PairCounts().plus({**row, "experiment": [("champion_failed", "100")]})
    assert guardrail_reason(counts, LIMITS) is None
    assert guardrail_reason(PairCounts().plus({**row, "experiment": [("champion_failed", "0")]}), LIMITS) is not None


def test_refusals_that_outlive_a_process() -> None:
    reasons = ["guardrail: it failed", "it ended runs of a batch: 2 failed", "it failed on 3 of 3 probe rows"]
    assert [is_lasting(reason) for reason in reasons] == [True, True, False]


def test_shadow_rows_are_counted_by_whose_answer_stands() -> None:
    """Not asked 12 rows, and 9 of them failed; 7 answered by both; on 2 candidate 8 failed, on 3 both; on 1 of a shadow
    and 4 of a canary the champion alone; 6 of a canary answered by both."""
    counts = Counter(
        {
            (None, None, None): 3,
            (None, None, "raised"): 9,
            ("8", None, None): 7,
            ("8", "raised", None): 2,
            ("8", "raised", "raised"): 3,
            ("8", None, "raised"): 1,
            ("7", "raised", None): 4,
            ("7", None, None): 6,
        }
    )
    assert shadow_rows(counts, candidate="8") == ShadowCount(rows=23, failed=5, champion_failed=8)


def test_shadow_observations_are_counted_by_their_errors_and_forecasts() -> None:
    """5 answered by both; 3 warm up for both; on 2 the candidate failed where the champion has a forecast, on 1 where
    it has none; on 4 of a canary the candidate's forecast stands and the champion has none; on 2 both raised."""
    observations = Counter(
        {
            (None, None): 5,
            ("warming_up", "warming_up"): 3,
            (None, "unknown_series"): 1,
            ("fallback: gap", "gap"): 1,
            ("warming_up", "model: raised"): 1,
            (None, "model: gave no forecast"): 4,
            ("model: raised", "model: raised"): 2,
        }
    )
    forecasts = Counter({("champion", "8"): 2, ("candidate", "7"): 3, ("candidate_fallback", None): 4})
    assert shadow_observations(observations, forecasts) == ShadowCount(rows=17, failed=5, champion_failed=6)


def test_a_batch_says_how_often_its_champion_failed_on_the_sampled_rows() -> None:
    shadow = ShadowCount(rows=50, failed=3, champion_failed=2)
    record = batch_record({"/in/a.csv": FileCount(accepted=200, failed=1)}, candidate="8", shadow=shadow)
    experiment, rows, failed, *_ = record.experiment_values
    assert record.plan.experiment is not None
    assert experiment == {**record.plan.experiment.as_texts, "champion_failed": "2"}
    assert (rows, failed) == (50, 3)


def write_decision(
    root: Path, number: int, kind: str, champion: str, candidate: str, outcome: str | None, **changes: object
) -> None:
    done_at = changes.pop("done_at", BEGAN)
    folder = root / "_decisions"
    folder.mkdir(parents=True, exist_ok=True)
    decision = Decision.model_validate(
        {
            "number": number,
            "kind": kind,
            "model_name": "wine-quality",
            "champion": champion,
            "candidate": candidate,
            "by": "stream",
            "decided_at": BEGAN,
            "reason": "",
            "candidate_alias": "candidate",
            "bakes": True,
        }
        | changes
    )
    (folder / f"{number}.json").write_text(decision.model_dump_json())
    if outcome is not None:
        done = DecisionOutcome.model_validate(
            {"outcome": outcome, "champion": candidate, "candidate": champion, "done_at": done_at}
        )
        (folder / f"{number}.done").write_text(done.model_dump_json())


def test_a_pair_bakes_from_its_promotion_to_the_end_of_its_bake(tmp_path: Path) -> None:
    settings = PipelineConfig.model_validate(CONFIG | {"experiment": {}, "tables": {"root": str(tmp_path)}})

    def bakes() -> list[bool]:
        """Of champion 8 beside 7, 7 beside 8, and 9 beside 8."""
        storage = LocalStorage()
        return [is_bake(settings, storage, *pair) for pair in (("8", "7"), ("7", "8"), ("9", "8"))]

    assert bakes() == [False, False, False]
    write_decision(tmp_path, 1, "promote", "7", "8", None)
    # A batch that meets the pair meets aliases that are moved.
    assert bakes() == [True, False, False]
    write_decision(tmp_path, 1, "promote", "7", "8", "done")
    assert bakes() == [True, False, False]
    write_decision(tmp_path, 2, "propose", "8", "9", "done")
    write_decision(tmp_path, 3, "promote", "8", "9", "superseded")
    (tmp_path / "_decisions" / "4.json").write_text("{")
    (tmp_path / "_decisions" / "4.done").write_text("{")
    assert bakes() == [True, False, False]
    write_decision(tmp_path, 10, "promote", "8", "9", "done")  # after 9, and not before it
    write_decision(tmp_path, 9, "end_bake", "8", "7", "done")
    assert bakes() == [False, False, True]
    write_decision(tmp_path, 11, "end_bake", "9", "8", "done")
    assert bakes() == [False, False, False]


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({}, "bake"),
        ({"bakes": False}, "experiment"),
        ({"model_name": "another"}, "experiment"),
        ({"candidate_alias": "challenger"}, "experiment"),
    ],
)
def test_what_a_candidate_is_after_a_promotion(tmp_path: Path, changes: dict[str, object], part: str) -> None:
    settings = PipelineConfig.model_validate(CONFIG | {"experiment": {}, "tables": {"root": str(tmp_path)}})
    write_decision(tmp_path, 1, "promote", "7", "8", "done", **changes)
    moved = newest_moves(settings, LocalStorage())
    assert part_of(settings, moved, "8", "7") == part
    # Beside a champion that a person has set; and a candidate that one has set.
    assert part_of(settings, moved, "9", "7") == ("left_over" if part == "bake" else part)
    assert part_of(settings, moved, "8", "9") == "experiment"
    write_decision(tmp_path, 2, "external", "8", "7", "done")
    assert part_of(settings, newest_moves(settings, LocalStorage()), "9", "7") == "experiment"


@pytest.mark.parametrize(
    ("kind", "minutes", "is_carried"), [("reject", -1, True), ("reject", 1, False), ("external", 1, True)]
)
def test_a_pair_that_is_set_again_after_a_decision_about_it_begins_anew(
    tmp_path: Path, kind: str, minutes: int, is_carried: bool
) -> None:
    """The batch before was resolved a day after the beginning; the decision came before or after that."""
    settings = PipelineConfig.model_validate(CONFIG | {"experiment": {}, "tables": {"root": str(tmp_path)}})
    resolved = BEGAN + timedelta(days=1)
    experiment = planned_experiment(settings, chosen(), planned_at=BEGAN)
    refused = {"8": "guardrail: slow", "9": "guardrail: slower"}
    before = batch_record({}).plan.model_copy(
        update={
            "models": chosen().models,
            "experiment": experiment,
            "resolved_at": resolved,
            "refused_candidates": refused,
        }
    )
    write_decision(tmp_path, 0, kind, "7", "8", "done", done_at=resolved + timedelta(minutes=minutes))
    moved = newest_moves(settings, LocalStorage())
    assert with_beginning(chosen(), moved, before=before).began_at == (BEGAN if is_carried else None)
    kept = without_decided(candidate_of(before), moved, before=before).refused
    assert sorted(kept) == (["8", "9"] if is_carried else ["9"])

"""What the stream decides after its batches and evaluations, what it only proposes, and what it records."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from decision_bench import DecisionBench, standing

from penstock.errors import RegistryUnavailableError
from penstock.models.pinned import PinnedModel
from penstock.pipeline.decisions import in_stream
from penstock.pipeline.decisions.controller import Controller
from penstock.pipeline.decisions.in_stream import StreamDecisions
from penstock.pipeline.plan import Plan, PlannedExperiment, plan_path
from penstock.storage.files import LocalStorage


@pytest.fixture
def bench(tmp_path, registry):
    return DecisionBench(tmp_path, registry)


@pytest.fixture
def acting(tmp_path, registry):
    return DecisionBench(tmp_path, registry, sections=act())


def act(**verdict):
    """The sections that act: promote needs."""
    labels = {"conf": "labels.yaml", "key": ["order_id"], "value": "quality", "time": "placed_at"}
    return {"verdict": {"act": "promote", **verdict}, "labels": labels, "evaluate": {}}


def controller(bench, **parts):
    made = Controller.of(bench.config, LocalStorage(), by="stream")
    for name, value in parts.items():
        setattr(made, name, value)
    return made


def pinned(version, role):
    return PinnedModel(name="any", version=version, role=role, source="", created_milliseconds=0)


def plan(bench, number, champion="1", candidate="2", *, refused=None):
    """Beside the checkpoint, as a batch leaves it."""
    now = datetime.now(UTC)
    pair = [pinned(champion, "champion"), *([pinned(candidate, "candidate")] if candidate else [])]
    experiment = PlannedExperiment(mode="shadow", fraction=1.0, key=(), salt="s", began_at=now)
    made = Plan(
        query_id="q",
        batch_id=number,
        planned_at=now,
        contract_hash="",
        config_hash="",
        files=(),
        models=[one.model_copy(update={"name": bench.name}) for one in pair],
        resolved_at=now,
        experiment=experiment if candidate else None,
        refused_candidates=refused or {},
    )
    LocalStorage().create(plan_path(bench.config.checkpoint, number), made.model_dump_json().encode())
    return made


def kinds(decided):
    return [(one.decision.kind, one.outcome.outcome) for one in decided]


@pytest.mark.parametrize(
    ("verdict", "kind", "pair"),
    [("promote", "promote", ("2", "1")), ("reject", "reject", ("1", None)), ("expire", "expire", ("1", None))],
)
def test_a_verdict_is_carried_out_where_the_config_says_so(acting, verdict, kind, pair):
    [decided] = controller(acting).after_evaluation(standing(verdict))
    assert (decided.decision.kind, decided.decision.by, decided.decision.reason) == (
        kind,
        "stream",
        f"the rule says {verdict}",
    )
    assert acting.pair == pair
    # The pair is another one: what was known of this one decides nothing more.
    assert controller(acting).after_evaluation(standing(verdict)) == []


@pytest.mark.parametrize("verdict", ["promote", "reject", "expire"])
def test_else_it_is_proposed_once(bench, verdict, caplog):
    [decided] = controller(bench).after_evaluation(standing(verdict))
    with caplog.at_level("INFO"):
        StreamDecisions(controller=None)._try("standing", lambda: [decided])
    assert (decided.decision.kind, decided.decision.proposes) == ("propose", verdict)
    assert f"the rule says {verdict}; a person carries it out: penstock promote --decision 0" in caplog.text
    assert bench.pair == ("1", "2")
    assert controller(bench).after_evaluation(standing(verdict)) == []
    other = "reject" if verdict != "reject" else "promote"
    assert kinds(controller(bench).after_evaluation(standing(other))) == [("propose", "done")]


def test_no_verdict_decides_nothing(acting):
    assert controller(acting).after_evaluation(standing("continue")) == []
    assert controller(acting).after_evaluation(None) == []
    assert acting.files.history().decisions == ()


@pytest.mark.parametrize("moved", [{"champion": "3"}, {"candidate": "3"}, {"candidate": None}])
def test_a_verdict_on_a_pair_that_a_person_has_ended_decides_nothing(acting, moved):
    acting.point(**moved)
    assert controller(acting).after_evaluation(standing("promote")) == []


def baking(bench):
    bench.decide("promote")
    return {"champion": "2", "candidate": "1", "is_bake": True}


@pytest.mark.parametrize(
    ("verdict", "kind", "pair"), [("promote", "rollback", ("1", None)), ("reject", "end_bake", ("2", None))]
)
def test_a_verdict_in_a_bake(acting, verdict, kind, pair):
    """The same rule: a better old champion comes back, a worse one goes."""
    assert kinds(controller(acting).after_evaluation(standing(verdict, **baking(acting)))) == [(kind, "done")]
    assert acting.pair == pair
    if kind == "rollback":
        assert acting.tags("2")["rejected"] == "1"


def test_a_bake_where_a_person_decides(bench):
    of_bake = baking(bench)
    [decided] = controller(bench).after_evaluation(standing("promote", **of_bake))
    assert (decided.decision.kind, decided.decision.proposes) == ("propose", "rollback")
    assert controller(bench).after_evaluation(standing("reject", **of_bake)) == []
    assert bench.pair == ("2", "1")
    # Its end was agreed on with the promotion.
    assert kinds(controller(bench).after_evaluation(standing("expire", **of_bake))) == [("end_bake", "done")]
    assert bench.pair == ("2", None)


def test_a_bake_ends_by_its_time_without_any_batch(bench):
    bench.decide("promote")
    later = datetime.now(UTC) + timedelta(seconds=bench.config.verdict.bake)
    assert controller(bench, now=lambda: later - timedelta(minutes=1)).after_evaluation(None) == []
    [decided] = controller(bench, now=lambda: later).after_evaluation(None)
    assert (decided.decision.kind, decided.decision.champion, decided.decision.candidate) == ("end_bake", "2", "1")
    assert bench.pair == ("2", None)
    assert controller(bench, now=lambda: later).after_evaluation(None) == []


def test_a_new_candidate_is_not_taken_away_with_the_bake(bench):
    bench.decide("promote")
    bench.point(candidate="3")
    later = datetime.now(UTC) + timedelta(days=30)
    assert controller(bench, now=lambda: later).after_evaluation(None) == []
    assert bench.pair == ("2", "3")


def test_a_guardrail_rejects_at_the_next_batch(acting):
    reason = "guardrail: it failed on 7.0% of 1,000 rows"
    plan(acting, 0)
    met = plan(acting, 1, candidate=None, refused={"2": reason})
    [decided] = controller(acting).after_batch(met)
    assert (decided.decision.kind, decided.decision.reason) == ("reject", reason)
    assert decided.decision.met_by == "batch 1 of query q"
    assert acting.pair == ("1", None)
    assert controller(acting).after_batch(plan(acting, 2, candidate=None)) == []


def test_or_proposes_it_once(bench):
    reason = "guardrail: it failed on 7.0% of 1,000 rows"
    one = controller(bench)
    plan(bench, 0)
    [decided] = one.after_batch(plan(bench, 1, candidate=None, refused={"2": reason}))
    assert (decided.decision.kind, decided.decision.proposes) == ("propose", "reject")
    assert one.after_batch(plan(bench, 2, candidate=None, refused={"2": reason})) == []
    assert controller(bench).after_batch(plan(bench, 3, candidate=None, refused={"2": reason})) == []


def test_a_candidate_that_is_refused_otherwise_is_not_rejected(acting):
    plan(acting, 0)
    assert controller(acting).after_batch(plan(acting, 1, candidate=None, refused={"2": "it needs ph2"})) == []


def test_a_baking_version_that_a_guardrail_takes_out_is_not_rejected(acting):
    acting.decide("promote")
    plan(acting, 0, "2", "1")
    refused = plan(acting, 1, "2", None, refused={"1": "guardrail: it took 9 times as long"})
    assert controller(acting).after_batch(refused) == []
    assert acting.pair == ("2", "1")


@pytest.mark.parametrize(
    ("moved", "after", "said"),
    [
        ({"champion": "3"}, ("3", "2"), "the champion from version 1 to 3"),
        ({"candidate": "3"}, ("1", "3"), "the candidate from version 2 to 3"),
        ({"candidate": None}, ("1", None), "the candidate 2 was removed"),
        ({"champion": "2", "candidate": None}, ("2", None), "the champion from version 1 to 2"),
    ],
)
def test_what_a_person_moves_is_recorded_once(acting, moved, after, said):
    plan(acting, 0)
    acting.point(**moved)
    one, met = controller(acting), plan(acting, 1, *after)
    [decided] = one.after_batch(met)
    assert (decided.decision.kind, decided.decision.champion, decided.decision.candidate) == ("external", "1", "2")
    assert decided.decision.reason.startswith(f"moved by other means: {said}; batch 1 of query q met it first")
    assert (decided.outcome.champion, decided.outcome.candidate) == after == acting.pair
    assert one.after_batch(plan(acting, 2, *after)) == []
    # Nor by another process, which begins with the same batch.
    assert controller(acting).after_batch(met) == []


def test_a_move_that_was_met_before_a_crash_is_recorded_after_it(acting):
    plan(acting, 0)
    acting.point(champion="3")
    plan(acting, 1, "3", "2")
    assert kinds(controller(acting).after_batch(plan(acting, 2, "3", "2"))) == [("external", "done")]


def test_a_decision_explains_what_it_moved(acting):
    one = controller(acting)
    plan(acting, 0)
    acting.decide("promote")
    assert one.after_batch(plan(acting, 1, "2", "1")) == []
    acting.decide("rollback", champion="2", candidate="1")
    assert one.after_batch(plan(acting, 2, "1", None)) == []


def test_a_move_to_a_version_that_was_promoted_and_rolled_back_just_before_is_recorded(acting):
    plan(acting, 0)
    acting.decide("promote")
    plan(acting, 1, "2", "1")
    acting.decide("rollback", champion="2", candidate="1")
    # A new process looks at batch 1 once more, which the promotion explains.
    assert controller(acting).after_batch(plan(acting, 2, "1", None)) == []
    acting.point(champion="2")
    assert kinds(controller(acting).after_batch(plan(acting, 3, "2", None))) == [("external", "done")]


@pytest.mark.parametrize("after", [("1", "2"), ("1", "3"), ("1", None)])
def test_a_first_candidate_is_no_move(acting, after):
    plan(acting, 0, "1", None)
    assert controller(acting).after_batch(plan(acting, 1, *after)) == []


def test_a_candidate_that_is_only_missing_in_the_plan_was_not_removed(acting):
    """Its version could not be had; the alias means it still."""
    plan(acting, 0)
    assert controller(acting).after_batch(plan(acting, 1, "1", None)) == []


def test_what_could_not_be_recorded_is_recorded_later(acting, monkeypatch):
    plan(acting, 0)
    acting.point(champion="3")
    one, met = controller(acting), plan(acting, 1, "3", "2")

    def fail(self, alias):
        raise RegistryUnavailableError("away")

    with monkeypatch.context() as patch:
        patch.setattr("penstock.models.aliases.ModelAliases.read", fail)
        with pytest.raises(RegistryUnavailableError):
            one.after_batch(met)
    assert kinds(one.after_batch(plan(acting, 2, "3", "2"))) == [("external", "done")]


def test_no_failure_ends_the_stream_and_it_is_tried_again(acting, caplog, monkeypatch):
    calls = []

    def after_batch(met):
        calls.append(met)
        if len(calls) == 1:
            raise RegistryUnavailableError("away")
        if len(calls) == 2:
            raise OverflowError("what nobody expected")
        return []

    acting_controller = controller(acting)
    monkeypatch.setattr(acting_controller, "after_batch", after_batch)
    one, met = StreamDecisions(controller=acting_controller), plan(acting, 0, candidate=None)
    one.after_batch(met)
    assert "no decision: away; the stream continues" in caplog.text
    assert not one.is_due
    monkeypatch.setattr(in_stream, "RETRY_SECONDS", 0.0)
    # What an evaluation decides has its own slot: that it succeeds leaves the other to be tried again.
    for number in (1, 2):
        one._left = {look: replace(left, due_at=0.0) for look, left in one._left.items()}
        one.after_evaluation()
        assert one.is_due
        one.look_again()
        assert len(calls) == 1 + number
    assert "no decision: OverflowError: what nobody expected" in caplog.text
    assert calls == [met] * 3
    assert not one.is_due


def test_a_bake_ends_by_its_time_in_a_stream_that_evaluates_nothing(bench):
    """Neither is there an evaluation, nor a batch; with one it ends after that."""
    bench.decide("promote")
    later = datetime.now(UTC) + timedelta(seconds=bench.config.verdict.bake)
    one = StreamDecisions(controller=controller(bench, now=lambda: later))
    assert not one.is_due
    one._look_at = 0.0
    assert one.is_due
    one.look_again()
    assert bench.pair == ("2", None)
    assert not one.is_due


def test_and_after_a_batch(bench):
    bench.decide("promote")
    later = datetime.now(UTC) + timedelta(seconds=bench.config.verdict.bake)
    plan(bench, 0, "2", "1")
    assert kinds(controller(bench, now=lambda: later).after_batch(plan(bench, 1, "2", "1"))) == [("end_bake", "done")]
    assert bench.pair == ("2", None)


@pytest.mark.parametrize(
    ("moved", "recorded", "after"),
    [
        ({"champion": "3"}, "the champion from version 2 to 3", ("3", None)),
        # The old champion is the champion again, and no candidate of its own.
        ({"champion": "1"}, "the champion from version 2 to 1", ("1", None)),
    ],
)
def test_what_baked_is_no_candidate_for_a_champion_that_a_person_sets(acting, moved, recorded, after):
    acting.decide("promote")
    plan(acting, 0, "2", "1")
    acting.point(**moved)
    one = controller(acting)
    decided = one.after_batch(plan(acting, 1, moved["champion"], None))
    assert kinds(decided) == [("end_bake", "done"), ("external", "done")]
    assert (
        decided[0].decision.reason == f"champion means version {moved['champion']} by now, which was set by other means"
    )
    assert recorded in decided[1].decision.reason
    assert acting.pair == after
    # What a person makes the candidate after that is one.
    acting.point(candidate="2")
    assert one.after_batch(plan(acting, 2, moved["champion"], "2")) == []
    assert acting.pair == (moved["champion"], "2")


def test_a_candidate_that_is_removed_soon_after_a_decision_about_another_is_recorded(acting):
    acting.decide("reject")
    acting.point(candidate="3")
    plan(acting, 0, "1", "3")
    acting.point(candidate=None)
    [decided] = controller(acting).after_batch(plan(acting, 1, "1", None))
    assert (decided.decision.kind, decided.decision.candidate) == ("external", "3")


def test_a_plan_that_a_promotion_came_into_the_middle_of(acting):
    """It has read the champion before, and the candidate after it, which is then the champion."""
    plan(acting, 0)
    acting.decide("promote")
    one = controller(acting)
    assert one.after_batch(plan(acting, 1, "1", None)) == []
    assert one.after_batch(plan(acting, 2, "2", "1")) == []


def test_without_the_section_nothing_is_looked_at(bench):
    config = bench.config.model_copy(update={"experiment": None})
    one = StreamDecisions.of(config, LocalStorage())
    assert one.controller is None
    one.after_batch(plan(bench, 0))
    one.after_evaluation()
    assert bench.files.history().decisions == ()

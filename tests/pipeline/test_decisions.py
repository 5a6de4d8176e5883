"""What becomes of the aliases, tags, files and rows of a decision; who moves an alias by other means wins."""

import shutil
from datetime import UTC, datetime, timedelta

import pytest
from decision_bench import DecisionBench, standing

from penstock.config.pipeline import PipelineConfig
from penstock.errors import LeaseError, LedgerError, PlanError, RegistryUnavailableError
from penstock.models.aliases import ModelAliases
from penstock.models.resolved import ModelAtStart
from penstock.operations.doctor.checks import describe_decider
from penstock.pipeline.decisions.bake import is_bake
from penstock.pipeline.decisions.lease import held_lease
from penstock.pipeline.decisions.record import Decision
from penstock.storage.files import LocalStorage

NO_BAKE = {"verdict": {"bake": "0 s"}}


@pytest.fixture
def bench(tmp_path, registry):
    return DecisionBench(tmp_path, registry)


def test_a_promotion_swaps_the_two_aliases_and_says_so_everywhere(bench):
    evidence, before = standing("promote"), datetime.now(UTC)
    decided = bench.decide("promote", evidence=evidence)
    assert bench.pair == ("2", "1")
    assert bench.tags("2") == {"promoted": "0", "decision": "0", "pipeline": "wine"}
    assert bench.tags("1") == {"decision": "0", "pipeline": "wine"}
    assert (decided.outcome.outcome, decided.outcome.champion, decided.outcome.candidate) == ("done", "2", "1")
    [read] = bench.files.history().decisions
    assert read == decided
    assert read.decision.evidence == evidence
    [row] = bench.rows()
    assert (row.query_id, row.batch_id, row.kind, row.outcome) == ("decide", 0, "promote", "done")
    assert (row.champion, row.candidate, row.champion_after, row.candidate_after) == ("1", "2", "2", "1")
    assert (row.model_name, row.reason, row.decided_by) == (bench.name, "because", "anna")
    assert row.evidence == evidence.model_dump_json()
    assert before.replace(tzinfo=None) <= row.decided_at <= row.done_at


@pytest.mark.parametrize(
    ("sections", "candidate", "after"),
    [
        ({}, "2", ("2", "1")),
        (NO_BAKE, "2", ("2", None)),
        # Another candidate is nothing that this promotion is about.
        ({}, "3", ("2", "3")),
        ({}, None, ("2", None)),
        ({"experiment": None}, "2", ("2", "2")),
    ],
)
def test_the_candidate_after_a_promotion(tmp_path, registry, sections, candidate, after):
    bench = DecisionBench(tmp_path, registry, candidate=candidate, sections=sections)
    bench.decide("promote")
    assert bench.pair == after


@pytest.mark.parametrize(("bake", "after"), [("7 days", ("3", "2")), ("0 s", ("3", None))])
def test_a_promotion_in_a_bake_ends_it(tmp_path, registry, bake, after):
    """The version before last would be a canary beside the new one."""
    bench = DecisionBench(tmp_path, registry)
    bench.decide("promote")
    assert bench.pair == ("2", "1")
    bench.sections = {"verdict": {"bake": bake}}
    bench.decide("promote", champion="2", candidate="3")
    assert bench.pair == after


def test_a_candidate_that_a_person_has_set_in_a_bake_stays(bench):
    bench.decide("promote")
    bench.decide("end_bake", champion="2", candidate="1")
    bench.point(candidate="1")
    bench.decide("promote", champion="2", candidate="3")
    assert bench.pair == ("3", "1")


def test_what_a_person_sets_after_a_promotion_without_a_bake_is_an_experiment(tmp_path, registry):
    bench = DecisionBench(tmp_path, registry, sections=NO_BAKE)
    bench.decide("promote")
    bench.point(candidate="1")
    assert not is_bake(bench.config, LocalStorage(), "2", "1")


def test_a_rollback_swaps_back_and_leaves_no_candidate(bench):
    bench.decide("promote")
    bench.decide("rollback", champion="2", candidate="1")
    assert bench.pair == ("1", None)
    assert bench.tags("2") == {"rejected": "1", "decision": "1", "pipeline": "wine"}
    assert bench.tags("1") == {"decision": "1", "pipeline": "wine"}
    # A person may try the version again, and promote it: it is not rejected any more.
    bench.point(candidate="2")
    bench.decide("promote")
    assert bench.tags("2") == {"promoted": "2", "decision": "2", "pipeline": "wine"}
    assert [row.batch_id for row in bench.rows()] == [0, 1, 2]


@pytest.mark.parametrize(("kind", "tag"), [("reject", "rejected"), ("expire", "expired"), ("end_bake", None)])
def test_what_takes_the_candidate_away(bench, kind, tag):
    assert bench.decide(kind).is_done
    assert bench.pair == ("1", None)
    assert bench.tags("2") == {"decision": "0", "pipeline": "wine"} | ({tag: "0"} if tag else {})
    assert bench.tags("1") == {}


@pytest.mark.parametrize("kind", ["propose", "external"])
def test_what_moves_nothing(bench, kind):
    assert bench.decide(kind, proposes="promote").is_done
    assert bench.pair == ("1", "2")
    assert bench.tags("1") == bench.tags("2") == {}
    assert [row.kind for row in bench.rows()] == [kind]


@pytest.mark.parametrize(
    ("kind", "moved", "message"),
    [
        ("promote", {"champion": "3"}, "champion means version 3, which was set by other means before it was set to 2"),
        ("promote", {"champion": None}, "champion means no version, which"),
        ("rollback", {"champion": "3"}, "champion means version 3, which"),
        ("reject", {"candidate": "3"}, "candidate means version 3, which stays"),
        ("reject", {"champion": "2"}, "champion means version 2 by now"),
    ],
)
def test_a_person_who_was_faster_wins(bench, kind, moved, message):
    bench.point(**moved)
    before = bench.pair
    decided = bench.decide(kind)
    assert decided.outcome.outcome == "superseded"
    assert message in decided.outcome.message
    assert bench.pair == before == (decided.outcome.champion, decided.outcome.candidate)
    [row] = bench.rows()
    assert (row.outcome, row.champion_after) == ("superseded", before[0])
    assert row.reason == f"because; {decided.outcome.message}"


@pytest.mark.parametrize("after", ["set champion", "set candidate", "tag 1"])
def test_a_champion_that_is_set_in_the_middle_stays_and_is_reported(bench, after):
    def is_then_moved(self, *arguments):
        """The method, and a click in MLflow's page right after it."""
        original(self, *arguments)
        if f"{name} {arguments[0]}".replace("set_tags", "tag") == after:
            bench.point(champion="3")

    with pytest.MonkeyPatch.context() as patch:
        name = "set_tags" if after.startswith("tag") else "set"
        original = getattr(ModelAliases, name)
        patch.setattr(ModelAliases, name, is_then_moved)
        decided = bench.decide("promote")
    assert bench.pair[0] == decided.outcome.champion == "3"
    assert decided.outcome.outcome == "superseded"
    assert "champion means version 3, which was set by other means after it was set to 2" in decided.outcome.message


def test_a_champion_that_was_set_back_after_a_crash_stays(bench):
    """The version before is again the champion, and not because the promotion had not begun."""
    decision = made(bench)
    bench.files.mark_moved(decision.number)
    finished = bench.decider().finish()
    assert bench.pair == ("1", "2")
    assert finished.outcome.outcome == "superseded"
    assert "champion means version 1 again: it was set back by other means" in finished.outcome.message


def test_a_version_that_was_deleted_holds_up_nothing(bench):
    made(bench)
    bench.point(candidate=None)
    bench.client.delete_model_version(bench.name, "2")
    finished = bench.decider().finish()
    assert (finished.outcome.outcome, bench.pair[0]) == ("superseded", "1")
    assert f"has no version 2 of '{bench.name}'; was it deleted?" in finished.outcome.message
    # The same of the old champion, which then can't bake.
    bench.point(candidate="3")
    made(bench, candidate="3")
    bench.point(champion="3")
    bench.client.delete_model_version(bench.name, "1")
    assert bench.decider().finish().is_done
    assert bench.pair == ("3", None)


def made(bench, candidate="2"):
    """A promotion whose process was killed when it had decided."""
    number = bench.files.history().next_number
    decision = Decision(
        number=number,
        kind="promote",
        model_name=bench.name,
        champion="1",
        candidate=candidate,
        by="anna",
        decided_at=datetime.now(UTC),
        reason="because",
        candidate_alias="candidate",
        bakes=True,
    )
    assert bench.files.make(decision)
    return decision


def test_a_registry_that_is_away_lets_the_decision_wait(bench, monkeypatch):
    settings = bench.config.model_dump() | {"mlflow": {"tracking_uri": "http://127.0.0.1:9"}}
    away = PipelineConfig.model_validate(settings)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    made(bench)
    with pytest.raises(RegistryUnavailableError):
        bench.decider(config=away).finish()
    assert bench.files.history().unfinished is not None
    assert bench.decider().finish().is_done
    assert bench.pair == ("2", "1")
    assert bench.decider().finish() is None


def test_one_that_was_cut_off_is_finished_before_the_next(bench):
    made(bench)
    bench.decide("rollback", champion="2", candidate="1")
    assert [one.decision.kind for one in bench.files.history().decisions if one.is_done] == ["promote", "rollback"]
    assert bench.pair == ("1", None)


def test_a_second_controller_waits_or_says_who_decides(bench):
    with (
        held_lease(LocalStorage(), bench.config.tables.root, job="stream"),
        pytest.raises(LeaseError, match=r"a decision is being carried out by stream, pid \d+ on .*; one at a time"),
    ):
        bench.decide("promote")
    assert bench.pair == ("1", "2")


def test_files_that_can_not_be_read_are_named(bench):
    bench.decide("propose", proposes="promote")
    bench.decide("propose", proposes="reject")
    folder = bench.root / "tables" / "_decisions"
    (folder / "1.json").write_text("{}")
    with pytest.raises(PlanError, match=r"1.json: is no decision that this version of Penstock can read: number: "):
        bench.files.history()
    (folder / "0.json").unlink()
    with pytest.raises(LedgerError, match=r"_decisions has decision 1, and no 0.json: restore that file"):
        bench.files.history()


def test_a_later_decision_than_an_unfinished_one_is_an_error(bench):
    bench.decide("propose", proposes="promote")
    bench.decide("propose", proposes="reject")
    (bench.root / "tables" / "_decisions" / "0.done").unlink()
    with pytest.raises(LedgerError, match=r"0.done is missing, and there are later decisions"):
        bench.files.history()


def test_a_table_that_was_removed_is_made_again(bench):
    bench.decide("propose", proposes="promote")
    shutil.rmtree(bench.root / "tables" / "decisions")
    bench.decide("propose", proposes="reject")
    assert [(row.batch_id, row.kind) for row in bench.rows()] == [(0, "propose"), (1, "propose")]


def test_a_table_that_can_not_be_written_stops_no_decision(bench, caplog):
    log = bench.root / "tables" / "decisions" / "_delta_log"
    log.mkdir(parents=True)
    (log / "00000000000000000000.json").write_text("torn")
    assert bench.decide("promote").is_done
    assert "the table decisions lags behind its files: the table" in caplog.text


def test_decisions_about_another_model_count_for_nothing(bench):
    bench.decide("promote")
    history = bench.files.history()
    assert history.about(bench.name).last_done("promote") is not None
    assert history.about("another").last_done("promote") is None


def test_decided_at_lies_before_done_at(bench):
    decided = bench.decide("promote")
    assert timedelta(0) <= decided.outcome.done_at - decided.decision.decided_at < timedelta(minutes=1)


def test_the_doctor_says_that_another_pipeline_decides_about_the_model(bench):
    model = ModelAtStart.of(bench.config)
    assert describe_decider(bench.config, model) == "no other pipeline has decided about version 1"
    bench.decide("promote")
    model = ModelAtStart.of(bench.config)
    assert describe_decider(bench.config, model) == "no other pipeline has decided about version 2"
    other = bench.config.model_copy(update={"pipeline": "wine-orders"})
    assert "version 2 was decided on by the pipeline 'wine'; where it follows the same" in describe_decider(
        other, model
    )

"""`penstock experiment`: what it says of a running experiment, and of what is missing for one."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from batch_records import evaluation_record
from dashboard_tables import LABELS_CONF, MACRO_CONF, WINE_CONF, WrittenTables
from decision_bench import DecisionBench, standing
from experiment_tables import EXPERIMENT, came_true, experiment_tables, write_plan
from sandbox import TestRegistry

from penstock.interfaces.dashboard.reading import connected
from penstock.jobs import run_command
from penstock.operations.experiment.report import ExperimentReport, read_experiment
from penstock.operations.experiment.text import as_text
from penstock.operations.model_store.live import read_candidate_sums
from penstock.pipeline.decisions.files import DecisionFiles
from penstock.pipeline.decisions.record import Decision, DecisionOutcome
from penstock.pipeline.evaluation.record import evaluation_folder
from penstock.storage.files import LocalStorage

LOSSES = [(1.0, 0.90), (1.0, 0.91), (1.0, 0.89), (1.0, 0.9)]


@pytest.fixture
def running(tmp_path: Path) -> WrittenTables:
    """Since an hour; another step and variable beside the one that decides."""
    made = experiment_tables(tmp_path)
    write_plan(made, began_at=datetime.now(UTC) - timedelta(hours=1))
    at = datetime.now(UTC)
    came_true(made, LOSSES, evaluated_at=at)
    came_true(made, [(1.0, 1.2)] * 2, evaluated_at=at, step=2)
    return made


def test_how_a_running_experiment_stands(running: WrittenTables, capsys: pytest.CaptureFixture[str]) -> None:
    """The registry is not asked: there is none."""
    assert run_command.main(["experiment", "--conf", str(running.conf)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("wine-quality, pipeline macro: version 8 beside champion 7 since ")
    assert lines[0].endswith("(shadow, answers beside it for 100% of the keys)")
    assert lines[1:4] == [
        "pairs     40 with a loss of both versions, in 4 units, 4 blocks of 1",
        lines[2],
        "failed    0.00% of the candidate, 0.00% of the champion",
    ]
    assert lines[2].startswith("loss      wis 0.9 against 1, ratio 0.9 (0.8")
    assert lines[2].endswith(", 0.95 at all times)")
    assert lines[4] == "the rule  promote the candidate; it proposes that (verdict.act is propose)"
    assert lines[5].strip().startswith("the candidate is better than 0.98 x the champion's loss: loss ratio 0.8")
    assert lines[6].startswith("time      ends ")
    heads = "variable step pairs ratio MAE 7 MAE 8 of naive 7 of naive 8 coverage 7 coverage 8"
    assert lines[8].split() == heads.split()
    assert lines[9].split() == ["*", "realgdp", "1", "40", "0.9", "2", "1.5", "0.5", "0.375", "90.0%", "80.0%"]
    assert lines[10].split() == ["realgdp", "2", "20", "1.2", "2", "1.5", "0.5", "0.375", "90.0%", "80.0%"]


def test_the_same_as_json(running: WrittenTables, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command.main(["experiment", "--conf", str(running.conf), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["standing"]["verdict"], found["would_do"], found["missing"]) == ("promote", "promote", [])
    assert [one["decides"] for one in found["measures"]] == [True, False]
    assert ExperimentReport.model_validate(found) == ExperimentReport.model_validate_json(json.dumps(found))


def decided(made: WrittenTables, number: int, *, candidate: str, is_done: bool = True, **changes: Any) -> None:
    facts = {"number": number, "kind": "propose", "model_name": "wine-quality", "champion": "7", "by": "stream"}
    at = datetime(2026, 3, 1, 12, number, tzinfo=UTC)
    decision = Decision.model_validate(
        facts | {"candidate": candidate, "decided_at": at, "reason": "it is better", "proposes": "promote"} | changes
    )
    files = DecisionFiles(storage=LocalStorage(), root=made.config.tables.root)
    files.make(decision)
    if is_done:
        files.finish(number, DecisionOutcome(outcome="done", champion="7", candidate=candidate, done_at=at))


def test_the_last_decisions_about_the_pair(running: WrittenTables) -> None:
    decided(running, 0, candidate="6")
    decided(running, 1, candidate="8")
    decided(running, 2, candidate="8", kind="reject", by="anna", proposes=None, is_done=False)
    found = read_experiment(running.config).decisions
    assert [one.split(":")[0] for one in found] == ["2026-03-01 12", "2026-03-01 12"]
    assert "decision 2 is not finished: " in found[0]
    assert "decision 1 proposes: " in found[1]
    assert "last decisions" in as_text(read_experiment(running.config)).splitlines()
    # Without an experiment those about the model.
    write_plan(running, 1, experiment=None)
    config = running.config.model_copy(update={"experiment": None})
    assert len(read_experiment(config).decisions) == 3


def report(**changes: Any) -> ExperimentReport:
    facts = {"pipeline": "wine", "model_name": "m", "loss": "absolute", "act": "propose", "alpha": 0.05}
    return ExperimentReport.model_validate(facts | changes)


@pytest.mark.parametrize(
    ("verdict", "would_do", "act", "expected"),
    [
        ("continue", None, "promote", "the rule  wait"),
        ("reject", "reject", "promote", "the rule  reject the candidate; the stream, or penstock evaluate, does it"),
        ("expire", "end_bake", "propose", "the rule  end the bake, and the champion stays; the stream, or penstock"),
        ("promote", "rollback", "propose", "the rule  go back to the champion of before; it proposes that"),
    ],
)
def test_what_the_rule_would_do(verdict: str, would_do: str | None, act: str, expected: str) -> None:
    text = as_text(report(standing=standing(verdict), would_do=would_do, act=act, ends_at=datetime(2026, 4, 1)))
    assert any(line.startswith(expected) for line in text.splitlines()), text


def test_odd_standings_have_words() -> None:
    """A ramp, a bake, losses of zero, no band."""
    ramp = standing("continue", mode="canary", fraction=0.05, is_last_step=False, ratio=None, champion_loss=0.0)
    assert "(canary, answers 5% of the keys, not yet the last step of the ramp)" in as_text(report(standing=ramp))
    assert "loss      absolute 0.9 against 0" in as_text(report(standing=ramp)).splitlines()
    bake = standing("continue", is_bake=True, ratio_lower=None, earliest=datetime(2026, 4, 1, tzinfo=UTC))
    text = as_text(report(standing=bake))
    assert "the champion of before, as shadow after a promotion" in text
    assert "ratio 0.9 (no band yet)" in text
    assert "a verdict not before 2026-04-01 00:00, if units come as they did" in text


def test_what_was_in_sample_is_said_to_be_left_out() -> None:
    fitted = standing("continue", in_sample_pairs=1200, fitted_until=datetime(2026, 3, 1, 7, tzinfo=UTC))
    [line] = [line for line in as_text(report(standing=fitted)).splitlines() if line.startswith("pairs ")]
    assert line.endswith("; left out: 1,200 of the data of a fit until 2026-03-01 07:00")


def missing(made: WrittenTables) -> list[str]:
    return [one.what for one in read_experiment(made.config).missing]


def test_what_is_missing_for_a_verdict(tmp_path: Path) -> None:
    made = experiment_tables(tmp_path, template=WINE_CONF)
    write_plan(made, began_at=datetime.now(UTC))
    assert missing(made) == ["no labels say what came true"]
    (tmp_path / "series").mkdir()
    series = experiment_tables(tmp_path / "series")
    write_plan(series, began_at=datetime.now(UTC))
    assert missing(series) == ["the stream does not evaluate (evaluate.every)", "nothing was evaluated yet"]
    lines = as_text(read_experiment(series.config)).splitlines()
    assert lines[-1] == "         run penstock evaluate"
    assert "loss      wis: none yet" in lines


def test_no_pair_has_come_true(tmp_path: Path) -> None:
    """After an evaluation of what came before."""
    made = experiment_tables(tmp_path)
    write_plan(made)
    done = Path(evaluation_folder(made.config.tables.root)) / "0.done"
    done.parent.mkdir(parents=True)
    done.write_text(evaluation_record(0).model_dump_json())
    assert missing(made)[-1].endswith(
        ") has no pair of both versions since the experiment began, with a loss of both (wis)"
    )


@pytest.mark.parametrize(("champion_failed", "candidate_failed"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_a_candidate_against_naive_errors(tmp_path: Path, champion_failed: int, candidate_failed: int) -> None:
    """Which are of the pairs that the champion answered: as many failures are not the same ones."""
    made = experiment_tables(tmp_path)
    write_plan(made)
    came_true(made, LOSSES, champion_failed=champion_failed, candidate_failed=candidate_failed)
    [one] = read_experiment(made.config).measures
    # 1.5 a pair, where the naive forecast has 4.
    expected = 1.5 / 4 if champion_failed == candidate_failed == 0 else None
    assert (one.candidate.ratio_to_naive, one.champion.ratio_to_naive) == (expected, 2.0 / 4)
    with connected(made.config, ("evaluations",)) as tables:
        [sums] = read_candidate_sums(tables, loss="wis")
    assert sums.naive == (None if expected is None else 4.0 * 40)


def test_no_section_and_no_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = WrittenTables(tmp_path, MACRO_CONF)
    assert run_command.main(["experiment", "--conf", str(made.conf)]) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        "wine-quality, pipeline macro: no experiment\nmissing: the config has no section experiment\n"
    )
    labels = WrittenTables(tmp_path, LABELS_CONF)
    assert run_command.main(["experiment", "--conf", str(labels.conf)]) == 2
    assert "is a pipeline of labels, which has no model; name the pipeline whose answers" in capsys.readouterr().err


def test_what_is_missing_for_an_experiment(registry: TestRegistry, tmp_path: Path) -> None:
    """Each thing is put right, and the next one is missing."""
    bench = DecisionBench(tmp_path, registry, candidate=None)
    template = WINE_CONF.replace("wine-quality", bench.name).replace("sqlite:///{root}/mlflow.db", registry.uri)
    made = experiment_tables(tmp_path, sections=EXPERIMENT, template=template)
    no_alias, no_batch = missing(made)
    assert f"has no model {bench.name!r} with the alias 'candidate'" in no_alias
    assert no_batch == "no batch has been planned yet"
    write_plan(made, 0, name=bench.name, experiment=None)
    bench.point(candidate="1")
    assert missing(made) == ["the alias candidate means version 1, which is the champion"]
    bench.point(candidate="2")
    [not_yet] = missing(made)
    assert not_yet.startswith("batch 0 was planned 2026-03-01 12:00, before the candidate")
    write_plan(made, 1, name=bench.name, experiment=None, refused_candidates={"2": "it fails on 9 of 10 probe rows"})
    assert missing(made) == ["version 2 was refused: it fails on 9 of 10 probe rows"]
    away = experiment_tables(tmp_path, template=template.replace(registry.uri, "http://127.0.0.1:9"))
    assert missing(away) == ["what the alias candidate means is not known"]

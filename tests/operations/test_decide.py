"""The commands `penstock promote` and `penstock rollback`, as a person gives them."""

import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
import yaml
from decision_bench import DecisionBench, standing
from deltalake import write_deltalake

from penstock.config.evaluation import LabelConfig
from penstock.config.pipeline import MlflowConfig
from penstock.errors import DecisionError
from penstock.jobs import promote, rollback
from penstock.operations.evaluation_text import as_text
from penstock.operations.run_evaluation import EvaluationReport, decided_now
from penstock.pipeline.decisions.lease import held_lease
from penstock.storage.files import LocalStorage


@pytest.fixture
def bench(tmp_path, registry):
    return DecisionBench(tmp_path, registry)


@pytest.fixture
def run(bench, capsys):
    """Exit code, and what was printed to stdout and stderr."""

    def given(job, *options, config=None):
        conf = bench.root / "conf.yaml"
        settings = (config or bench.config).model_dump(mode="json", exclude_defaults=True)
        conf.write_text(yaml.safe_dump(settings))
        code = job.main(["--conf", str(conf), *options])
        printed = capsys.readouterr()
        return code, printed.out.strip(), printed.err.strip()

    return given


def test_a_person_promotes_a_version_and_rolls_it_back(bench, run):
    code, out, _ = run(promote, "--version", "2", "--by", "anna")
    assert (code, bench.pair) == (0, ("2", "1"))
    assert out == "decision 0: promote version 2 over 1, by anna: by a person, without a verdict"
    code, out, _ = run(rollback, "--by", "bert")
    assert (code, bench.pair) == (0, ("1", None))
    assert out.splitlines() == [
        "decision 1: roll back from version 2 to 1, by bert: by a person; decision 0 had promoted it",
        "version 2 has given no answer that would be replaced",
    ]
    assert [(row.kind, row.decided_by) for row in bench.rows()] == [("promote", "anna"), ("rollback", "bert")]


def test_an_alias_names_a_version_too(bench, run):
    code, out, _ = run(promote, "--version", "@candidate", "--json")
    printed = json.loads(out)
    assert code == 0
    assert printed["decision"]["candidate"] == printed["outcome"]["champion"] == "2"
    assert printed["decision"]["by"]


def test_without_options_the_last_open_proposal_is_carried_out(bench, run):
    bench.decide("propose", proposes="reject", evidence=standing("reject"))
    bench.decide("propose", proposes="promote", evidence=standing("promote"))
    code, out, _ = run(promote, "--by", "anna")
    assert (code, bench.pair) == (0, ("2", "1"))
    assert out == "decision 2: promote version 2 over 1, by anna: decision 1 proposed it: because"
    last = bench.files.history().decisions[-1].decision
    assert (last.proposal, last.evidence) == (1, standing("promote"))
    for number, said in (
        (1, "decision 1 is carried out already: decision 2"),
        (0, "decision 0 is closed by a later one"),
    ):
        code, _, err = run(promote, "--decision", str(number))
        assert code == 1
        assert said in err


def test_a_proposal_is_carried_out_by_its_number(bench, run):
    bench.decide("propose", proposes="reject")
    bench.decide("propose", proposes="promote")
    assert run(promote, "--decision", "0")[0] == 0
    assert bench.pair == ("1", None)
    assert bench.tags("2")["rejected"] == "2"


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ([], 1, "there is no open proposal to carry out; the champion of … is version 1; candidate means version 2: "),
        (["--decision", "0"], 1, "there is no decision 0 about this model; nothing was decided yet"),
        (["--version", "1"], 1, "version 1 of … is the champion already"),
        (["--version", "9"], 1, "the registry has no version 9 of '…'"),
        (["--version", "@nobody"], 1, "the model '…' has no alias 'nobody': name a version"),
        (["--version", "seven"], 2, "--version 'seven' is no version: expected a number, or an alias as @candidate"),
        (["--version", "2", "--decision", "0"], 2, "--decision and --version: give one of them"),
        (["--version", "2", "--by", " "], 2, "--by is empty; say who decides"),
        (["--decision", "-1"], 2, "-1 is not in the range"),
        (["--version", "2", "--set", "model.name=unheard-of"], 1, "the registry has no version 2 of 'unheard-of'"),
        (
            ["--version", "2", "--set", "experiment=null", "--set", "model.version=1"],
            2,
            "model.version is pinned to 1: this pipeline follows no alias",
        ),
    ],
)
def test_what_can_not_be_promoted(bench, run, options, code, said):
    found, out, err = run(promote, *options)
    assert (found, out) == (code, "")
    assert said in err.replace(bench.name, "…")
    assert bench.pair == ("1", "2")
    assert bench.files.history().decisions == ()


def test_a_pipeline_of_labels_has_nothing_to_promote(bench, run):
    label = LabelConfig(key=("order_id",), value="quality")
    sections = {"workload": "labels", "model": None, "experiment": None, "label": label}
    config = bench.config.model_copy(update=sections)
    for job in (promote, rollback):
        code, _, err = run(job, config=config)
        assert code == 2
        assert "is a pipeline of labels, which has no model" in err


def test_without_a_champion_there_is_nothing_to_promote_over(bench, run):
    bench.point(champion=None)
    code, _, err = run(promote, "--version", "2")
    assert code == 1
    assert f"the model '{bench.name}' has no alias 'champion', so that there is no champion to promote over" in err


@pytest.mark.parametrize(
    ("moved", "said"),
    [
        ({"champion": "3"}, "is superseded: champion means version 3 by now, which was set by other means"),
        ({"candidate": "3"}, "is superseded: candidate means version 3 by now"),
        ({"candidate": None}, "is superseded: candidate means no version by now"),
    ],
)
def test_a_proposal_that_a_person_has_overtaken_is_not_carried_out(bench, run, moved, said):
    bench.decide("propose", proposes="promote")
    bench.point(**moved)
    before = bench.pair
    code, _, err = run(promote)
    assert code == 1
    assert f"decision 0 (promote version 2 over 1) {said}" in err
    assert bench.pair == before


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ([], "nothing was promoted by penstock, so that there is nothing to roll back"),
        (
            ["promote", "rollback"],
            "the last promotion is rolled back already (decision 1: roll back from version 2 to 1",
        ),
    ],
)
def test_nothing_to_roll_back(bench, run, before, said):
    for kind in before:
        bench.decide(kind, *(("1", "2") if kind == "promote" else ("2", "1")))
    pair = bench.pair
    code, _, err = run(rollback)
    assert code == 1
    assert said in err
    assert bench.pair == pair


def test_a_champion_that_was_set_since_is_not_rolled_back(bench, run):
    bench.decide("promote")
    bench.point(champion="3")
    code, _, err = run(rollback)
    assert code == 1
    assert "decision 0 promoted version 2, and champion means version 3 by now, which was set by other means" in err
    assert bench.pair == ("3", "1")


def test_what_was_cut_off_is_finished_first(bench, run):
    bench.decide("propose", proposes="promote")
    (bench.root / "tables" / "_decisions" / "0.done").unlink()
    code, out, _ = run(promote, "--by", "anna")
    assert code == 0
    assert out.splitlines()[0].startswith("finished first: decision 0 proposes: promote version 2 over 1: because")
    assert bench.pair == ("2", "1")


def cut_off(bench, kind, **more):
    """As if its process was killed after everything, but for its last write."""
    decided = bench.decide(kind, **more)
    (bench.root / "tables" / "_decisions" / f"{decided.decision.number}.done").unlink()


@pytest.mark.parametrize("options", [[], ["--version", "2"], ["--version", "@candidate"], ["--decision", "0"]])
def test_a_promotion_that_is_given_again_after_it_was_cut_off_is_done(bench, run, options):
    bench.decide("propose", proposes="promote")
    cut_off(bench, "promote", proposal=0)
    code, out, err = run(promote, *options)
    assert (code, bench.pair, err) == (0, ("2", "1"), "")
    assert out == "decision 1: promote version 2 over 1, by anna: because"
    assert len(bench.files.history().decisions) == 2


def test_a_rollback_that_is_given_again_after_it_was_cut_off_is_done(bench, run):
    bench.decide("promote")
    cut_off(bench, "rollback", champion="2", candidate="1")
    code, out, _ = run(rollback)
    assert (code, bench.pair) == (0, ("1", None))
    assert out.splitlines()[0] == "decision 1: roll back from version 2 to 1, by anna: because"
    assert out.splitlines()[1] == "version 2 has given no answer that would be replaced"


def test_an_error_says_what_was_finished_first(bench, run):
    cut_off(bench, "promote")
    code, _, err = run(promote, "--version", "9")
    assert code == 1
    assert "finished first: decision 0: promote version 2 over 1, by anna: because; then: the registry has no" in err


@pytest.mark.parametrize("options", [[], ["--version", "@candidate"]])
def test_the_version_that_was_just_replaced_is_not_promoted_by_mistake(bench, run, options):
    """The same command again, where the stream has finished what was cut off."""
    bench.decide("promote")
    code, _, err = run(promote, *options)
    assert (code, bench.pair) == (1, ("2", "1"))
    assert "--version 1" not in err
    assert "decision 0: promote version 2 over 1" in err


def test_the_job_says_what_it_decided_or_why_it_could_not(bench, monkeypatch):
    cut_off(bench, "promote")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = bench.config.model_copy(update={"mlflow": MlflowConfig(tracking_uri="http://127.0.0.1:9")})
    with pytest.raises(DecisionError, match="is evaluated, and nothing was decided by it: the registry"):
        decided_now(away, LocalStorage())
    [decided] = decided_now(bench.config, LocalStorage())
    report = EvaluationReport(evaluations=[], decisions=[decided], summary=[], is_final=False)
    assert "decision 0: promote version 2 over 1, by anna: because" in as_text(report)
    [printed] = report.as_json()["decisions"]
    assert (printed["decision"]["number"], printed["outcome"]["outcome"]) == (0, "done")
    assert decided_now(bench.config, LocalStorage()) == []


def test_a_registry_that_is_away_is_reported(bench, run, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    code, _, err = run(promote, "--version", "2", "--set", "mlflow.tracking_uri=http://127.0.0.1:9")
    assert code == 1
    assert "the registry http://127.0.0.1:9 did not answer" in err


def test_another_that_decides_is_named(bench, run, monkeypatch):
    monkeypatch.setattr("penstock.operations.decide.WAIT_SECONDS", 0.5)
    with held_lease(LocalStorage(), bench.config.tables.root, job="stream"):
        code, _, err = run(promote, "--version", "2")
    assert code == 1
    assert "a decision is being carried out by stream, pid " in err


def test_the_answers_of_the_version_that_was_rolled_back_are_named(bench, run):
    """Rows of version 2 were scored before the promotion, too: by the canary, whose answers are another matter."""
    bench.decide("promote")
    first, last = datetime.now(UTC) + timedelta(seconds=60), datetime.now(UTC) + timedelta(hours=2)
    times = [first - timedelta(days=1), first, last, last + timedelta(days=1)]
    rows = {
        "model_version": ["2", "2", "2", "1"],
        "scored_at": pa.array(times, pa.timestamp("us", "UTC")),
    }
    write_deltalake(f"{bench.root}/tables/predictions", pa.table(rows))
    _, out, _ = run(rollback)
    begin, end = first.replace(microsecond=0), last.replace(microsecond=0) + timedelta(seconds=1)
    assert (
        f"penstock rescore --from {begin:%Y-%m-%dT%H:%M:%SZ} --to {end:%Y-%m-%dT%H:%M:%SZ} --version 1 --as replace"
    ) in out

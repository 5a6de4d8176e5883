"""What status and metrics say of an experiment: plans, decisions and standings made by hand."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from batch_records import batch_record, metrics_config
from dashboard_tables import WINE_CONF, WrittenTables
from experiment_standings import LOOKED, decision, experiment_status, standing
from experiment_tables import BEGAN, came_true, experiment_tables, of_pair, write_plan
from planned_experiments import version_by_hand, write_plan_of
from prometheus_client import CollectorRegistry

from penstock.errors import LedgerError, PlanError
from penstock.operations.monitoring.experiment_status import decision_texts, experiment_text, read_experiment
from penstock.operations.monitoring.experiment_watch import ExperimentWatch
from penstock.operations.monitoring.metrics import PipelineMetrics
from penstock.operations.monitoring.status import read_status
from penstock.operations.monitoring.status_text import as_text
from penstock.pipeline.batch_record import FileCount
from penstock.pipeline.decisions.files import DecisionFiles
from penstock.pipeline.decisions.record import DecisionOutcome
from penstock.pipeline.shadow_counts import ShadowCount
from penstock.storage.files import LocalStorage

PAIR = [version_by_hand("7", "champion"), version_by_hand("8", "candidate")]
STORAGE = LocalStorage()
ONE = {"/a.csv": FileCount(accepted=10)}


@pytest.fixture
def tables(tmp_path: Path) -> WrittenTables:
    (tmp_path / "inbox").mkdir()
    return WrittenTables(tmp_path, WINE_CONF + "\nexperiment: {{}}\n")


def decide(tables: WrittenTables, number: int, kind: str, *, is_done: bool = True, **changes: Any) -> None:
    files = DecisionFiles(storage=STORAGE, root=tables.config.tables.root)
    files.make(decision(number, kind, **changes))
    if is_done:
        outcome = DecisionOutcome(outcome="done", champion="7", candidate="8", done_at=LOOKED + timedelta(seconds=2))
        files.finish(number, outcome)


def test_a_pipeline_without_an_experiment_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    status = read_status(WrittenTables(tmp_path, WINE_CONF).config)
    assert status.experiment is None
    assert "experiment" not in as_text(status)


def test_an_experiment_that_no_batch_has_met(tables: WrittenTables) -> None:
    status = read_status(tables.config)
    assert status.experiment is not None
    assert status.experiment.running is None
    assert "experiment  none in the newest plan: no batch has met candidate, or it means the champion" in as_text(
        status
    )


def test_a_running_experiment_and_what_waits(tables: WrittenTables) -> None:
    write_plan_of(tables.config, 0, PAIR, fraction=0.25)
    decide(tables, 0, "propose", proposes="promote")
    decide(tables, 1, "promote", is_done=False)
    text = as_text(read_status(tables.config))
    assert (
        "experiment  canary of 0.25 of the keys, version 8 beside champion 7 since 2026-11-20 00:00:00 UTC: nothing of "
        "both has come true yet\n"
    ) in text
    assert "decision    decision 1 is not finished since 2026-03-03 12:00:00 UTC: promote version 8 over 7; the" in text
    assert "decision    decision 0 proposes: promote version 8 over 7: the upper bound is below 1; a person" in text


def test_a_candidate_that_is_out(tables: WrittenTables) -> None:
    write_plan_of(tables.config, 0, PAIR[:1], refused_candidates={"8": "guardrail: failed on 3 of 10 rows"})
    found = read_experiment(tables.config, STORAGE, now=LOOKED)
    assert found is not None
    assert experiment_text(found) == "the champion answers alone; version 8 is out: guardrail: failed on 3 of 10 rows"


def test_a_damaged_plan_is_named(tables: WrittenTables) -> None:
    plan = Path(tables.config.checkpoint) / "plan" / "0.json"
    plan.parent.mkdir(parents=True)
    plan.write_text("{")
    with pytest.raises(PlanError, match=r"plan/0\.json: is not a plan"):
        read_status(tables.config)


def test_texts_of_standings() -> None:
    assert experiment_text(experiment_status()) == (
        "canary of 0.25 of the keys, version 8 beside champion 7 since 2026-03-01 12:00:00 UTC: loss 0.9 "
        "(0.85 to 0.95) times the champion's, 41 units of 4,100 pairs, promote: the upper bound is below 1"
    )
    no_band = standing(ratio_lower=None, ratio_upper=None, verdict="continue", reason="29 units to go")
    assert "loss 0.9 times the champion's" in experiment_text(experiment_status(standing=no_band))
    assert [text[:10] for text in decision_texts(experiment_status())] == ["decision 4", "decision 3"]
    assert decision_texts(experiment_status(proposals=(), unfinished=None)) == []


def test_a_watch_reads_what_came_true_once(tmp_path: Path) -> None:
    """The file is gone after it was read; it is missed with the next version of the table."""
    made = experiment_tables(tmp_path)
    write_plan(made, began_at=BEGAN)
    came_true(made, [(1.0, 0.7), (1.2, 1.1)])
    metrics = PipelineMetrics(made.config)
    watch = ExperimentWatch(config=made.config, storage=STORAGE, metrics=metrics, every_seconds=60)

    def units() -> float | None:
        return metrics.registry.get_sample_value("penstock_experiment_units", {"pipeline": made.config.pipeline})

    watch.look()
    made.lose_oldest_file("evaluations")
    watch.look()
    assert units() == 2
    made.append("evaluations", of_pair(2, (1.0, 0.9)))
    with pytest.raises((LedgerError, OSError)):
        watch.look()


def test_nothing_is_looked_for_without_the_section(tmp_path: Path) -> None:
    """Decision 0 is missing, which a look would raise."""
    tables = WrittenTables(tmp_path, WINE_CONF)
    decide(tables, 1, "promote")
    metrics = PipelineMetrics(tables.config)
    ExperimentWatch(config=tables.config, storage=STORAGE, metrics=metrics, every_seconds=60).look()


class Shown:
    def __init__(self) -> None:
        self.metrics = PipelineMetrics(metrics_config())

    def value(self, name: str, **labels: str) -> float | None:
        registry: CollectorRegistry = self.metrics.registry
        return registry.get_sample_value(f"penstock_{name}", {"pipeline": "wine", **labels})


def test_metrics_of_batches_with_a_candidate() -> None:
    shown = Shown()
    pair = {"model": "wine-quality", "mode": "canary", "champion": "1", "candidate": "8"}
    assert shown.value("shadow_failed_total") == 0
    for _ in range(2):
        shown.metrics.on_record(
            batch_record(
                ONE,
                candidate="8",
                mode="canary",
                fraction=0.25,
                shadow=ShadowCount(rows=10, failed=3),
                model_seconds={"champion": 1.5, "candidate": 0.25},
            )
        )
    assert shown.value("experiment_info", **pair) == 1
    assert shown.value("experiment_fraction") == 0.25
    assert shown.value("shadow_failed_total") == 6
    assert shown.value("model_seconds_total", role="candidate") == 0.5
    shown.metrics.on_record(batch_record(ONE, refused_candidates={"8": "guardrail: slow"}))
    assert shown.value("experiment_info", **pair) is None
    assert shown.value("experiment_fraction") is None
    assert shown.value("candidate_refused_info", model="wine-quality", version="8") == 1
    assert shown.value("shadow_failed_total") == 6


def test_metrics_of_a_standing() -> None:
    shown = Shown()
    shown.metrics.on_experiment(experiment_status())
    assert shown.value("experiment_units") == 41
    bounds = {bound: shown.value("experiment_loss_ratio", bound=bound) for bound in ("estimate", "lower", "upper")}
    assert bounds == {"estimate": 0.9, "lower": 0.85, "upper": 0.95}
    assert shown.value("decisions_proposed") == 1
    assert shown.value("decision_unfinished_timestamp_seconds") == LOOKED.timestamp()
    shown.metrics.on_experiment(None)
    assert shown.value("experiment_units") is None
    assert shown.value("experiment_loss_ratio", bound="lower") is None
    assert shown.value("decisions_proposed") == 0
    assert shown.value("decision_unfinished_timestamp_seconds") is None


def test_decisions_count_from_the_start_of_the_process(tables: WrittenTables) -> None:
    metrics = PipelineMetrics(tables.config)

    def done(kind: str) -> float | None:
        labels = {"pipeline": tables.config.pipeline, "kind": kind, "outcome": "done"}
        return metrics.registry.get_sample_value("penstock_decisions_total", labels)

    watch = ExperimentWatch(config=tables.config, storage=STORAGE, metrics=metrics, every_seconds=60)
    decide(tables, 0, "propose", proposes="promote")
    watch.look()
    assert done("propose") == 0
    decide(tables, 1, "promote", proposal=0)
    watch.look()
    watch.look()
    assert (done("propose"), done("promote"), done("reject")) == (0, 1, 0)

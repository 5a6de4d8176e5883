"""Metrics of evaluations: records and rows made by hand, of the stream and of others, counted by hand."""

import time
from datetime import timedelta
from pathlib import Path

import pytest
from batch_records import STARTED, evaluation_record
from dashboard_tables import MACRO_CONF, WINE_CONF, WrittenTables, batch, evaluated, minutes, quarter
from prometheus_client import CollectorRegistry

from penstock.errors import LedgerError
from penstock.operations.monitoring.evaluation_means import evaluation_means
from penstock.operations.monitoring.evaluation_watch import EvaluationWatch
from penstock.operations.monitoring.metrics import PipelineMetrics
from penstock.operations.monitoring.status import read_status
from penstock.pipeline.evaluation.record import EvaluationLook, EvaluationRecord, evaluation_folder
from penstock.pipeline.evaluation.records import finished_numbers, last_record
from penstock.storage.files import LocalStorage

#: Noon of 1 March 2026, Unix time.
NOON = 20_513 * 86_400 + 12 * 3600


class Run:
    """A pipeline's evaluations and the metrics of a process that began before the first one."""

    def __init__(self, root: Path, template: str = MACRO_CONF) -> None:
        self.tables = WrittenTables(root, template)
        (root / "inbox").mkdir()
        self.config, self.storage = self.tables.config, LocalStorage()
        self.metrics = PipelineMetrics(self.config)
        self.watch = EvaluationWatch(config=self.config, storage=self.storage, metrics=self.metrics, every_seconds=60)

    @property
    def folder(self) -> Path:
        return Path(evaluation_folder(self.config.tables.root))

    def finish(self, record: EvaluationRecord, *rows: dict[str, object]) -> None:
        if rows:
            self.tables.append("evaluations", *[{**row, "batch_id": record.number} for row in rows])
        self.folder.mkdir(parents=True, exist_ok=True)
        for ending in ("json", "done"):
            (self.folder / f"{record.number}.{ending}").write_text(record.model_dump_json())

    def value(self, name: str, **labels: str) -> float | None:
        registry: CollectorRegistry = self.metrics.registry
        return registry.get_sample_value(f"penstock_{name}", {"pipeline": self.config.pipeline, **labels})


@pytest.fixture
def macro(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_what_was_evaluated_before_the_start_is_shown_and_not_counted(macro: Run) -> None:
    assert macro.value("evaluated_pairs_total") == 0
    for name in ("last_evaluation_timestamp_seconds", "interval_coverage", "rows_unlabelled"):
        assert macro.value(name) is None
    macro.finish(evaluation_record(0, pairs=7))
    macro.finish(evaluation_record(1))
    macro.watch.look()
    assert macro.value("last_evaluation_timestamp_seconds") == NOON + 3600
    assert macro.value("interval_coverage") == 36 / 40
    assert macro.value("evaluated_pairs_total") == 0
    macro.watch.look()
    macro.finish(evaluation_record(2, unmatched=5))
    # Forecasts without bounds are in no interval, and outside of none.
    macro.finish(evaluation_record(3, pairs=49, within=20))
    macro.watch.look()
    assert (macro.value("evaluated_pairs_total"), macro.value("labels_unmatched_total")) == (97, 5)
    assert macro.value("interval_coverage") == 20 / 40


def test_an_evaluation_of_the_stream_itself_counts_once(macro: Run) -> None:
    macro.watch.look()
    macro.watch.on_evaluation(evaluation_record(0))
    assert macro.value("evaluated_pairs_total") == 48
    macro.finish(evaluation_record(0))
    macro.watch.look()
    macro.watch.on_evaluation(evaluation_record(0))
    assert macro.value("evaluated_pairs_total") == 48
    macro.finish(evaluation_record(1, scored=0, within=0, failed=0))
    macro.watch.look()
    assert macro.value("interval_coverage") is None
    assert macro.value("last_evaluation_timestamp_seconds") == NOON + 3600


def test_rows_have_unlabelled_ones_and_no_coverage(tmp_path: Path) -> None:
    wine = Run(tmp_path, WINE_CONF)
    wine.metrics.on_evaluation(evaluation_record(0, unlabelled=12, within=0))
    assert (wine.value("rows_unlabelled"), wine.value("interval_coverage")) == (12, None)
    wine.metrics.on_evaluation(evaluation_record(1))
    assert wine.value("rows_unlabelled") is None


def test_a_look_that_finds_nothing_says_what_waits(tmp_path: Path) -> None:
    """The record of an evaluation before the look is seen after it, and does not undo it."""
    wine = Run(tmp_path, WINE_CONF)
    assert wine.value("last_evaluation_look_timestamp_seconds") is None
    wine.metrics.on_evaluation(evaluation_record(0, unlabelled=12))
    assert wine.value("last_evaluation_look_timestamp_seconds") == NOON
    wine.metrics.on_evaluation_look(EvaluationLook(looked_at=STARTED + timedelta(hours=2), unlabelled=40))
    wine.metrics.on_evaluation(evaluation_record(1, unlabelled=13))
    assert wine.value("last_evaluation_look_timestamp_seconds") == NOON + 2 * 3600
    assert wine.value("rows_unlabelled") == 40
    assert wine.value("last_evaluation_timestamp_seconds") == NOON + 3600
    wine.metrics.on_evaluation(evaluation_record(3, unlabelled=5))
    assert wine.value("last_evaluation_look_timestamp_seconds") == NOON + 3 * 3600
    assert wine.value("rows_unlabelled") == 5


def test_before_the_first_look_of_a_stream_its_start_counts(tmp_path: Path) -> None:
    begun = time.time()
    wine = Run(tmp_path, WINE_CONF + "evaluate: {{}}")
    found = wine.value("last_evaluation_look_timestamp_seconds")
    assert found is not None
    assert begun - 1 <= found <= time.time()
    wine.metrics.on_evaluation(evaluation_record(0))  # of an earlier process
    assert wine.value("last_evaluation_look_timestamp_seconds") == NOON


def test_the_means_are_those_of_the_last_evaluation_by_version(macro: Run) -> None:
    """Version 2: losses of 5 + 15 over 20 pairs; realgdp 30 of 40, realcons 60 of 40: 1.125 of naive. Step 2 does not
    decide, and revised data is not what was known."""
    macro.finish(evaluation_record(0), evaluated("1", unit=quarter(0)))
    macro.watch.look()
    assert macro.value("evaluation_loss", version="1") == 0.5
    assert macro.value("evaluation_naive_ratio", version="1") == 0.75
    macro.finish(
        evaluation_record(1),
        evaluated("2", unit=quarter(1)),
        evaluated("2", unit=quarter(1), variable="realcons", champion_loss=15.0, champion_abs=60.0),
        evaluated("2", unit=quarter(1), step=2, champion_loss=1e9),
        evaluated("2", unit=quarter(1), is_final=True, champion_loss=1e9),
        evaluated("3", unit=quarter(1), naive_abs=None, champion_loss=None, scored_pairs=0),
    )
    macro.watch.look()
    assert macro.value("evaluation_loss", version="2") == 1.0
    assert macro.value("evaluation_naive_ratio", version="2") == pytest.approx((30 / 40 + 60 / 40) / 2)
    assert macro.value("evaluation_loss", version="1") is None
    assert macro.value("evaluation_loss", version="3") is None
    assert evaluation_means(macro.config, 7) == {}


def test_the_thread_looks_until_the_job_ends(macro: Run) -> None:
    macro.finish(evaluation_record(0))
    macro.watch.every_seconds = 0.01
    with macro.watch:
        assert macro.watch._thread is not None
        while macro.value("last_evaluation_timestamp_seconds") is None:
            assert macro.watch._thread.is_alive()
    assert not macro.watch._thread.is_alive()


def test_the_status_has_the_last_record(macro: Run) -> None:
    assert read_status(macro.config).last_evaluation is None
    for number in (9, 10):
        macro.finish(evaluation_record(number))
    (macro.folder / "11.json").write_text("{}")
    assert finished_numbers(macro.storage, macro.config.tables.root) == [9, 10]
    macro.tables.append("batches", batch(0, at=minutes(0), seconds=1))
    found = read_status(macro.config).last_evaluation
    assert found is not None
    assert (found.number, found.evaluated_at) == (10, STARTED + timedelta(hours=10))


def test_a_damaged_record_says_what_to_do(macro: Run, caplog: pytest.LogCaptureFixture) -> None:
    macro.finish(evaluation_record(4))
    (macro.folder / "4.done").write_text('{"number": 4}')
    with pytest.raises(LedgerError, match=r"4\.done is not the record of an evaluation: evaluated_at: .*; remove the"):
        last_record(macro.storage, macro.config.tables.root)
    macro.watch.every_seconds = 60
    with macro.watch:
        while "the last evaluation is not known" not in caplog.text:
            assert macro.watch._thread is not None
            assert macro.watch._thread.is_alive()


def test_a_final_evaluation_takes_nothing_new(macro: Run) -> None:
    """Before the start and after it; neither shown nor counted, and the status shows the one before it."""
    macro.finish(evaluation_record(0), evaluated("1", unit=quarter(0)))
    macro.finish(evaluation_record(1, is_final=True, within=1), evaluated("1", unit=quarter(0), is_final=True))
    macro.watch.look()
    macro.finish(evaluation_record(2, is_final=True, within=1))
    macro.watch.look()
    assert macro.value("last_evaluation_timestamp_seconds") == NOON
    assert macro.value("interval_coverage") == 36 / 40
    assert macro.value("evaluated_pairs_total") == 0
    assert macro.value("evaluation_loss", version="1") == 0.5
    last = read_status(macro.config).last_evaluation
    assert last is not None
    assert last.number == 0

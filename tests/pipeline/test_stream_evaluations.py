"""When the stream evaluates, and that no failure of it ends the stream."""

import logging
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from batch_records import CONFIG

from penstock.config.pipeline import PipelineConfig
from penstock.pipeline.evaluation.evaluator import Evaluator
from penstock.pipeline.evaluation.in_stream import StreamEvaluations
from penstock.pipeline.stream import StopRequested, StreamRunner
from penstock.storage.files import LocalStorage


def evaluations(**sections: Any) -> StreamEvaluations:
    config = PipelineConfig.model_validate(CONFIG | sections)
    pipeline = SimpleNamespace(spark=None, config=config, storage=LocalStorage())
    return StreamEvaluations(pipeline=cast(Any, pipeline))


@pytest.mark.parametrize("sections", [{}, {"evaluate": {"every": None}}])
def test_without_the_section_nothing_is_read(sections: dict[str, Any]) -> None:
    one = evaluations(**sections)
    assert not one.is_due
    one.evaluate()


@pytest.mark.parametrize(("every", "again"), [("1 hour", 300), ("2 minutes", 120)])
def test_a_failure_is_a_warning_and_is_tried_again(caplog: pytest.LogCaptureFixture, every: str, again: int) -> None:
    """The pipeline of rows has no section labels."""
    one = evaluations(evaluate={"every": every})
    assert one.is_due
    with caplog.at_level(logging.WARNING):
        one.evaluate()
    [message] = caplog.messages
    assert "no evaluation: wine has no section `labels`" in message
    assert f"waits for the next one, in {again} s at the soonest" in message
    assert not one.is_due
    assert one._due_at == pytest.approx(time.monotonic() + again, abs=5)


def test_an_error_that_nobody_expected_does_not_end_the_stream(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is logged with its traceback."""

    def fail(*_: object) -> None:
        raise OverflowError

    monkeypatch.setattr(Evaluator, "of", fail)
    with caplog.at_level(logging.WARNING):
        evaluations(evaluate={}).evaluate()
    [record] = caplog.records
    assert record.getMessage().startswith("no evaluation: OverflowError; what has come true waits")
    assert record.exc_info is not None


def test_no_evaluation_and_no_batch_begins_after_a_stop() -> None:
    """A stop is asked for while a batch runs, or while it waits for an evaluation."""
    begun: list[str] = []
    one = evaluations(evaluate={})
    runner = StreamRunner(pipeline=one.pipeline, stop_file=cast(Any, None))
    runner._evaluations = cast(Any, SimpleNamespace(is_due=True, evaluate=lambda: begun.append("evaluation")))
    runner._evaluate_if_due()
    assert begun == ["evaluation"]

    def run_and_stop(batch_id: int) -> None:
        begun.append(f"batch {batch_id}")
        runner._stop.set()

    runner._run_batch = run_and_stop  # type: ignore[method-assign]
    runner._on_batch(cast(Any, None), 7)
    runner._evaluate_if_due()
    assert begun == ["evaluation", "batch 7"]

    runner._stop.clear()
    runner._session = cast(Any, StopsMeanwhile(runner))
    with pytest.raises(StopRequested):
        runner._on_batch(cast(Any, None), 8)
    assert begun == ["evaluation", "batch 7"]


class StopsMeanwhile:
    """A lock that another holds until a stop is asked for."""

    def __init__(self, runner: StreamRunner) -> None:
        self.runner = runner

    def __enter__(self) -> None:
        self.runner._stop.set()

    def __exit__(self, *_: object) -> None:
        pass

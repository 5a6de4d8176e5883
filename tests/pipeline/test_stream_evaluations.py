"""When the stream evaluates, and that no failure of it ends the stream."""

import logging
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from batch_records import CONFIG

from penstock.config.pipeline import PipelineConfig
from penstock.pipeline.evaluation.in_stream import StreamEvaluations
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

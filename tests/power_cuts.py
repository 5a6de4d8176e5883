"""The power goes in the middle of a micro-batch that runs in this process."""

import importlib
from typing import Any

import pytest
from sandbox import Sandbox

from penstock.spark.tables import PreparedAppend


class PowerCutError(Exception):
    """What the tests raise in the middle of a batch."""


def cut_off(*arguments: Any, **options: Any) -> None:
    raise PowerCutError


def run_cut_off(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, *, before: str, batch: int | None = None) -> None:
    """Run, and let the power go just before a step of the micro-batch, or before the commit of what is prepared for a
    table. batch: not in those before it, so that one that was cut off is finished first."""
    commit = PreparedAppend.commit

    def is_near() -> bool:
        return batch is None or (sandbox.root / "checkpoint" / "offsets" / str(batch)).exists()

    def commit_others(append: PreparedAppend) -> None:
        cut_off() if append.path.endswith(f"/{before}") and is_near() else commit(append)

    with monkeypatch.context() as patch:
        patch.setattr(PreparedAppend, "commit", commit_others)
        if "." in before:
            module, _, name = f"penstock.{before}".rpartition(".")
            work = getattr(importlib.import_module(module), name)

            def work_or_cut(*arguments: Any, **options: Any) -> Any:
                return cut_off() if is_near() else work(*arguments, **options)

            patch.setattr(f"{module}.{name}", work_or_cut)
        with pytest.raises(PowerCutError):
            sandbox.run()


def cut_after(monkeypatch: pytest.MonkeyPatch, target: str, *, times: int = 1) -> None:
    """Let the function `target` do its work so many times, and raise then."""
    module, _, name = target.rpartition(".")
    original = getattr(importlib.import_module(module), name)
    done: list[None] = []

    def work_then_cut(*arguments: object, **options: object) -> None:
        original(*arguments, **options)
        done.append(None)
        if len(done) == times:
            raise PowerCutError

    monkeypatch.setattr(target, work_then_cut)


def replay_cut_off(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, *, before: str, aborts: bool = False) -> None:
    """Replay, and let the power go just before a step, or before the commit of what is prepared for a table."""
    commit = PreparedAppend.commit

    def commit_others(append: PreparedAppend) -> None:
        cut_off() if append.path.endswith(f"/{before}") else commit(append)

    with monkeypatch.context() as patch:
        patch.setattr(PreparedAppend, "commit", commit_others)
        if "." in before:
            patch.setattr(f"penstock.{before}", cut_off)
        with pytest.raises(PowerCutError):
            sandbox.replay(aborts=aborts)

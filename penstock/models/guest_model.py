"""Versions in the process of a service whose code may never return. A candidate's load and calls have a time limit, and
what it changes in the process is undone after each, so that the champion still answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from weakref import finalize

import pandas as pd

from penstock.config.model import ModelConfig
from penstock.errors import ModelRefusedError
from penstock.models.in_process import InProcessModel, open_guarded
from penstock.models.refusal import one_line
from penstock.models.resolved import ResolvedModel
from penstock.udfs.scoring.model_cache import GuardedModel, ModelLoadError, load_model
from penstock.udfs.scoring.model_code import abandon, held_by, put_aside
from penstock.udfs.scoring.process_state import OwnState
from penstock.udfs.scoring.time_limited import LimitedThread, TimeLimitError, WorkFailedError

#: How long a candidate may take to be opened. A champion that brings modules along waits for it.
MAX_CANDIDATE_OPEN_SECONDS = 60.0
#: How long any other version may.
MAX_OPEN_SECONDS = 300.0
#: How long a candidate may take for the rows of a request, from when its turn has come.
MAX_ANSWER_SECONDS = 10.0
Result = TypeVar("Result")


class TookTooLongError(Exception):
    """A call that continues in its thread, and whose result nobody will have."""


class Guest:
    """Where the code of one candidate runs. generation: how many of its calls have taken too long."""

    def __init__(self, name: str, folder: str) -> None:
        self.name, self.folder = name, folder
        self.generation = 0
        self._state = OwnState()
        self._thread = self._new_thread()
        self._is_left = False

    def call(self, work: Callable[[], Result], *, limit_seconds: float) -> Result:
        """What `work` returns; one at a time. The time counts from when no other version is being opened.

        Raises TookTooLongError, also as long as a call that did has not come back, and WorkFailedError.
        """
        if self._is_left:
            if self._thread.thread.is_alive():
                raise TookTooLongError("a call that took too long has not come back yet")
            self._thread, self._is_left = self._new_thread(), False
        found: list[Result] = []
        thread = self._thread.thread
        try:
            with held_by(thread), self._state.restored():
                self._thread.call(lambda: found.append(work()), limit_seconds=limit_seconds)
        except TimeLimitError:
            abandon(thread)
            self._is_left = True
            self.generation += 1
            raise TookTooLongError(f"no result within {limit_seconds:g} s") from None
        finally:
            put_aside(self.folder)
        return found[0]

    def _new_thread(self) -> LimitedThread[None]:
        made: LimitedThread[None] = LimitedThread(self.name)
        finalize(self, made.close)
        return made


@dataclass(frozen=True, kw_only=True)
class GuestModel(InProcessModel):
    """A candidate. `score` raises TookTooLongError, and RuntimeError for what passes the guard."""

    guest: Guest
    limit_seconds: float = MAX_ANSWER_SECONDS

    def score(self, arguments: Sequence[Sequence[object]]) -> pd.DataFrame:
        rows, generation = self.frame(arguments), self.guest.generation
        with self._alone:
            if self.guest.generation != generation:
                raise TookTooLongError("a request before it took too long")
            try:
                return self.guest.call(partial(self.answers, rows), limit_seconds=self.limit_seconds)
            except WorkFailedError as failure:
                raise RuntimeError(one_line(failure.__cause__ or failure)) from failure.__cause__


def open_guest(
    found: ResolvedModel, model: ModelConfig, *, limit_seconds: float = MAX_CANDIDATE_OPEN_SECONDS
) -> GuestModel:
    """A model of its own, even if the same version is open elsewhere. Raises ModelRefusedError."""
    uri, folder = found.version.uri, str(found.folder)
    guest = Guest(f"candidate {uri}", folder)

    def opened() -> GuardedModel:
        return load_model(folder, allow_pickle=model.allow_pickle)

    try:
        return GuestModel(guest.call(opened, limit_seconds=limit_seconds), guest=guest)
    except TookTooLongError as error:
        raise ModelRefusedError(f"{uri} can't be loaded: {error}") from None
    except WorkFailedError as failure:
        cause = failure.__cause__
        why = str(cause) if isinstance(cause, ModelLoadError) else one_line(cause or failure)
        raise ModelRefusedError(f"{uri} can't be loaded: {why}") from cause


def open_in_time(
    found: ResolvedModel, model: ModelConfig, *, limit_seconds: float = MAX_OPEN_SECONDS
) -> InProcessModel:
    """As `open_guarded`, within a time limit, and without one for its calls. Raises ModelRefusedError."""
    thread: LimitedThread[InProcessModel] = LimitedThread(f"load of {found.version.uri}")
    try:
        return thread.call(partial(open_guarded, found, model), limit_seconds=limit_seconds)
    except TimeLimitError:
        abandon(thread.thread)
        raise ModelRefusedError(f"{found.version.uri} can't be loaded: no result within {limit_seconds:g} s") from None
    except WorkFailedError as failure:
        raise failure.__cause__ or failure from None
    finally:
        thread.close()

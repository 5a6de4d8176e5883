"""Scores rows by two versions: by the champion as the plain guard does, then some of them by a candidate, which can't
change what the champion says of these rows or of later ones."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from mlflow.types import DataType

from penstock.udfs.scoring.guarded import NULL_TEXT, NUMPY_TYPES, SHOWN_CHARACTERS, describe, score_rows
from penstock.udfs.scoring.model_cache import GuardedModel, ModelLoadError, load_model
from penstock.udfs.scoring.model_code import abandon, put_aside
from penstock.udfs.scoring.outputs import ERROR
from penstock.udfs.scoring.process_state import OwnState
from penstock.udfs.scoring.time_limited import LimitedThread, TimeLimitError, WorkFailedError

#: Columns of the pair's answers: the outputs of each version by their number; both errors in one text, since a text
#: costs more than all numbers of a row; and in the first row of an Arrow batch, seconds (0 in the others).
CHAMPION, CANDIDATE = "champion", "candidate"
ERRORS = "errors"
#: Between champion's and candidate's error, where one of them is not empty. No error has it: it is white space, and
#: theirs is a single space.
ERRORS_SEPARATOR = "\x1f"
#: Candidates whose state a worker keeps: the one in use, and the one before it.
KEPT = 2


def output_name(version: str, number: int) -> str:
    """version: CHAMPION or CANDIDATE."""
    return f"{version}_{number}"


def seconds_name(version: str) -> str:
    return f"{version}_seconds"


@dataclass(frozen=True, kw_only=True)
class CandidateLimits:
    """How long a candidate may take. load_seconds: to be loaded. factor: for the rows of an Arrow batch, times the
    champion's seconds for it, but at least least_seconds. grace_seconds: see LimitedThread.call."""

    load_seconds: float = 300.0
    least_seconds: float = 30.0
    factor: float = 10.0
    grace_seconds: float = 30.0

    def of_batch(self, champion_seconds: float) -> float:
        return max(self.least_seconds, self.factor * champion_seconds)


@dataclass(frozen=True, kw_only=True)
class PairSettings:
    """Of the guard, in its MLflow model_config. champion_inputs, candidate_inputs: the positions of each version's
    inputs among the arguments, of which the last one says whether the row is sampled. candidate_outputs: their types,
    which a candidate that can't be loaded does not tell. candidate: its name and version, for messages."""

    champion_inputs: tuple[int, ...]
    candidate_inputs: tuple[int, ...]
    candidate_outputs: tuple[str, ...]
    candidate: str
    allow_pickle: bool
    obsolete: tuple[str, ...] = ()
    limits: CandidateLimits = CandidateLimits()

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "PairSettings":
        """config: as `as_config` gives it, read from YAML."""
        lists = {name: tuple(value) for name, value in config.items() if isinstance(value, list | tuple)}
        return cls(**{**config, **lists, "limits": CandidateLimits(**config["limits"])})

    def as_config(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


@dataclass(frozen=True, kw_only=True)
class Answers:
    """outputs: a column each, of placeholders where `errors` is not empty. seconds: without loading, but for a load
    that failed."""

    outputs: list[np.ndarray[Any, Any]]
    errors: np.ndarray[Any, Any]
    seconds: float


class Candidate:
    """A candidate in this process. What goes wrong with it is the error of its rows."""

    def __init__(self, path: str, settings: PairSettings) -> None:
        self.path, self.settings = path, settings
        self._thread: LimitedThread[Any] = LimitedThread(f"candidate {settings.candidate}")
        self._model: GuardedModel | None = None
        self._state = OwnState()
        #: Why it is not asked any more.
        self._problem = ""

    def answer(self, columns: Sequence[pd.Series], *, champion_seconds: float) -> Answers:
        """columns: the values of its inputs, at least one, its own to change."""
        if self._problem:
            return self._failed(columns, self._problem, time.perf_counter())
        try:
            with self._state.restored():
                return self._answer(columns, champion_seconds)
        finally:
            put_aside(self.path)

    def close(self) -> None:
        self._thread.close()

    def _answer(self, columns: Sequence[pd.Series], champion_seconds: float) -> Answers:
        began = time.perf_counter()
        model = self._loaded()
        if model is None:
            return self._failed(columns, self._problem, began)
        started = time.perf_counter()
        limit_seconds = self.settings.limits.of_batch(champion_seconds)
        try:
            outputs, errors = self._limited(lambda: clean_answers(model, columns), limit_seconds)
            return Answers(outputs=outputs, errors=errors, seconds=time.perf_counter() - started)
        except TimeLimitError:
            self._abandon("answer", limit_seconds)
        except WorkFailedError as failure:
            return self._failed(columns, described(failure), started)
        return self._failed(columns, self._problem, started)

    def _loaded(self) -> GuardedModel | None:
        """None where it can't be loaded, which is not tried again."""
        if self._model is not None:
            return self._model
        path, allow_pickle, limit_seconds = self.path, self.settings.allow_pickle, self.settings.limits.load_seconds
        try:
            self._model = self._limited(lambda: load_model(path, allow_pickle=allow_pickle), limit_seconds)
        except TimeLimitError:
            self._abandon("load", limit_seconds)
        except WorkFailedError as failure:
            self._problem = described(failure)
        return self._model

    def _limited(self, work: Callable[[], Any], limit_seconds: float) -> Any:
        grace_seconds = self.settings.limits.grace_seconds
        return self._thread.call(work, limit_seconds=limit_seconds, grace_seconds=grace_seconds)

    def _abandon(self, step: str, limit_seconds: float) -> None:
        # Whatever it holds, the champion must not wait for it.
        abandon(self._thread.thread)
        self._problem = (
            f"the candidate {self.settings.candidate} did not {step} within {limit_seconds:g} s, and is not asked "
            "again by this Python worker"
        )

    def _failed(self, columns: Sequence[pd.Series], error: str, started: float) -> Answers:
        count = len(columns[0])
        return Answers(
            outputs=[zeros(name, count) for name in self.settings.candidate_outputs],
            errors=np.full(count, error, dtype=object),
            seconds=time.perf_counter() - started,
        )


#: By folder; a worker runs one task at a time.
_candidates: OrderedDict[str, Candidate] = OrderedDict()


def candidate_of(path: str, settings: PairSettings) -> Candidate:
    """The candidate in a folder, with what this process knows of it."""
    found = _candidates.pop(path, None) or Candidate(path, settings)
    _candidates[path] = found
    while len(_candidates) > KEPT:
        _candidates.popitem(last=False)[1].close()
    return found


def score_pair(
    arguments: pd.DataFrame, *, champion: GuardedModel, candidate: Candidate, settings: PairSettings
) -> pd.DataFrame:
    """A row of both versions' outputs, ERRORS and seconds for each row of arguments; the candidate's are placeholders
    where the row is not sampled."""
    columns = [arguments.iloc[:, number] for number in range(arguments.shape[1])]
    count = len(arguments)
    own = [columns[position] for position in settings.champion_inputs]
    started = time.perf_counter()
    scored = score_rows(champion.predict, frame_of(champion, own), inputs=champion.inputs, outputs=champion.outputs)
    champion_seconds = time.perf_counter() - started
    results: dict[str, Any] = {
        output_name(CHAMPION, number): scored[column.name].to_numpy() for number, column in enumerate(champion.outputs)
    }
    errors = scored[ERROR].to_numpy(dtype=object)
    results |= {
        output_name(CANDIDATE, number): zeros(name, count) for number, name in enumerate(settings.candidate_outputs)
    }
    sampled = np.flatnonzero(columns[-1].to_numpy(dtype=bool))
    candidate_seconds = 0.0
    if len(sampled):
        # take copies: whatever the candidate does to its inputs, it does to these.
        theirs = [columns[position].take(sampled).reset_index(drop=True) for position in settings.candidate_inputs]
        answers = candidate.answer(theirs, champion_seconds=champion_seconds)
        candidate_seconds = answers.seconds
        for number, values in enumerate(answers.outputs):
            results[output_name(CANDIDATE, number)][sampled] = values
        errors = with_candidate_errors(errors, answers.errors, sampled)
    results[ERRORS] = errors
    results[seconds_name(CHAMPION)] = in_first_row(champion_seconds, count)
    results[seconds_name(CANDIDATE)] = in_first_row(candidate_seconds, count)
    return pd.DataFrame(results)


def frame_of(model: GuardedModel, columns: Sequence[pd.Series]) -> pd.DataFrame:
    """As spark_udf makes it for the plain guard: in the same blocks of memory, so that sums over columns have the same
    last digit."""
    names = [column.name for column in model.inputs]
    return pd.DataFrame(dict(zip(names, columns, strict=True)), columns=names)


def with_candidate_errors(
    errors: np.ndarray[Any, Any], candidate_errors: np.ndarray[Any, Any], sampled: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """Both in one text where one of them is not empty."""
    theirs = np.full(len(errors), "", dtype=object)
    theirs[sampled] = candidate_errors
    is_failed = (errors != "") | (theirs != "")
    both = errors.copy()
    both[is_failed] = errors[is_failed] + ERRORS_SEPARATOR + theirs[is_failed]
    return both


def in_first_row(value: float, count: int) -> np.ndarray[Any, Any]:
    values = np.zeros(count)
    values[:1] = value
    return values


def zeros(type_name: str, count: int) -> np.ndarray[Any, Any]:
    """Values that nobody reads. Not NaN: MLflow looks for the first value that is something else, one by one."""
    kind = DataType[type_name]
    return np.full(count, NULL_TEXT, dtype=object) if kind == DataType.string else np.zeros(count, NUMPY_TYPES[kind])


def clean_answers(
    model: GuardedModel, columns: Sequence[pd.Series]
) -> tuple[list[np.ndarray[Any, Any]], np.ndarray[Any, Any]]:
    """The outputs' values and the errors, in what Arrow can convert: it fails for all rows together, the champion's
    answers among them."""
    scored = score_rows(model.predict, frame_of(model, columns), inputs=model.inputs, outputs=model.outputs)
    errors = scored[ERROR].to_numpy(dtype=object)
    is_failed = errors != ""
    outputs = [scored[column.name].to_numpy(copy=True) for column in model.outputs]
    for column, values in zip(model.outputs, outputs, strict=True):
        if column.type == DataType.string:
            values[:] = [as_text(value) for value in values]
        else:
            values[is_failed] = 0
    return outputs, errors


def as_text(value: Any) -> str:
    """A text that is valid in UTF-8."""
    return str(value).encode("utf-8", "replace").decode("utf-8")


def described(failure: WorkFailedError) -> str:
    cause = failure.__cause__ or failure
    # It has said it in one line already.
    text = str(cause) if isinstance(cause, ModelLoadError) else describe(cause, 1)
    return " ".join(as_text(text).split())[:SHOWN_CHARACTERS] or "the candidate failed without a message"

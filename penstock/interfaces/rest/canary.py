"""Answers of two versions to one request: the candidate's to the rows of its keys, the champion's to all others."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from penstock.interfaces.rest.key_buckets import KeyBuckets
from penstock.interfaces.rest.request_rows import Row
from penstock.interfaces.rest.row_predictor import Predictor
from penstock.interfaces.rest.row_results import RowResult
from penstock.interfaces.rest.time_limit import TookTooLongError, within
from penstock.models.registry import ModelVersion

#: How long a request waits for the candidate before the champion answers in its place.
MAX_CANDIDATE_SECONDS = 10.0
#: How long no request asks a candidate that took longer, or that ended its thread.
REST_SECONDS = 300.0
log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Candidate:
    """A loaded version that may fail: whatever it does, the champion's answers are had.

    failed: how many rows the champion answered in its place.
    """

    version: ModelVersion
    predictor: Predictor
    max_seconds: float = MAX_CANDIDATE_SECONDS
    clock: Callable[[], float] = time.monotonic
    answered: int = 0
    failed: int = 0
    problem: str = ""
    _rests_until: float = float("-inf")
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def predict(self, rows: Sequence[Row]) -> list[RowResult] | None:
        """None where it has no answer to any of them."""
        if not rows or self.clock() < self._rests_until:
            return None
        try:
            results = within(self.max_seconds, lambda: self.predictor.predict(rows))
        except TookTooLongError as error:
            self.rest(str(error))
        except Exception as error:  # noqa: BLE001 - foreign code, and the champion answers
            self.rest(f"{type(error).__name__}: {error}")
        else:
            self.problem = ""
            return results
        return None

    def count(self, *, answered: int, failed: int) -> None:
        with self._counting:
            self.answered += answered
            self.failed += failed

    def rest(self, why: str) -> None:
        self.problem = f"{self.version.uri}: {why}; the champion answers alone for {REST_SECONDS:.0f} s"
        self._rests_until = self.clock() + REST_SECONDS
        log.warning("%s", self.problem)


@dataclass(frozen=True, kw_only=True)
class Canary:
    """limit: the rows of lower buckets are the candidate's. whole_keys: whether an answer depends on the other rows of
    its key, as a forecast does on the observations before it."""

    champion: ModelVersion
    candidate: Candidate
    buckets: KeyBuckets
    salt: str
    limit: int
    whole_keys: bool

    def predict(self, rows: Sequence[Row], champion: Predictor) -> list[RowResult]:
        """In the order of the rows, each with the role and version that answered."""
        buckets = self.buckets(rows, salt=self.salt)
        sampled = [number for number, bucket in enumerate(buckets) if bucket < self.limit]
        found = self.of_candidate(rows, sampled)
        open_keys = {buckets[number] for number, result in found.items() if lacks_answer(result)}
        asked = [
            number
            for number, bucket in enumerate(buckets)
            if number not in found or lacks_answer(found[number]) or (self.whole_keys and bucket in open_keys)
        ]
        answers = champion.predict([rows[number] for number in asked]) if asked else []
        others = dict(zip(asked, answers, strict=True))
        results = [self.standing(found.get(number), others.get(number)) for number in range(len(rows))]
        self.count([results[number] for number in sampled])
        return results

    def count(self, sampled: Sequence[RowResult]) -> None:
        """Rows of the candidate's keys, but for those that neither version has an answer for."""
        answered = sum(result.role == "candidate" for result in sampled)
        in_its_place = sum(result.role == "champion" and result.value is not None for result in sampled)
        self.candidate.count(answered=answered, failed=in_its_place)

    def of_candidate(self, rows: Sequence[Row], sampled: Sequence[int]) -> dict[int, RowResult]:
        """By the row's number."""
        results = self.candidate.predict([rows[number] for number in sampled])
        return {} if results is None else dict(zip(sampled, results, strict=True))

    def standing(self, candidate: RowResult | None, champion: RowResult | None) -> RowResult:
        """The answer that stands. champion: None where it was not asked."""
        if candidate is not None and (champion is None or not is_failed(candidate, champion)):
            return with_role(candidate, "candidate", self.candidate.version)
        if champion is None:
            raise ValueError("no version was asked for a row")
        return with_role(champion, "champion", self.champion)


def lacks_answer(result: RowResult) -> bool:
    """Of an accepted row: an error and no value, or nothing, or not all that a model of several outputs has."""
    if result.reasons is not None:
        return False
    return result.value is None or (isinstance(result.value, dict) and None in result.value.values())


def is_failed(candidate: RowResult, champion: RowResult) -> bool:
    """Whether the champion's answer stands: the candidate raised, or gave nothing where the champion gave something or
    has failed."""
    if not lacks_answer(candidate):
        return False
    return (
        candidate.error is not None
        or not lacks_answer(champion)
        or (champion.error is not None and is_nothing(candidate))
    )


def is_nothing(result: RowResult) -> bool:
    value = result.value
    return value is None or (isinstance(value, dict) and all(part is None for part in value.values()))


def with_role(result: RowResult, role: str | None, version: ModelVersion) -> RowResult:
    return result if result.reasons is not None else replace(result, role=role, model_version=version.version)

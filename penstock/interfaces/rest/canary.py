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
from penstock.models.guest_model import TookTooLongError
from penstock.models.lost_answers import gave_less
from penstock.models.registry import ModelVersion

#: How long no request asks a candidate that took too long, or that failed as a whole. Then one does.
REST_SECONDS = 300.0
log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Candidate:
    """A loaded version that may fail: whatever it does, the champion's answers are had.

    predictor: of a model whose calls end within some time. are_numbers: of its outputs. answered, failed: how many rows
    it has answered, and the champion in its place.
    """

    version: ModelVersion
    predictor: Predictor
    are_numbers: tuple[bool, ...] = (True,)
    clock: Callable[[], float] = time.monotonic
    answered: int = 0
    failed: int = 0
    problem: str = ""
    _rests_until: float = float("-inf")
    _counting: threading.Lock = field(default_factory=threading.Lock)
    #: Held by the request that asks it first after a rest.
    _trying: threading.Lock = field(default_factory=threading.Lock)

    def predict(self, rows: Sequence[Row]) -> list[RowResult] | None:
        """None where it has no answer to any of them."""
        if not rows or self.clock() < self._rests_until:
            return None
        if not self.problem:
            return self.asked(rows)
        if not self._trying.acquire(blocking=False):
            return None
        try:
            return self.asked(rows)
        finally:
            self._trying.release()

    def asked(self, rows: Sequence[Row]) -> list[RowResult] | None:
        try:
            results = self.predictor.predict(rows)
        except Exception as error:  # noqa: BLE001 - foreign code, and the champion answers
            self.rest(str(error) if isinstance(error, TookTooLongError) else f"{type(error).__name__}: {error}")
            return None
        self.recover()
        return results

    def count(self, *, answered: int, failed: int) -> None:
        with self._counting:
            self.answered += answered
            self.failed += failed

    def rest(self, why: str) -> None:
        """Nothing while it rests: requests that came before the rest find that out one by one."""
        with self._counting:
            if self.clock() < self._rests_until:
                return
            self._rests_until = self.clock() + REST_SECONDS
            self.problem = f"{self.version.uri}: {why}; the champion answers alone for {REST_SECONDS:.0f} s"
        log.warning("%s", self.problem)

    def recover(self) -> None:
        """A request that began before a rest does not end it."""
        with self._counting:
            if self.problem and self.clock() >= self._rests_until:
                self.problem = ""


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
        # Those that the candidate may lose, whatever the champion says.
        lost = {number for number, result in found.items() if may_fail(result, self.candidate.are_numbers)}
        open_keys = {buckets[number] for number in lost}
        asked = [
            number
            for number, bucket in enumerate(buckets)
            if number not in found or number in lost or (self.whole_keys and bucket in open_keys)
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
        numbers = self.candidate.are_numbers
        if candidate is not None and (champion is None or not is_failed(candidate, champion, numbers)):
            return with_role(candidate, "candidate", self.candidate.version)
        if champion is None:
            raise ValueError("no version was asked for a row")
        return with_role(champion, "champion", self.champion)


def is_failed(candidate: RowResult, champion: RowResult, are_numbers: Sequence[bool]) -> bool:
    """Whether the champion's answer stands: the candidate raised, or gave less, by the stream's rule. A series has a
    forecast or none."""
    if candidate.reasons is not None:
        return False
    if not candidate.present:
        return candidate.value is None
    has_first = champion.present or (False,) * len(candidate.present)
    # An infinite number is an error in JSON alone.
    has_failed = champion.error is not None and not champion.present
    return gave_less(has_first, [not has for has in candidate.present], has_failed, are_numbers=are_numbers)


def may_fail(candidate: RowResult, are_numbers: Sequence[bool]) -> bool:
    """Whether there is an answer of a champion that would stand in its place."""
    return is_failed(candidate, RowResult(present=(True,) * len(candidate.present)), are_numbers)


def with_role(result: RowResult, role: str | None, version: ModelVersion) -> RowResult:
    return result if result.reasons is not None else replace(result, role=role, model_version=version.version)

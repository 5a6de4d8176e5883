"""The series that a fit refused, as a model carries them: their ids, each with the number of its reason.

Bounded: MAX_SERIES ids, and MAX_REASONS texts, since a reason may hold numbers of its series and be unlike any other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .kernel import IntArray

MAX_SERIES = 1_000_000
MAX_REASONS = 200
MAX_KINDS = 20
MAX_CHARACTERS = 200
OTHER_REASON = "for a reason of its own, see fit/refused_series.csv of the model's run"


@dataclass(frozen=True)
class RefusedSeries:
    """ids: (n,), all str or all int. codes: (n,), the place of each one's reason in `reasons`. left_out: how many more
    were refused."""

    ids: NDArray[Any]
    codes: IntArray
    reasons: tuple[str, ...]
    left_out: int = 0

    @classmethod
    def of(cls, refused: Sequence[tuple[Any, str]], *, ids_are_strings: bool) -> RefusedSeries:
        """refused: (id, reason); the first MAX_SERIES are kept."""
        kept = refused[:MAX_SERIES]
        texts = shortened([reason for _, reason in kept])
        reasons = tuple(sorted(set(texts)))
        places = {reason: place for place, reason in enumerate(reasons)}
        ids = np.empty(len(kept), dtype=object if ids_are_strings else np.int64)
        ids[:] = [series_id for series_id, _ in kept]
        codes = np.array([places[text] for text in texts], dtype=np.int64)
        return cls(ids=ids, codes=codes, reasons=reasons, left_out=len(refused) - len(kept))


def shortened(reasons: Sequence[str]) -> list[str]:
    """Each reason as it is, if it is among the most frequent ones; else its kind, the text before the colon."""
    texts = [" ".join(reason.split())[:MAX_CHARACTERS] for reason in reasons]
    frequent = {text for text, _ in Counter(texts).most_common(MAX_REASONS)}
    kinds = {kind for kind, _ in Counter(kind_of(text) for text in texts).most_common(MAX_KINDS)}
    return [text if text in frequent else kind_of(text) if kind_of(text) in kinds else OTHER_REASON for text in texts]


def kind_of(reason: str) -> str:
    return reason.partition(":")[0]

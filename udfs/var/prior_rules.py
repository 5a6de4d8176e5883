"""Which settings of a prior are possible, for config and fit. Pure Python: a config waits for no numpy."""

from __future__ import annotations

import math
from typing import Literal, get_args

Prior = Literal["none", "minnesota"]
PRIORS: tuple[str, ...] = get_args(Prior)
MAX_DECAY = 10
"""Beyond it the weights of the lags are too large to square."""


def check_tightness(tightness: float) -> None:
    """Raises ValueError."""
    if not (math.isfinite(tightness) and tightness > 0):
        raise ValueError(f"tightness must be above 0, not {tightness}")


def check_decay(decay: float) -> None:
    """Raises ValueError."""
    if not 0 <= decay <= MAX_DECAY:
        raise ValueError(f"decay must be from 0 to {MAX_DECAY}, not {decay}")


def check_prior(prior: str, *, criterion: str | None, intervals: str, max_lags: int) -> None:
    """Raises ValueError for an unknown one, and for settings that do not go with it."""
    if prior not in PRIORS:
        raise ValueError(f"unknown prior {prior}; use one of {', '.join(PRIORS)}")
    if prior == "none":
        return
    if criterion is not None:
        raise ValueError(
            f"prior {prior} with criterion {criterion}: with a prior the lag order is max_lags, so write "
            "criterion: null"
        )
    if intervals != "plain":
        raise ValueError(f"intervals {intervals} are of least squares, not of a prior: use plain, or prior: none")
    if max_lags < 1:
        raise ValueError("max_lags 0 with a prior, which is of lags: use at least 1")

"""What a model can change for all code of its process: each of two models in one process has its own."""

import os
import random
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas._config import config


@dataclass(frozen=True, kw_only=True)
class ProcessState:
    """Random numbers of Python and numpy, pandas' options, warning filters, environment and working directory.

    (numpy's error state is a thread's own.)
    """

    python_random: tuple[Any, ...]
    numpy_random: Any
    options: Mapping[str, Any]
    filters: tuple[Any, ...]
    environment: Mapping[str, str]
    folder: Path | None

    @classmethod
    def now(cls) -> "ProcessState":
        return cls(
            python_random=random.getstate(),
            numpy_random=np.random.get_state(),
            options=dict(option_values(pandas_options())),
            filters=tuple(warnings.filters),
            environment=dict(os.environ),
            folder=working_directory(),
        )

    def restore(self) -> None:
        random.setstate(self.python_random)
        np.random.set_state(self.numpy_random)
        for name, value in option_values(pandas_options()):
            before = self.options.get(name, value)
            if before is not value and before != value:
                pd.set_option(name, before)
        restore_filters(self.filters)
        restore_environment(self.environment)
        if self.folder is not None and working_directory() != self.folder:
            with suppress(OSError):
                os.chdir(self.folder)


class OwnState:
    """What one model of the process has made of it, which it finds again at its next call, and nobody else."""

    def __init__(self) -> None:
        self._state: ProcessState | None = None

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Around a call of the model; one at a time. What it changes is undone even if it never returns."""
        before = ProcessState.now()
        try:
            if self._state is not None:
                self._state.restore()
            yield
        finally:
            self._state = ProcessState.now()
            before.restore()


def working_directory() -> Path | None:
    try:
        return Path.cwd()
    except OSError:
        return None  # it was removed


def pandas_options() -> Mapping[str, Any]:
    """The tree itself: pandas' own functions search for each of its 70 options, the time of a small batch."""
    options: Mapping[str, Any] = config._global_config  # type: ignore[attr-defined]
    return options


def option_values(options: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """pandas' options with their full names."""
    for name, value in list(options.items()):
        if isinstance(value, dict):
            yield from option_values(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def restore_filters(before: tuple[Any, ...]) -> None:
    if tuple(warnings.filters) != before:
        with warnings.catch_warnings():  # at its end Python looks at the filters again
            pass
        warnings.filters[:] = before  # type: ignore[index]


def restore_environment(before: Mapping[str, str]) -> None:
    for name in set(os.environ) - set(before):
        del os.environ[name]
    for name, value in before.items():
        if os.environ.get(name) != value:
            os.environ[name] = value

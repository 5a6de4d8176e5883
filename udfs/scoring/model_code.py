"""The Python modules that models bring along (MLflow's code_paths), where a process loads one version after another.

MLflow puts a model's folder of code in front of Python's path, and never takes it back: the next version, whose modules
have the same names, would run with those of the version before.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

from penstock.udfs.scoring.abandonable_lock import AbandonableLock
from penstock.udfs.scoring.pickled import withdraw

#: How many models' modules are kept aside; more than are open at a time.
MAX_ASIDE = 8


@dataclass(frozen=True)
class Code:
    """What a model has added to the process: entries of sys.path, and imported modules by name."""

    path: list[str]
    modules: dict[str, ModuleType]


#: A service loads a version while another one answers.
_lock = AbandonableLock()
_active = ""
_aside: dict[str, Code] = {}


@contextmanager
def code_of(folder: str) -> Iterator[None]:
    """Meanwhile, imports find the modules of the model in `folder`, and of no other one. For a load, and for each
    predict of a model that brings modules along, which may import too; one at a time."""
    with held_by():
        activate(folder)
        yield


@contextmanager
def held_by(thread: threading.Thread | None = None) -> Iterator[None]:
    """Meanwhile, that thread alone loads models and calls those that bring modules along. Default: this one."""
    _lock.acquire(thread)
    try:
        yield
    finally:
        _lock.release(thread)


def put_aside(folder: str) -> None:
    """From now on, imports find no modules of the model in `folder`, until it is used again."""
    with held_by():
        if _active == folder:
            activate("")


def abandon(thread: threading.Thread) -> None:
    """For a model that never returns in that thread: the others wait for it no longer."""
    withdraw(thread)
    _lock.abandon(thread)


def activate(folder: str) -> None:
    global _active
    if folder == _active:
        return
    if _active:
        _aside[_active] = taken_out(_active)
    found = _aside.pop(folder, Code([], {}))
    sys.path[:0] = found.path
    sys.modules.update(found.modules)
    while len(_aside) > MAX_ASIDE:
        del _aside[next(iter(_aside))]
    _active = folder


def taken_out(folder: str) -> Code:
    path = [entry for entry in sys.path if is_below(entry, folder)]
    if not path:
        # It has brought none along; to ask each of the process's modules takes as long as many a predict.
        return Code([], {})
    code = Code(
        path=path,
        modules={name: module for name, module in list(sys.modules.items()) if is_from(module, folder)},
    )
    sys.path[:] = [entry for entry in sys.path if not is_below(entry, folder)]
    for name in code.modules:
        del sys.modules[name]
    return code


def is_from(module: ModuleType, folder: str) -> bool:
    file = getattr(module, "__file__", None)
    places = [file] if file else list(getattr(module, "__path__", None) or [])
    return any(is_below(str(place), folder) for place in places)


def is_below(place: str, folder: str) -> bool:
    return place.startswith(f"{folder}/")

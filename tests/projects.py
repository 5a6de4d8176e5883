"""A project of one's own, with folders schemas/ and udfs/, as the process's working folder."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def use_project(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Go to the folder; modules of another project's schemas/ are forgotten."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if not (Path(place or ".") / "schemas").is_dir()])
    for name in project_modules():
        monkeypatch.delitem(sys.modules, name)


def project_modules() -> list[str]:
    return [name for name in sys.modules if name.split(".")[0] in ("schemas", "udfs")]


@contextmanager
def modules_kept() -> Iterator[None]:
    """What is imported from a project's folder meanwhile is forgotten, and what was there before is there again."""
    path, before = list(sys.path), {name: sys.modules[name] for name in project_modules()}
    places = {name: list(module.__path__) for name, module in before.items() if hasattr(module, "__path__")}
    yield
    for name in project_modules():
        del sys.modules[name]
    sys.modules.update(before)
    for name, place in places.items():
        if isinstance(before[name].__path__, list):
            before[name].__path__[:] = place
    sys.path[:] = path

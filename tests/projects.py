"""A project of one's own, with folders schemas/ and udfs/, as the process's working folder."""

import sys
from pathlib import Path

import pytest


def use_project(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Go to the folder; modules of another project's schemas/ are forgotten."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if not (Path(place or ".") / "schemas").is_dir()])
    for name in [name for name in sys.modules if name == "schemas" or name.startswith("schemas.")]:
        monkeypatch.delitem(sys.modules, name)

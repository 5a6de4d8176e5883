"""Compares the packages installed in this process with the requirements of a model."""

import platform
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion

#: The flavors of an MLmodel file, by name.
Flavors = Mapping[str, Mapping[str, Any]]


def problems_here(_: Iterable[int], *, lines: Iterable[str], python: str) -> Iterator[str]:
    """The texts of `unmet`, prefixed by this host's name."""
    host = socket.gethostname()
    return (f"{host} {problem}" for problem in unmet(lines, python=python))


def model_problems(folder: Path, flavors: Flavors) -> list[str]:
    """Requirements of the model in `folder` that are not met here. flavors: of its MLmodel file."""
    return list(problems_here((), lines=requirement_lines(folder / "requirements.txt"), python=logged_python(flavors)))


def unmet(lines: Iterable[str], *, python: str) -> Iterator[str]:
    """A text for each requirement that is not met, as `needs X, here is Y`.

    lines: of a pip requirements file. python: major and minor version; empty if any will do.
    """
    here = ".".join(platform.python_version_tuple()[:2])
    if python and python != here:
        yield f"needs Python {python}, here is {here}"
    yield from filter(None, map(requirement_problem, lines))


def logged_python(flavors: Flavors) -> str:
    """Major and minor version of the Python that a model was logged with; empty if unknown."""
    version = flavors.get("python_function", {}).get("python_version", "")
    return ".".join(str(version).split(".")[:2])


def requirement_lines(file: Path) -> list[str]:
    """The requirements that pip would read there, without comments and options (-c, -r, --hash); empty if there is no
    such file. Files that it includes are not read: they may only narrow what is listed."""
    if not file.exists():
        return []
    text = file.read_text(encoding="utf-8-sig", errors="replace").replace("\\\n", " ")
    lines = [re.split(r"(?:^|\s)(?:#|--)", line)[0].strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("-")]


def requirement_problem(line: str) -> str | None:
    try:
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate():
            return None
        installed = metadata.version(requirement.name)
        if requirement.specifier.contains(installed, prereleases=True):
            return None
    except metadata.PackageNotFoundError:
        return f"needs {requirement}, not installed here"
    except (InvalidRequirement, InvalidVersion, UndefinedEnvironmentName, UndefinedComparison):
        return None  # a URL, a local file, or a version without order: nothing to compare
    return f"needs {requirement}, here is {installed}"

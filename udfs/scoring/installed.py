"""Compares the packages installed in this process with the requirements of a model."""

import platform
import socket
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

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
    """The lines without comments and options; empty if there is no such file."""
    if not file.exists():
        return []
    lines = [line.split("#")[0].strip() for line in file.read_text().splitlines()]
    return [line for line in lines if line and not line.startswith("-")]


def requirement_problem(line: str) -> str | None:
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return None  # a URL or a local file: nothing to compare
    if requirement.marker and not requirement.marker.evaluate():
        return None
    try:
        installed = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return f"needs {requirement}, not installed here"
    if requirement.specifier.contains(installed, prereleases=True):
        return None
    return f"needs {requirement}, here is {installed}"

"""What is installed where this runs, against the requirements of a model."""

import platform
import socket
from collections.abc import Iterable, Iterator
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement


def problems_here(_: Iterable[int], *, lines: list[str], python: str) -> Iterator[str]:
    """A text for each requirement that is not met, beginning with this host's name.

    lines: of a pip requirements file. python: major and minor version; empty if any will do.
    """
    host, here = socket.gethostname(), ".".join(platform.python_version_tuple()[:2])
    if python and python != here:
        yield f"{host} needs Python {python}, there is {here}"
    for line in lines:
        if problem := requirement_problem(line):
            yield f"{host} {problem}"


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

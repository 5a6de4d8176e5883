"""Java, Python, jars and packages: are they here, and do they fit together?"""

import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pyspark

from penstock.errors import EnvironmentCheckError
from penstock.spark.settings import DELTA_JAR, DELTA_VERSION, OWN_JAR, SPARK_VERSION

PYTHON = (3, 11)
JAVA = (17, 21)
VERSION = re.compile(r'version "(\d+)')
RELEASE = re.compile(r'^JAVA_VERSION="(\d+)', re.MULTILINE)


def check_python() -> str:
    if sys.version_info[:2] != PYTHON:
        found = ".".join(map(str, sys.version_info[:2]))
        raise EnvironmentCheckError(f"Python {found} runs this; expected {PYTHON[0]}.{PYTHON[1]}: run .venv/bin/python")
    return sys.version.split()[0]


def java_command() -> str | None:
    """The java that Spark would start, whether it is there or not; None where none is on the PATH."""
    home = os.environ.get("JAVA_HOME")
    return str(Path(home) / "bin" / "java") if home else shutil.which("java")


def check_java() -> str:
    command = java_command()
    expected = " or ".join(map(str, JAVA))
    try:
        found = released_version(command) or asked_version(command)
    except (OSError, subprocess.CalledProcessError):
        raise EnvironmentCheckError(
            f"no Java at {command or 'PATH'}; install Java {expected} or correct JAVA_HOME"
        ) from None
    if not found or int(found) not in JAVA:
        raise EnvironmentCheckError(f"Java {found or '?'} is at {command}; Spark 4.2 needs {expected}")
    return f"Java {found}"


def released_version(command: str | None) -> str | None:
    """What the file `release` says, which a JDK has beside its bin/: a third of a second less than asking the JVM, at
    each start. None where there is no java that could be run, or no such file."""
    if command is None or not os.access(command, os.X_OK):
        return None
    try:
        text = (Path(command).resolve().parents[1] / "release").read_text()
    except (OSError, UnicodeDecodeError):
        return None
    found = RELEASE.search(text)
    return found[1] if found else None


def asked_version(command: str | None) -> str | None:
    """Raises OSError, CalledProcessError."""
    answer = subprocess.run([command or "java", "-version"], capture_output=True, text=True, check=True)
    found = VERSION.search(answer.stderr)
    return found[1] if found else None


def check_packages() -> str:
    for package, expected in (("pyspark", SPARK_VERSION), ("delta-spark", DELTA_VERSION)):
        installed = metadata.version(package)
        if installed != expected:
            raise EnvironmentCheckError(
                f"{package} {installed} is installed; Spark {SPARK_VERSION} and Delta {DELTA_VERSION} fit together: "
                "run make env"
            )
    return f"pyspark {SPARK_VERSION}, delta-spark {DELTA_VERSION}"


def check_jars() -> str:
    own = Path(pyspark.__file__).parent
    folder = Path(os.environ.get("SPARK_HOME") or own) / "jars"
    remedy = "run make jars"
    if folder != own / "jars":
        remedy = "SPARK_HOME names this Spark; unset it, or copy the jars of conf/jars.xml and penstock.jar there"
    found = sorted(path.name for path in folder.glob("delta-spark_*.jar"))
    if found != [DELTA_JAR]:
        raise EnvironmentCheckError(f"{folder} has {found or 'no delta-spark jar'}; expected {DELTA_JAR}: {remedy}")
    if not (folder / OWN_JAR).exists():
        raise EnvironmentCheckError(
            f"{folder} has no {OWN_JAR}, with which tables and checkpoints are written: {remedy}"
        )
    return f"{DELTA_JAR}, {OWN_JAR}"

import subprocess
import sys

import pytest

from penstock.errors import EnvironmentCheckError
from penstock.spark import environment
from penstock.spark.environment import (
    check_jars,
    check_java,
    check_packages,
    check_python,
)
from penstock.spark.settings import DELTA_JAR, OWN_JAR
from penstock.udfs.scoring.installed import requirement_lines, requirement_problem, unmet


@pytest.fixture
def installed(monkeypatch):
    versions = {"pyspark": "4.2.0", "delta-spark": "4.4.0", "numpy": "2.1.0", "mine": "1.5rc1"}

    def version(name):
        if name not in versions:
            raise environment.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(environment.metadata, "version", version)
    return versions


def test_this_python_fits():
    assert check_python().startswith("3.11.")


def test_another_python_is_named(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 13, 1))
    with pytest.raises(EnvironmentCheckError, match=r"Python 3\.13 runs this; expected 3\.11"):
        check_python()


@pytest.fixture
def java_home(monkeypatch, tmp_path):
    """A Java without a file `release`."""
    (tmp_path / "bin").mkdir()
    java = tmp_path / "bin" / "java"
    java.write_text("#!/bin/sh\nexit 3\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    return tmp_path


def answer(monkeypatch, text):
    def run(command, **_):
        return subprocess.CompletedProcess(command, 0, stdout="", stderr=text)

    monkeypatch.setattr(environment.subprocess, "run", run)


@pytest.mark.parametrize("version", ["17.0.12", "21.0.1", "21"])
def test_a_java_that_fits(java_home, monkeypatch, version):
    answer(monkeypatch, f'openjdk version "{version}" 2024-07-16\nOpenJDK Runtime Environment')
    assert check_java() == f"Java {version[:2]}"


@pytest.mark.parametrize(
    ("text", "shown"), [('java version "1.8.0_402"', "1"), ('version "11.0.2"', "11"), ("", r"\?")]
)
def test_another_java_is_named(java_home, monkeypatch, text, shown):
    answer(monkeypatch, text)
    with pytest.raises(EnvironmentCheckError, match=rf"Java {shown} is at .*needs 17 or 21"):
        check_java()


def test_no_java_is_told_with_where_it_was_looked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(EnvironmentCheckError, match=f"no Java at {tmp_path}/bin/java; install Java 17 or 21"):
        check_java()


def test_a_java_that_fails_is_no_java(java_home):
    with pytest.raises(EnvironmentCheckError, match="no Java at"):
        check_java()


def test_a_java_that_says_its_version_in_a_file_is_not_started(java_home, monkeypatch):
    monkeypatch.setattr(environment.subprocess, "run", lambda *_, **__: pytest.fail("a JVM was started"))
    release = java_home / "release"
    release.write_text('IMPLEMENTOR="x"\nJAVA_VERSION="17.0.15"\n')
    assert check_java() == "Java 17"
    release.write_text('JAVA_VERSION="11.0.2"\n')
    with pytest.raises(EnvironmentCheckError, match="Java 11 is at"):
        check_java()


def test_the_file_of_a_java_that_is_gone_counts_for_nothing(java_home):
    (java_home / "release").write_text('JAVA_VERSION="17.0.15"\n')
    (java_home / "bin" / "java").unlink()
    with pytest.raises(EnvironmentCheckError, match="no Java at"):
        check_java()


@pytest.mark.parametrize("content", [b"", b"JAVA_VERSION=17", b"\xff"])
def test_a_file_that_does_not_say_is_not_believed(java_home, monkeypatch, content):
    (java_home / "release").write_bytes(content)
    answer(monkeypatch, 'openjdk version "21.0.1"')
    assert check_java() == "Java 21"


def test_packages_that_fit_together(installed):
    assert check_packages() == "pyspark 4.2.0, delta-spark 4.4.0"


def test_a_package_that_does_not_fit_is_named(installed):
    installed["delta-spark"] = "4.4.1"
    with pytest.raises(EnvironmentCheckError, match=r"delta-spark 4\.4\.1 is installed"):
        check_packages()


def spark_home(tmp_path, monkeypatch, *jars):
    (tmp_path / "jars").mkdir()
    for jar in jars:
        (tmp_path / "jars" / jar).touch()
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))


def test_the_delta_jar_is_found(tmp_path, monkeypatch):
    spark_home(tmp_path, monkeypatch, "spark-core.jar", DELTA_JAR, OWN_JAR)
    assert check_jars() == f"{DELTA_JAR}, {OWN_JAR}"


def test_a_missing_jar_of_ours_is_named(tmp_path, monkeypatch):
    spark_home(tmp_path, monkeypatch, DELTA_JAR)
    with pytest.raises(EnvironmentCheckError, match=rf"no {OWN_JAR}.*SPARK_HOME names this Spark; unset it"):
        check_jars()


@pytest.mark.parametrize("jars", [(), ("delta-spark_2.13-3.0.0.jar",), (DELTA_JAR, "delta-spark_4.2_2.13-4.5.0.jar")])
def test_other_delta_jars_are_named(tmp_path, monkeypatch, jars):
    spark_home(tmp_path, monkeypatch, *jars)
    with pytest.raises(EnvironmentCheckError, match=f"expected {DELTA_JAR}") as error:
        check_jars()
    assert all(jar in str(error.value) for jar in jars)


@pytest.mark.parametrize(
    "line",
    ["numpy", "numpy==2.1.0", "numpy>=2,<3", "NumPy", "mine>=1.5rc1", "numpy==9 ; python_version < '3'", "./local.whl"],
)
def test_a_requirement_that_is_met(installed, line):
    installed["NumPy"] = installed["numpy"]
    assert requirement_problem(line) is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("numpy==1.26.4", "needs numpy==1.26.4, here is 2.1.0"),
        ("numpy<2", "needs numpy<2, here is 2.1.0"),
        ("absent", "needs absent, not installed here"),
    ],
)
def test_a_requirement_that_is_not_met_is_told(installed, line, said):
    assert requirement_problem(line) == said


def test_a_requirements_file_is_checked_line_by_line(installed, tmp_path):
    file = tmp_path / "requirements.txt"
    file.write_text("# made by mlflow\n--index-url x\n\nnumpy==2.1.0  # exact\nabsent\nnumpy<2\n")
    lines = requirement_lines(file)
    assert lines == ["numpy==2.1.0", "absent", "numpy<2"]
    assert list(unmet(lines, python="")) == ["needs absent, not installed here", "needs numpy<2, here is 2.1.0"]


def test_without_a_requirements_file_nothing_is_needed(tmp_path):
    assert requirement_lines(tmp_path / "requirements.txt") == []

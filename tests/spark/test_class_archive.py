"""The class-data archive is used where it fits, and nobody hears of it where it does not."""

import os
import shutil
import subprocess
import time
import zipfile
from pathlib import Path

import pytest

from penstock.spark import class_archive
from penstock.spark.class_archive import ARCHIVE, ATTEMPT, CLASS_PATH_JAR, STAMP, SWITCH, ClassArchive
from penstock.spark.settings import SETTINGS, as_properties

JAVA = Path(shutil.which("java") or "java").resolve()
PROJECT = Path(__file__).parents[2]


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClassArchive:
    """Of a Spark with two jars; not made."""
    monkeypatch.delenv(SWITCH, raising=False)
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))
    jars = tmp_path / "jars"
    jars.mkdir()
    for name in ("b.jar", "a.jar"):
        with zipfile.ZipFile(jars / name, "w") as jar:
            jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\n\r\n")
    found = class_archive.this_archive()
    assert found is not None
    assert found.folder == tmp_path / class_archive.FOLDER
    found.folder.mkdir()
    return found


def pretend(archive: ClassArchive, content: bytes = b"not an archive") -> None:
    """As if it had been made."""
    class_archive.write_class_path(archive)
    archive.file.write_bytes(content)
    (archive.folder / STAMP).write_text(archive.stamp())


def said(archive: ClassArchive, *options: str) -> tuple[str, str]:
    """The output of a JVM that uses it, without its version."""
    given = archive.settings()
    class_path = f"{given['spark.driver.extraClassPath']}:{archive.spark}/conf:{archive.spark}/jars/*"
    given_options = given["spark.driver.defaultJavaOptions"].split()
    answer = subprocess.run(
        [str(JAVA), *given_options, *options, "-cp", class_path, "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    return unshared(answer.stdout), answer.stderr


def unshared(version: str) -> str:
    """Its last word is whether any archive is in use, Java's own or another."""
    return version.replace(", sharing", "")


@pytest.fixture
def version() -> str:
    return unshared(subprocess.run([str(JAVA), "--version"], capture_output=True, text=True, check=True).stdout)


def small_archive(archive: ClassArchive) -> None:
    """A true one, of a few classes of Java."""
    classes = archive.folder / "few.lst"
    classes.write_text("java/lang/Object\njava/lang/String\n")
    options = ["-Xshare:dump", "-Xlog:disable", "-XX:+UseSerialGC", f"-XX:SharedClassListFile={classes}"]
    target = [f"-XX:SharedArchiveFile={archive.file}", "-cp", str(archive.class_path)]
    subprocess.run([str(JAVA), *options, *target], check=True, capture_output=True)


def test_without_one_the_jvm_says_nothing(archive: ClassArchive, version: str) -> None:
    assert said(archive) == (version, "")


def test_what_is_no_archive_is_passed_over(archive: ClassArchive, version: str) -> None:
    pretend(archive)
    assert said(archive) == (version, "")


def test_one_that_fits_is_used_and_one_of_other_jars_or_another_java_is_passed_over(
    archive: ClassArchive, version: str
) -> None:
    class_archive.write_class_path(archive)
    small_archive(archive)
    # `on` makes an error of what `auto` passes over.
    assert said(archive, "-Xshare:on") == (version, "")
    whole = archive.file.read_bytes()
    build = version.split("(build ")[1].split(")")[0].encode()
    assert build in whole
    archive.file.unlink()
    archive.file.write_bytes(whole.replace(build, build[:-1] + b"~", 1))
    with pytest.raises(subprocess.CalledProcessError):
        said(archive, "-Xshare:on")
    assert said(archive) == (version, "")
    archive.file.write_bytes(whole)
    os.utime(archive.spark / "jars" / "a.jar", (1, 1))
    assert said(archive) == (version, "")


def test_the_settings_name_it_only_while_it_fits(archive: ClassArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    assert class_archive.archive_settings() == {}
    pretend(archive)
    given = class_archive.archive_settings()
    assert given["spark.driver.extraClassPath"] == str(archive.folder / CLASS_PATH_JAR)
    assert str(archive.folder / ARCHIVE) in given["spark.driver.defaultJavaOptions"]
    monkeypatch.setenv(SWITCH, "off")
    assert class_archive.archive_settings() == {}
    monkeypatch.delenv(SWITCH)
    with zipfile.ZipFile(archive.spark / "jars" / "c.jar", "w"):
        pass
    assert class_archive.archive_settings() == {}


def test_another_java_has_another_archive(archive: ClassArchive, tmp_path: Path) -> None:
    java = tmp_path / "jdk" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.touch()
    other = ClassArchive(folder=archive.folder, spark=archive.spark, java=java)
    before = other.stamp()
    assert before != archive.stamp()
    (java.parents[1] / "lib").mkdir()
    (java.parents[1] / "lib" / "modules").write_text("an update")
    assert other.stamp() != before


def test_the_jars_are_named_in_their_order_and_written_the_same_each_time(archive: ClassArchive) -> None:
    for number in range(30):
        (archive.spark / "jars" / f"{number:02}-with-a-long-name.jar").touch()
    class_archive.write_class_path(archive)
    first = archive.class_path.read_bytes()
    class_archive.write_class_path(archive)
    assert archive.class_path.read_bytes() == first
    with zipfile.ZipFile(archive.class_path) as jar:
        manifest = jar.read("META-INF/MANIFEST.MF").decode()
    assert max(map(len, manifest.split("\r\n"))) <= 72
    names = manifest.replace("\r\n ", "").split("Class-Path: ")[1].split()
    assert names == [f"../jars/{path.name}" for path in class_archive.jars_of(archive.spark)]


def test_where_spark_may_not_be_written_it_is_in_the_users_cache(
    archive: ClassArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(class_archive.os, "access", lambda *_: False)
    assert class_archive.folder_for(archive.spark, archive.java).is_relative_to(tmp_path / "cache" / "penstock")
    pretend(archive)
    assert class_archive.folder_for(archive.spark, archive.java) == archive.folder


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The processes that would have been started."""
    commands: list[list[str]] = []
    monkeypatch.setattr(class_archive.subprocess, "Popen", lambda command, **_: commands.append(command))
    monkeypatch.setattr(class_archive, "free_memory", lambda: 2**40)
    return commands


def test_a_missing_one_is_made_in_the_background(archive: ClassArchive, started: list[list[str]]) -> None:
    class_archive.make_in_background()
    [command] = started
    assert command[1:] == ["-m", "penstock.spark.class_archive", "--background"]


def test_one_that_fits_is_not_made_again(archive: ClassArchive, started: list[list[str]]) -> None:
    pretend(archive)
    class_archive.make_in_background()
    assert started == []


def test_it_is_not_made_where_there_is_little_memory(
    archive: ClassArchive, started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(class_archive, "free_memory", lambda: 2**20)
    class_archive.make_in_background()
    assert started == []


def test_what_failed_is_tried_again_a_day_later(archive: ClassArchive, started: list[list[str]]) -> None:
    attempt = archive.folder / ATTEMPT
    attempt.write_text(archive.stamp())
    class_archive.make_in_background()
    assert started == []
    yesterday = time.time() - class_archive.RETRY_SECONDS - 1
    os.utime(attempt, (yesterday, yesterday))
    class_archive.make_in_background()
    assert len(started) == 1


def test_the_file_for_spark_submit_has_the_settings() -> None:
    written = (PROJECT / "conf" / "spark-defaults.conf").read_text()
    assert written == as_properties()
    lines = [line.split(maxsplit=1) for line in written.splitlines() if not line.startswith("#")]
    assert dict(lines) == SETTINGS

"""The class-data archive: Spark's and Delta's classes as the JVM has them in memory, so that a start need not read,
check and link 20,000 of them again. `python -m penstock.spark.class_archive` makes it.

The JVM takes an archive only with the class path that it was made with, perhaps with more behind it. Spark's launcher
puts `conf/` and `jars/*` there: a folder, with which none can be made, and jars in the order of the file system,
another one in each copy of the installation. So CLASS_PATH_JAR is put in front, an empty jar whose manifest names the
jars in the order of their names.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyspark

from penstock.spark.environment import java_command

#: off: neither used nor made.
SWITCH = "PENSTOCK_CLASS_ARCHIVE"
FOLDER = "penstock-class-archive"
CLASS_PATH_JAR, ARCHIVE, STAMP, ATTEMPT = "classpath.jar", "classes.jsa", "stamp", "attempt"
#: After a failure, an unchanged installation is not tried again in the background for so long.
RETRY_SECONDS = 86400.0
#: What making one takes beside a running job: a JVM of 1 GB, a Python process, and what is to stay free.
NEEDED_MEMORY = 3 * 2**30
#: No heap is archived by another collector than G1; the other collectors can load it.
DUMP_OPTIONS = ("-Xshare:dump", "-Xlog:disable", "-XX:+UseG1GC", "-XX:TieredStopAtLevel=1", "-Xmx1g")


@dataclass(frozen=True, kw_only=True)
class ClassArchive:
    """The archive of one Spark and one Java, made or not."""

    folder: Path
    spark: Path
    java: Path

    @property
    def file(self) -> Path:
        return self.folder / ARCHIVE

    @property
    def class_path(self) -> Path:
        return self.folder / CLASS_PATH_JAR

    def stamp(self) -> str:
        """What the archive is made of: another stamp, another archive."""
        jars = [(path.name, *size_and_time(path)) for path in jars_of(self.spark)]
        # The launcher of Java stays the same in many an update; its libraries do not.
        java = [(str(path), *size_and_time(path)) for path in (self.java, self.java.parents[1] / "lib" / "modules")]
        return hashlib.sha256(repr((java, jars)).encode()).hexdigest()

    def is_fresh(self) -> bool:
        """Whether it is there, and made of what is there now. The JVM checks the same, without a word."""
        return self.file.exists() and self.class_path.exists() and read(self.folder / STAMP) == self.stamp()

    def settings(self) -> dict[str, str]:
        """What has Spark's JVMs use it. Executors find it where they have the same folders as the driver."""
        option = f"-XX:SharedArchiveFile={self.file} -Xshare:auto"
        return {
            "spark.driver.extraClassPath": str(self.class_path),
            "spark.driver.defaultJavaOptions": option,
            "spark.executor.extraClassPath": str(self.class_path),
            "spark.executor.defaultJavaOptions": option,
        }


def size_and_time(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    # Copying an installation keeps whole seconds.
    return found.st_size, int(found.st_mtime)


def read(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


def jars_of(spark: Path) -> list[Path]:
    return sorted((spark / "jars").glob("*.jar"))


def this_archive() -> ClassArchive | None:
    """That of the Spark and the Java that would be started here; None without a Java, or if switched off."""
    command = shutil.which(java_command() or "")
    if command is None or os.environ.get(SWITCH) == "off":
        return None
    spark = Path(os.environ.get("SPARK_HOME") or Path(pyspark.__file__).parent).resolve()
    java = Path(command).resolve()
    return ClassArchive(folder=folder_for(spark, java), spark=spark, java=java)


def folder_for(spark: Path, java: Path) -> Path:
    """In Spark's folder where one is made there and fits, or may be made, else in the user's cache folder."""
    beside = spark / FOLDER
    is_made = ClassArchive(folder=beside, spark=spark, java=java).is_fresh()
    if is_made or os.access(beside if beside.exists() else spark, os.W_OK):
        return beside
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "penstock" / "class-archive" / hashlib.sha256(str(spark).encode()).hexdigest()[:16]


def archive_settings() -> dict[str, str]:
    """What a start gives to Spark: nothing where there is no archive of this Spark and this Java."""
    archive = this_archive()
    return archive.settings() if archive and archive.is_fresh() else {}


def make_in_background() -> None:
    """Begin to make the archive for later starts if there is none, in a process of its own that gives way to any other
    and outlives this one."""
    archive = this_archive()
    # The driver of a cluster may be gone with its disk tomorrow, or have no jars of its own.
    if archive is None or "PYSPARK_GATEWAY_PORT" in os.environ or not jars_of(archive.spark):
        return
    if archive.is_fresh() or was_attempted(archive) or free_memory() < NEEDED_MEMORY:
        return
    try:
        archive.folder.mkdir(parents=True, exist_ok=True)
        (archive.folder / ATTEMPT).write_text(archive.stamp())
        with (archive.folder / "output.log").open("wb") as log:
            subprocess.Popen(
                [sys.executable, "-m", __name__, "--background"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=archive.folder,
            )
    except OSError:
        return  # Nothing is lost but the seconds.


def was_attempted(archive: ClassArchive) -> bool:
    try:
        age_seconds = time.time() - (archive.folder / ATTEMPT).stat().st_mtime
    except OSError:
        return False
    return age_seconds < RETRY_SECONDS and read(archive.folder / ATTEMPT) == archive.stamp()


def free_memory() -> int:
    """Bytes that this machine and this container (cgroup v2) have left."""
    left = [2**62]
    for line in (read(Path("/proc/meminfo")) or "").splitlines():
        if line.startswith("MemAvailable:"):
            left.append(int(line.split()[1]) * 1024)
    limit, used = (read(Path(f"/sys/fs/cgroup/memory.{name}")) for name in ("max", "current"))
    if limit and used and limit.strip() != "max":
        left.append(int(limit) - int(used))
    return min(left)


def make(archive: ClassArchive) -> None:
    """Make the archive, and put it in its place whole. Raises OSError, CalledProcessError."""
    archive.folder.mkdir(parents=True, exist_ok=True)
    with only_one(archive.folder / "lock"), tempfile.TemporaryDirectory(dir=archive.folder, prefix=".new.") as made:
        stamp = archive.stamp()
        if archive.is_fresh():
            return
        (archive.folder / ATTEMPT).write_text(stamp)
        classes, new = Path(made) / "classes.lst", Path(made) / ARCHIVE
        write_class_path(archive)
        record_classes(classes)
        given = (f"-XX:SharedClassListFile={classes}", f"-XX:SharedArchiveFile={new}", "-cp", str(archive.class_path))
        subprocess.run([str(archive.java), *DUMP_OPTIONS, *given], check=True, stdout=subprocess.DEVNULL)
        new.chmod(0o644)
        (Path(made) / STAMP).write_text(stamp)
        # In between, an archive has the stamp of another: the JVM finds that out for itself.
        new.replace(archive.file)
        (Path(made) / STAMP).replace(archive.folder / STAMP)


def record_classes(classes: Path) -> None:
    """A short session of its own process, whose JVM lists the classes that it loads."""
    training = [sys.executable, "-m", "penstock.spark.class_training", str(classes)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYSPARK_")}
    environment |= {SWITCH: "off", "PENSTOCK_SPARK_LOG": str(classes.parent / "spark.log")}
    subprocess.run(training, check=True, env=environment, stdout=subprocess.DEVNULL, cwd=classes.parent)


def write_class_path(archive: ClassArchive) -> None:
    """The jar whose manifest names the others, relative to itself: the JVM archives no class of an absolute one."""
    names = " ".join(os.path.relpath(jar, archive.folder) for jar in jars_of(archive.spark))
    text = f"Class-Path: {names}".encode()
    # A line of a manifest has at most 72 bytes; a continuation line begins with a space.
    lines = [text[:70], *(b" " + text[at : at + 69] for at in range(70, len(text), 69))]
    manifest = b"\r\n".join([b"Manifest-Version: 1.0", *lines, b"", b""])
    new = archive.class_path.with_suffix(".new")
    with zipfile.ZipFile(new, "w") as jar:
        jar.writestr(zipfile.ZipInfo("META-INF/MANIFEST.MF"), manifest)
    # The archive remembers the time of each jar: the same content has the same.
    os.utime(new, (0, 0))
    new.replace(archive.class_path)


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def give_way() -> None:
    """Run only when no other process wants to."""
    os.nice(19)
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def main(arguments: list[str]) -> int:
    """--background: at the lowest priority."""
    archive = this_archive()
    if "--background" in arguments:
        give_way()
    if archive is None:
        return 0
    try:
        make(archive)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"penstock: no class-data archive, starts take longer: {error}", file=sys.stderr)
        return 1
    print(f"penstock: the class-data archive is {archive.file}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

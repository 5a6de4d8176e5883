"""Operations on single files outside Spark: status, open, atomic create, replace, delete.

LocalStorage implements them for local folders, penstock.storage.s3 for S3; penstock.storage.routing dispatches.
"""

import errno
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Protocol

from penstock.errors import StorageError

#: How long requests to an unavailable S3 are retried; a person waits for it, or the caller polls anyway.
RETRY_SECONDS = 10.0
#: The same within a micro-batch, which would otherwise lose its work so far.
BATCH_RETRY_SECONDS = 60.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Of the years 1 and 9999, since 1970.
FIRST_MILLISECONDS, LAST_MILLISECONDS = -62_135_596_800_000, 253_402_300_799_999


def moment_of(microseconds: int) -> datetime:
    """Since 1970, as Spark counts them; datetime's own way goes through a float."""
    return EPOCH + timedelta(microseconds=microseconds)


@dataclass(frozen=True, kw_only=True)
class FileStatus:
    """Length in bytes and modification time in whole milliseconds since 1970, as in Spark's file log."""

    length: int
    modified_milliseconds: int

    @property
    def modification_time(self) -> datetime:
        """The first or last moment that Python has, for one beyond: a file system may have any time."""
        known = min(max(self.modified_milliseconds, FIRST_MILLISECONDS), LAST_MILLISECONDS)
        return EPOCH + timedelta(milliseconds=known)


class Storage(Protocol):
    """What the library needs of a file store. Paths are in normal form (penstock.storage.paths)."""

    def status(self, path: str) -> FileStatus | None:
        """None if there is no such file."""

    def open(self, path: str) -> BinaryIO: ...

    def read(self, path: str) -> bytes | None:
        """The whole content; None if there is no such file."""

    def create(self, path: str, content: bytes) -> bool:
        """Create the file atomically with its whole content, or return False because it exists already."""

    def replace(self, path: str, content: bytes) -> None:
        """Replace the file's content atomically."""

    def delete(self, path: str) -> None:
        """No error if there is no such file."""

    def names(self, folder: str) -> list[str]:
        """The names of a folder's entries, sorted; empty if there is no such folder."""

    def make_folder(self, folder: str) -> None:
        """No error if it exists already."""

    def walk(self, folder: str, *, is_overlooked: Callable[[str], bool]) -> Iterator[tuple[str, FileStatus]]:
        """All files below a folder, one by one, without files and folders whose name is ignored.

        Raises FileNotFoundError or NotADirectoryError, at the first one, if there is no such folder.
        """

    def files(self, folder: str, *, is_overlooked: Callable[[str], bool]) -> dict[str, FileStatus]:
        """`walk` by path, all in memory."""


def is_of_content(error: OSError) -> bool:
    """Whether the file's content raised it (Arrow, gzip): errors of the system or the store have an errno."""
    return error.errno is None


def trouble_with(path: str, error: OSError) -> StorageError:
    """An error of the system or the store as a StorageError with the path and what to do."""
    if isinstance(error, StorageError):
        return error
    message = f"can't be read: {error.strerror or error}; check the disk or mount, then start again"
    return StorageError(error.errno, message, path)


class LocalStorage:
    """Local and mounted folders."""

    def status(self, path: str) -> FileStatus | None:
        try:
            found = os.stat(path)  # noqa: PTH116
        except FileNotFoundError:
            return None
        return FileStatus(length=found.st_size, modified_milliseconds=found.st_mtime_ns // 1_000_000)

    def open(self, path: str) -> BinaryIO:
        return Path(path).open("rb")

    def read(self, path: str) -> bytes | None:
        try:
            return Path(path).read_bytes()
        except FileNotFoundError:
            return None

    def create(self, path: str, content: bytes) -> bool:
        written = self._write_beside(path, content)
        try:
            # A hard link fails if the name exists: content and name appear together, and at most once.
            Path(path).hardlink_to(written)
        except FileExistsError:
            return False
        finally:
            written.unlink()
        sync_folder(written.parent)
        return True

    def replace(self, path: str, content: bytes) -> None:
        self._write_beside(path, content).rename(path)
        sync_folder(Path(path).parent)

    def delete(self, path: str) -> None:
        Path(path).unlink(missing_ok=True)

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(os.listdir(folder))  # noqa: PTH208
        except FileNotFoundError:
            return []

    def make_folder(self, folder: str) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)

    def walk(self, folder: str, *, is_overlooked: Callable[[str], bool]) -> Iterator[tuple[str, FileStatus]]:
        folders = [folder]
        while folders:
            current = folders.pop()
            try:
                entries = os.scandir(current)
            except FileNotFoundError:
                if current == folder:
                    raise
                continue
            with entries:
                for entry in entries:
                    if is_overlooked(entry.name):
                        continue
                    if entry.is_dir():
                        folders.append(entry.path)
                    elif status := self.status(entry.path):
                        yield entry.path, status

    def files(self, folder: str, *, is_overlooked: Callable[[str], bool]) -> dict[str, FileStatus]:
        return dict(self.walk(folder, is_overlooked=is_overlooked))

    def _write_beside(self, path: str, content: bytes) -> Path:
        target = Path(path)
        make_durable_folder(target.parent)
        # Spark's file source and Delta ignore names that begin with a dot.
        written = target.parent / f".{target.name}.{uuid.uuid4().hex}"
        with written.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return written


def make_durable_folder(folder: Path) -> None:
    """The folder and those above it, whose names outlast a power cut."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in reversed(missing):
        sync_folder(made.parent)


def sync_folder(folder: Path) -> None:
    """After a file's own fsync: without it its name may be lost in a power cut."""
    entries = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(entries)
    except OSError as error:
        # Some mounts can't sync a folder; they write names when they are made.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(entries)

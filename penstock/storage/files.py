"""The few things that are done with single files beside Spark: look, open, create once, replace, delete.

Here for local folders; penstock.storage.s3 does them on S3, penstock.storage.routing knows which is meant.
"""

import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from penstock.errors import StorageError

#: How long S3 is asked again where it does not answer; somebody waits for it, or looks again later anyway.
RETRY_SECONDS = 10.0
#: The same for a micro-batch, whose work until then would be lost.
BATCH_RETRY_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class FileStatus:
    """Length in bytes and modification time in whole milliseconds since 1970, as Spark's file log has it."""

    length: int
    modified_milliseconds: int

    @property
    def modification_time(self) -> datetime:
        return datetime.fromtimestamp(self.modified_milliseconds / 1000, tz=UTC)


class Storage(Protocol):
    """What the library needs of a file store. Paths are in normal form (penstock.storage.paths)."""

    def status(self, path: str) -> FileStatus | None:
        """None where there is no such file."""

    def open(self, path: str) -> BinaryIO: ...

    def read(self, path: str) -> bytes | None:
        """The whole content; None where there is no such file."""

    def create(self, path: str, content: bytes) -> bool:
        """Make the file with all its content at one moment, or return False because it exists already."""

    def replace(self, path: str, content: bytes) -> None:
        """Put `content` in the file's place at one moment."""

    def delete(self, path: str) -> None:
        """No error where there is no such file."""

    def names(self, folder: str) -> list[str]:
        """The names of what is in a folder, sorted; empty where there is no such folder."""

    def make_folder(self, folder: str) -> None:
        """No error where it is there already."""

    def files(self, folder: str, *, is_overlooked: Callable[[str], bool]) -> dict[str, FileStatus]:
        """All files below a folder by path, without files and folders whose name is overlooked.

        Raises FileNotFoundError or NotADirectoryError where there is no such folder.
        """


def is_of_content(error: OSError) -> bool:
    """Whether it was raised on a file's bytes, by Arrow or gzip: what a system or a store raises has a number."""
    return error.errno is None


def trouble_with(path: str, error: OSError) -> StorageError:
    """What was raised by a system or a store, with the path and what to do."""
    if isinstance(error, StorageError):
        return error
    told = f"can't be read: {error.strerror}; check the disk or mount, then start again"
    return StorageError(error.errno, told, path)


class LocalStorage:
    """A folder of this machine, or one mounted on it."""

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
            # A hard link fails if the name exists: content and name appear together, and only once.
            Path(path).hardlink_to(written)
        except FileExistsError:
            return False
        finally:
            written.unlink()
        return True

    def replace(self, path: str, content: bytes) -> None:
        self._write_beside(path, content).rename(path)

    def delete(self, path: str) -> None:
        Path(path).unlink(missing_ok=True)

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(os.listdir(folder))  # noqa: PTH208
        except FileNotFoundError:
            return []

    def make_folder(self, folder: str) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)

    def files(self, folder: str, *, is_overlooked: Callable[[str], bool]) -> dict[str, FileStatus]:
        found: dict[str, FileStatus] = {}
        folders = [folder]
        while folders:
            current = folders.pop()
            try:
                entries = list(os.scandir(current))
            except FileNotFoundError:
                if current == folder:
                    raise
                continue
            for entry in entries:
                if is_overlooked(entry.name):
                    continue
                if entry.is_dir():
                    folders.append(entry.path)
                elif status := self.status(entry.path):
                    found[entry.path] = status
        return found

    def _write_beside(self, path: str, content: bytes) -> Path:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Spark's file source and Delta overlook names that begin with a dot.
        written = target.parent / f".{target.name}.{uuid.uuid4().hex}"
        with written.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return written

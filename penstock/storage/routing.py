"""Dispatches each path to its store: S3 if it begins with s3a://, else local folders."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import BinaryIO

from penstock.config.locations import is_on_s3
from penstock.config.pipeline import PipelineConfig, S3Config
from penstock.storage.files import RETRY_SECONDS, FileStatus, LocalStorage, Storage


def storage_of(config: PipelineConfig, *, retry_seconds: float = RETRY_SECONDS) -> Storage:
    """One store for all locations of a pipeline, local or on S3.

    retry_seconds: how long requests to an unavailable S3 are retried before an error is raised.
    """
    return LocatedStorage(config.s3, retry_seconds)


class LocatedStorage:
    """Delegates each call to the store of its path."""

    def __init__(self, s3: S3Config, retry_seconds: float = RETRY_SECONDS) -> None:
        self._config, self._patience_seconds, self._local = s3, retry_seconds, LocalStorage()

    @cached_property
    def _s3(self) -> Storage:
        # Importing the AWS SDK takes most of a second, and most single-machine pipelines never need it.
        from penstock.storage.s3 import S3Storage

        return S3Storage(self._config, self._patience_seconds)

    def at(self, path: str) -> Storage:
        return self._s3 if is_on_s3(path) else self._local

    def status(self, path: str) -> FileStatus | None:
        return self.at(path).status(path)

    def open(self, path: str) -> BinaryIO:
        return self.at(path).open(path)

    def read(self, path: str) -> bytes | None:
        return self.at(path).read(path)

    def create(self, path: str, content: bytes) -> bool:
        return self.at(path).create(path, content)

    def replace(self, path: str, content: bytes) -> None:
        self.at(path).replace(path, content)

    def delete(self, path: str) -> None:
        self.at(path).delete(path)

    def names(self, folder: str) -> list[str]:
        return self.at(folder).names(folder)

    def make_folder(self, folder: str) -> None:
        self.at(folder).make_folder(folder)

    def walk(self, folder: str, *, is_overlooked: Callable[[str], bool]) -> Iterator[tuple[str, FileStatus]]:
        return self.at(folder).walk(folder, is_overlooked=is_overlooked)

    def files(self, folder: str, *, is_overlooked: Callable[[str], bool]) -> dict[str, FileStatus]:
        return self.at(folder).files(folder, is_overlooked=is_overlooked)

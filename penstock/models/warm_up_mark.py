"""A file that is there while a version is loaded into the Python workers between two micro-batches.

A load that ends the process leaves it. The next process then leaves that version to a micro-batch, whose attempts are
counted: else each start would end in the same load, a few seconds after the last batch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from penstock.models.registry import ModelVersion
from penstock.storage.files import Storage


@dataclass(kw_only=True)
class WarmUpMark:
    """Of one stream. Its methods raise OSError."""

    storage: Storage
    path: str

    @cached_property
    def left(self) -> bytes | None:
        """What an earlier process left."""
        return self.storage.read(self.path)

    def is_suspect(self, version: ModelVersion) -> bool:
        return self.left == named(version)

    @contextmanager
    def around(self, version: ModelVersion) -> Iterator[None]:
        """An error is no end of the process: the file is removed after it, too."""
        self.storage.replace(self.path, named(version))
        try:
            yield
        finally:
            self.storage.delete(self.path)


def named(version: ModelVersion) -> bytes:
    return f"{version.uri} {version.created_milliseconds}".encode()


def warm_up_mark_path(checkpoint: str) -> str:
    return f"{checkpoint}/warm_up"

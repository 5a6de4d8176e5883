"""One copy of a fleet's arrays per host, shared by all processes that load the model.

Spark unzips a model once per Python worker and MLflow downloads it once per load. Memory-mapped files share
pages only when they are the same files, so the arrays are mapped from a folder named by the SHA-256 of their
content. It is filled aside, checked against the hashes, and renamed into place whole: a folder under its
final name is complete.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import shutil
import stat
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CACHE_VARIABLE = "PENSTOCK_MODEL_CACHE"
UNUSED_SECONDS = 7 * 24 * 3600
"""A copy that has not been opened for this long is removed when another one is filled."""

COPY_BYTES = 4 * 1024 * 1024

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileStamp:
    """The expected size and hash of a file."""

    size_bytes: int
    sha256: str


def cache_root() -> Path:
    """PENSTOCK_MODEL_CACHE, or `penstock-models` in the temporary folder; made if it isn't there."""
    configured = os.environ.get(CACHE_VARIABLE)
    if configured:
        root = Path(configured)
        root.mkdir(parents=True, exist_ok=True)
        return root
    root = Path(tempfile.gettempdir()) / "penstock-models"
    root.mkdir(mode=0o700, exist_ok=True)
    found = root.lstat()
    if found.st_uid == os.getuid() and stat.S_ISDIR(found.st_mode):
        return root
    # the temporary folder is shared: files of another user are not trusted
    root = root.with_name(f"penstock-models-{os.getuid()}")
    root.mkdir(mode=0o700, exist_ok=True)
    if root.lstat().st_uid != os.getuid():
        raise PermissionError(f"{root} belongs to another user; set {CACHE_VARIABLE}")
    return root


def stamp_file(path: Path) -> FileStamp:
    """Size and hash of a file."""
    with path.open("rb") as file:
        return FileStamp(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def cached_folder(source: Path, *, key: str, stamps: Mapping[str, FileStamp]) -> Path:
    """The host's copy of the files in `source`, filled first if need be.

    key: SHA-256 in hex of the content, the folder's name. stamps: by file name. A file of `source` that
    doesn't have its hash raises ValueError. If the cache can't be written to (full, read-only), that is logged and
    `source` itself is returned.
    """
    try:
        folder = cache_root() / key
        if not _is_complete(folder, stamps):
            with _only_filler(folder):
                if not _is_complete(folder, stamps):
                    _fill(source, folder, stamps)
        os.utime(folder)
    except OSError as error:
        if not _is_complete(source, stamps):
            raise
        _log.warning("no copy of the model in the cache of this host, its pages are not shared: %s", error)
        return source
    return folder


def _is_complete(folder: Path, stamps: Mapping[str, FileStamp]) -> bool:
    """Whether every file has its full length (a crash of the host can truncate files after the
    rename)."""
    try:
        return all((folder / name).stat().st_size == stamp.size_bytes for name, stamp in stamps.items())
    except FileNotFoundError:
        return False


@contextmanager
def _only_filler(folder: Path) -> Iterator[None]:
    """Hold the lock of one cache entry; the lock of a process that dies is released."""
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fill(source: Path, folder: Path, stamps: Mapping[str, FileStamp]) -> None:
    """Copy to a temporary folder, verify, rename into place."""
    _remove_leftovers(folder.parent, keep=folder.name)
    aside = folder.with_name(f"{folder.name}.filling-{uuid.uuid4().hex}")
    aside.mkdir(mode=0o700)
    try:
        for name, stamp in stamps.items():
            if _copy_and_hash(source / name, aside / name) != stamp.sha256:
                raise ValueError(f"the model's file {name} is damaged: its hash is not that of the saved one")
        if folder.exists():
            shutil.rmtree(folder)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _copy_and_hash(source: Path, target: Path) -> str:
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("wb") as writer:
        while chunk := reader.read(COPY_BYTES):
            digest.update(chunk)
            writer.write(chunk)
    return digest.hexdigest()


def _remove_leftovers(root: Path, *, keep: str) -> None:
    """Remove copies unused for long, and incomplete ones of dead processes."""
    for path in root.iterdir():
        is_ours = re.fullmatch(r"[0-9a-f]{64}(\.filling-[0-9a-f]{32})?", path.name)
        # the holder of this key's lock is the only process filling it: other .filling-* of it are dead
        is_dead = path.name.startswith(f"{keep}.filling-")
        try:
            is_old = time.time() - path.stat().st_mtime > UNUSED_SECONDS
            if is_ours and path.name != keep and (is_dead or is_old):
                shutil.rmtree(path, ignore_errors=True)
        except FileNotFoundError:
            continue  # another process removed it first

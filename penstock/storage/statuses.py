"""The status of many files: on S3 each is a request, so several are sent at a time."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from penstock.config.locations import is_on_s3
from penstock.storage.files import FileStatus, Storage

WORKERS = 16


def statuses(storage: Storage, paths: Sequence[str]) -> list[FileStatus | None]:
    """`storage.status` of each, in their order; the first error is raised."""
    if not any(map(is_on_s3, paths)):
        return [storage.status(path) for path in paths]
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        try:
            return list(pool.map(storage.status, paths))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise

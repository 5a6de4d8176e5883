"""Single files on S3 and what speaks its protocol, by boto3. What must happen once is a PUT with If-None-Match."""

import errno
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from urllib3.exceptions import HTTPError

from penstock.config.locations import S3_SCHEME
from penstock.config.pipeline import S3Config
from penstock.errors import StorageError
from penstock.storage.files import RETRY_SECONDS, FileStatus
from penstock.storage.s3_errors import as_os_errors, code_of, os_error
from penstock.storage.s3_reader import open_s3
from penstock.storage.s3_retry import Patience, pause_seconds

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: 412: there is such a key. 409: another conditional PUT of it is under way, and may still fail.
EXISTS, UNDER_WAY = "PreconditionFailed", "ConditionalRequestConflict"
ATTEMPTS = 10
#: Ten times as long after the tenth attempt: some seconds in all.
CONFLICT_PAUSE_SECONDS = 0.1
BODY_ATTEMPTS = 7
BROKEN_BODY = (HTTPClientError, IncompleteReadError, HTTPError)
#: The answer to a HEAD has no body that would tell what was not found.
NOT_FOUND = "404"
MARK = "penstock-writer"


class S3Storage:
    """Buckets at one endpoint. Paths are s3a://bucket/key. Raises StorageError, and FileNotFoundError for no such key.

    retry_seconds: how long a request is sent again where S3 does not answer, or can't just now.
    """

    def __init__(self, config: S3Config, retry_seconds: float = RETRY_SECONDS) -> None:
        self.config, self.retry_seconds = config, retry_seconds

    @cached_property
    def client(self) -> "S3Client":
        """Safe to share between threads. The credentials come from boto3's chain: environment, profile, role."""
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=self.config.the_endpoint,
            region_name=self.config.the_region,
            config=Config(
                connect_timeout=5,
                read_timeout=20,
                # Patience, below, is what sends again.
                retries={"mode": "standard", "total_max_attempts": 1},
                max_pool_connections=32,
                s3={"addressing_style": "path" if self.config.is_path_style else "auto"},
                # Servers other than AWS don't all know the newer checksums.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
        client.meta.events.register("needs-retry.s3", cast(Any, Patience(seconds=self.retry_seconds)))
        return client

    def status(self, path: str) -> FileStatus | None:
        """By a listing, as Spark's file source sees it: a HEAD has the time in whole seconds only."""
        bucket, key = split(path)
        with as_os_errors(path):
            found = self.client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
        for entry in found.get("Contents", []):
            if entry["Key"] == key:
                return as_status(entry["Size"], entry["LastModified"])
        return None

    def open(self, path: str) -> BinaryIO:
        bucket, key = split(path)
        return open_s3(self.client, bucket, key, path=path)

    def read(self, path: str) -> bytes | None:
        bucket, key = split(path)
        try:
            with as_os_errors(path):
                return self._whole(bucket, key)
        except FileNotFoundError:
            return None

    def _whole(self, bucket: str, key: str) -> bytes:
        """A body may break off when botocore has long counted its request as answered."""
        for attempt in range(1, BODY_ATTEMPTS):
            body = self.client.get_object(Bucket=bucket, Key=key)["Body"]
            try:
                return body.read()
            except BROKEN_BODY:
                time.sleep(pause_seconds(attempt))
        return self.client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def create(self, path: str, content: bytes) -> bool:
        """A 412 may come from our own PUT whose response was lost: compare the object's owner mark."""
        bucket, key = split(path)
        mark = uuid.uuid4().hex
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self.client.put_object(Bucket=bucket, Key=key, Body=content, IfNoneMatch="*", Metadata={MARK: mark})
                return True
            except ClientError as error:
                if code_of(error) == EXISTS:
                    return self._mark_of(path) == mark
                if code_of(error) != UNDER_WAY:
                    raise os_error(error, path) from None
            except BotoCoreError as error:
                raise os_error(error, path) from None
            time.sleep(attempt * CONFLICT_PAUSE_SECONDS)
        return self._is_made_after_conflicts(path, mark)

    def _is_made_after_conflicts(self, path: str, mark: str) -> bool:
        """A conflict does not say how it ended: one of these PUTs may have made the object, or another's has."""
        found = self._mark_of(path)
        if found is None:
            message = f"others kept writing it through {ATTEMPTS} attempts; find out who writes there, then start again"
            raise StorageError(errno.EAGAIN, message, path)
        return found == mark

    def _mark_of(self, path: str) -> str | None:
        """None where there is no such object, or one that was not created here."""
        bucket, key = split(path)
        try:
            return self.client.head_object(Bucket=bucket, Key=key)["Metadata"].get(MARK)
        except (ClientError, BotoCoreError) as error:
            if isinstance(error, ClientError) and code_of(error) == NOT_FOUND:
                return None
            raise os_error(error, path) from None

    def replace(self, path: str, content: bytes) -> None:
        bucket, key = split(path)
        with as_os_errors(path):
            self.client.put_object(Bucket=bucket, Key=key, Body=content)

    def delete(self, path: str) -> None:
        bucket, key = split(path)
        with as_os_errors(path):
            self.client.delete_object(Bucket=bucket, Key=key)

    def names(self, folder: str) -> list[str]:
        bucket, prefix = split(f"{folder}/")
        found: set[str] = set()
        with as_os_errors(folder):
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
            for page in pages:
                found.update(entry["Key"].removeprefix(prefix) for entry in page.get("Contents", []))
                found.update(entry["Prefix"].removeprefix(prefix) for entry in page.get("CommonPrefixes", []))
        return sorted({name.rstrip("/") for name in found} - {""})

    def make_folder(self, folder: str) -> None:
        """An empty object whose name ends with a slash, as Hadoop makes it: Spark wants to see what it watches."""
        bucket, key = split(f"{folder}/")
        with as_os_errors(folder):
            if not self.client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("KeyCount"):
                self.client.put_object(Bucket=bucket, Key=key, Body=b"")

    def walk(self, folder: str, *, is_overlooked: Callable[[str], bool]) -> Iterator[tuple[str, FileStatus]]:
        bucket, prefix = split(f"{folder}/")
        is_there = False
        pages = iter(self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix))
        while True:
            with as_os_errors(folder):
                page = next(pages, None)
            if page is None:
                break
            for entry in page.get("Contents", []):
                is_there = True
                name = entry["Key"].removeprefix(prefix)
                if name and not name.endswith("/") and not any(map(is_overlooked, name.split("/"))):
                    yield f"{folder}/{name}", as_status(entry["Size"], entry["LastModified"])
        if not is_there:
            raise FileNotFoundError(errno.ENOENT, "there is no such folder", folder)

    def files(self, folder: str, *, is_overlooked: Callable[[str], bool]) -> dict[str, FileStatus]:
        return dict(self.walk(folder, is_overlooked=is_overlooked))


def split(path: str) -> tuple[str, str]:
    """Bucket and key of s3a://bucket/key."""
    bucket, _, key = path.removeprefix(S3_SCHEME).partition("/")
    return bucket, key


def as_status(length: int, modified: datetime) -> FileStatus:
    return FileStatus(length=length, modified_milliseconds=round(modified.timestamp() * 1000))

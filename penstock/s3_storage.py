"""Single files on S3 and what speaks its protocol, by boto3. What must happen once is a PUT with If-None-Match."""

import errno
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO, cast

import boto3
import smart_open.s3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from penstock.config import S3Config
from penstock.location_rules import S3_SCHEME
from penstock.storage import FileStatus

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NOT_THERE = ("NoSuchKey", "NoSuchBucket", "404")
NOT_ALLOWED = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403")
#: 412: there is such a key. 409: another conditional PUT of it is under way, and may still fail.
EXISTS, UNDER_WAY = "PreconditionFailed", "ConditionalRequestConflict"
ATTEMPTS = 10
MARK = "penstock-writer"


class S3Storage:
    """Buckets at one endpoint. Paths are s3a://bucket/key. Raises OSError (FileNotFoundError, PermissionError)."""

    def __init__(self, config: S3Config) -> None:
        self.config = config

    @cached_property
    def client(self) -> "S3Client":
        """Safe to share between threads. The credentials come from boto3's chain: environment, profile, role."""
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.config.the_endpoint,
            region_name=self.config.the_region,
            config=Config(
                connect_timeout=5,
                read_timeout=20,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                max_pool_connections=32,
                s3={"addressing_style": "path" if self.config.is_path_style else "auto"},
                # Servers other than AWS don't all know the newer checksums.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

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
        with as_os_errors(path):
            return cast(BinaryIO, smart_open.s3.open(bucket, key, "rb", client=self.client))

    def read(self, path: str) -> bytes | None:
        bucket, key = split(path)
        try:
            with as_os_errors(path):
                return self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        except FileNotFoundError:
            return None

    def create(self, path: str, content: bytes) -> bool:
        """Whoever is refused may have been refused by a PUT of their own whose answer was lost: each has its mark."""
        bucket, key = split(path)
        mark = uuid.uuid4().hex
        for _ in range(ATTEMPTS):
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
        raise OSError(errno.EAGAIN, f"others kept writing it through {ATTEMPTS} attempts", path)

    def _mark_of(self, path: str) -> str | None:
        bucket, key = split(path)
        try:
            with as_os_errors(path):
                return self.client.head_object(Bucket=bucket, Key=key)["Metadata"].get(MARK)
        except FileNotFoundError:
            return None

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
        try:
            with as_os_errors(folder):
                pages = self.client.get_paginator("list_objects_v2").paginate(
                    Bucket=bucket, Prefix=prefix, Delimiter="/"
                )
                for page in pages:
                    found.update(entry["Key"].removeprefix(prefix) for entry in page.get("Contents", []))
                    found.update(entry["Prefix"].removeprefix(prefix) for entry in page.get("CommonPrefixes", []))
        except FileNotFoundError:
            return []
        return sorted({name.rstrip("/") for name in found} - {""})

    def make_folder(self, folder: str) -> None:
        """An empty object whose name ends with a slash, as Hadoop makes it: Spark wants to see what it watches."""
        bucket, key = split(f"{folder}/")
        with as_os_errors(folder):
            if not self.client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("KeyCount"):
                self.client.put_object(Bucket=bucket, Key=key, Body=b"")

    def files(self, folder: str, *, is_overlooked: Callable[[str], bool]) -> dict[str, FileStatus]:
        bucket, prefix = split(f"{folder}/")
        found: dict[str, FileStatus] = {}
        is_there = False
        with as_os_errors(folder):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for entry in page.get("Contents", []):
                    is_there = True
                    name = entry["Key"].removeprefix(prefix)
                    if name and not name.endswith("/") and not any(map(is_overlooked, name.split("/"))):
                        found[f"{folder}/{name}"] = as_status(entry["Size"], entry["LastModified"])
        if not is_there:
            raise FileNotFoundError(errno.ENOENT, "there is no such folder", folder)
        return found


def split(path: str) -> tuple[str, str]:
    """Bucket and key of s3a://bucket/key."""
    bucket, _, key = path.removeprefix(S3_SCHEME).partition("/")
    return bucket, key


def as_status(length: int, modified: datetime) -> FileStatus:
    return FileStatus(length=length, modified_milliseconds=round(modified.timestamp() * 1000))


@contextmanager
def as_os_errors(path: str) -> Iterator[None]:
    """boto3's errors as those that a local file would give."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise os_error(error, path) from None


def os_error(error: ClientError | BotoCoreError, path: str) -> OSError:
    if not isinstance(error, ClientError):
        return OSError(errno.EIO, " ".join(str(error).split()), path)
    code, message = code_of(error), error.response["Error"].get("Message", "")
    if code in NOT_THERE:
        return FileNotFoundError(errno.ENOENT, f"S3 has no such thing ({code})", path)
    if code in NOT_ALLOWED:
        return PermissionError(errno.EACCES, f"S3 refused it ({code}): {message}", path)
    return OSError(errno.EIO, f"S3 answered {code}: {message}", path)


def code_of(error: ClientError) -> str:
    return error.response["Error"]["Code"]

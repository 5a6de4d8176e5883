"""An S3 object open for reading, whose errors are FileNotFoundError and StorageError."""

import io
from typing import TYPE_CHECKING, BinaryIO, cast

import smart_open.s3

from penstock.storage.s3_errors import as_os_errors

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from mypy_boto3_s3 import S3Client

#: No more is read ahead: of most files admission wants the header, or the footer, alone.
BUFFER_BYTES = 64 * 1024


class S3Reading(io.RawIOBase):
    """Wraps smart_open's reader: each seek and, after a broken body, each read sends a request, which may fail."""

    def __init__(self, client: "S3Client", bucket: str, key: str, *, path: str) -> None:
        self.path = path
        with as_os_errors(path):
            self._file = smart_open.s3.open(bucket, key, "rb", buffer_size=BUFFER_BYTES, client=client)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        with as_os_errors(self.path):
            return self._file.readinto(buffer)

    def readall(self) -> bytes:
        with as_os_errors(self.path):
            return self._file.read()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        with as_os_errors(self.path):
            return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        # Python also closes objects that are garbage-collected, even if __init__ failed.
        if "_file" in vars(self):
            self._file.close()
        super().close()


def open_s3(client: "S3Client", bucket: str, key: str, *, path: str) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(S3Reading(client, bucket, key, path=path), BUFFER_BYTES))

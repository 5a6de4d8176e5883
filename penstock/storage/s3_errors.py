"""Translates errors of boto3, botocore and smart_open into FileNotFoundError and StorageError."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from penstock.errors import StorageError

#: Only S3 itself returns these for a key; a bare "404" may come from a gateway without a server behind it.
NO_SUCH_KEY, NO_SUCH_BUCKET = "NoSuchKey", "NoSuchBucket"
NOT_ALLOWED = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "403")


@contextmanager
def as_os_errors(path: str) -> Iterator[None]:
    """Raises FileNotFoundError if S3 has no such key, StorageError for all other errors."""
    try:
        yield
    except (ClientError, BotoCoreError, HTTPError) as error:
        raise os_error(error, path) from None
    except OSError as error:
        # smart_open's: it wraps botocore's error, or reports that it gave up reading.
        raise os_error(getattr(error, "backend_error", error), path) from None


def os_error(error: Exception, path: str) -> OSError:
    if not isinstance(error, ClientError):
        problem = " ".join(str(error).split()).rstrip(".")
        message = f"S3 was not reached: {problem}; check s3.endpoint, network and credentials, then start again"
        return StorageError(errno.EIO, message, path)
    code, message = code_of(error), error.response["Error"].get("Message", "")
    if code == NO_SUCH_KEY:
        return FileNotFoundError(errno.ENOENT, f"S3 has no such thing ({code})", path)
    if code == NO_SUCH_BUCKET:
        return StorageError(errno.ENOENT, f"S3 has no such thing ({code}); check the bucket and s3.endpoint", path)
    if code in NOT_ALLOWED:
        text = (
            f"S3 refused it ({code}): {message}; check the credentials and what they may do with the bucket and its "
            "KMS key, then start again"
        )
        return StorageError(errno.EACCES, text, path)
    return StorageError(errno.EIO, f"S3 answered {code}: {message}; check the server, then start again", path)


def code_of(error: ClientError) -> str:
    return error.response["Error"]["Code"]

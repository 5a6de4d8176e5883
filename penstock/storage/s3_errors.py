"""What boto3, botocore and smart_open raise, as the errors of a local file or as trouble with the store."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from penstock.errors import StorageError

#: Only S3 itself says so of a key; "404" alone may come from a gateway that has no server behind it.
NO_SUCH_KEY, NO_SUCH_BUCKET = "NoSuchKey", "NoSuchBucket"
NOT_ALLOWED = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "403")


@contextmanager
def as_os_errors(path: str) -> Iterator[None]:
    """Raises FileNotFoundError where S3 has no such key, StorageError for all else."""
    try:
        yield
    except (ClientError, BotoCoreError, HTTPError) as error:
        raise os_error(error, path) from None
    except OSError as error:
        # smart_open's: it has botocore's error within, or tells that it gave up reading.
        raise os_error(getattr(error, "backend_error", error), path) from None


def os_error(error: Exception, path: str) -> OSError:
    if not isinstance(error, ClientError):
        problem = " ".join(str(error).split()).rstrip(".")
        told = f"S3 was not reached: {problem}; check s3.endpoint, network and credentials, then start again"
        return StorageError(errno.EIO, told, path)
    code, message = code_of(error), error.response["Error"].get("Message", "")
    if code == NO_SUCH_KEY:
        return FileNotFoundError(errno.ENOENT, f"S3 has no such thing ({code})", path)
    if code == NO_SUCH_BUCKET:
        return StorageError(errno.ENOENT, f"S3 has no such thing ({code}); check the bucket and s3.endpoint", path)
    if code in NOT_ALLOWED:
        told = (
            f"S3 refused it ({code}): {message}; check the credentials and what they may do with the bucket and its "
            "KMS key, then start again"
        )
        return StorageError(errno.EACCES, told, path)
    return StorageError(errno.EIO, f"S3 answered {code}: {message}; check the server, then start again", path)


def code_of(error: ClientError) -> str:
    return error.response["Error"]["Code"]

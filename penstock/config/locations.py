"""Validates locations in a config and normalises them."""

import os
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

S3_SCHEME = "s3a://"


def absolute_location(path: str) -> str:
    """A local path resolved against the current directory, or an S3 URI (s3://bucket/key or s3a://) as s3a://."""
    if not path.strip():
        raise ValueError("is empty; name a folder")
    scheme = urlsplit(path).scheme
    if scheme in ("s3", "s3a"):
        return s3_location(path)
    if len(scheme) > 1 and scheme != "file":
        raise ValueError(f"the scheme {scheme!r} is not supported; use a local folder, or s3a://bucket/folder")
    return os.path.abspath(urlsplit(path).path if scheme == "file" else path)  # noqa: PTH100


def s3_location(path: str) -> str:
    bucket, _, key = path.partition("://")[2].rstrip("/").partition("/")
    if not bucket or not key or "//" in key:
        raise ValueError(f"expected s3a://bucket/folder, found {path!r}")
    return f"{S3_SCHEME}{bucket}/{key}"


def is_on_s3(location: str) -> bool:
    """location: normalised."""
    return location.startswith(S3_SCHEME)


#: In a config: a text, normalised.
Location = Annotated[str, AfterValidator(absolute_location)]

"""Is S3 there, may we write, and does it keep the one promise that everything rests on?"""

import uuid

from penstock.errors import EnvironmentCheckError
from penstock.storage.files import Storage


def check_s3_folder(storage: Storage, folder: str, *, write: bool) -> str:
    """Raises EnvironmentCheckError."""
    try:
        storage.make_folder(folder)
        if write:
            check_conditional_writes(storage, folder)
    except OSError as error:
        raise EnvironmentCheckError(f"{folder} can't be used: {error.strerror}") from None
    return f"{folder} is {'writable, and takes each name once' if write else 'readable'}"


def check_conditional_writes(storage: Storage, folder: str) -> None:
    """Two PUTs of one key with If-None-Match: a server that takes both would lose commits without a word.

    Raises EnvironmentCheckError.
    """
    scratch = f"{folder}/_penstock_probe_{uuid.uuid4().hex}"
    try:
        if not storage.create(scratch, b"first"):
            raise EnvironmentCheckError(
                f"{folder}: this S3 server refused a conditional PUT of a new key, so it is unknown whether it "
                "keeps If-None-Match; start again, and use another server if it stays so"
            )
        if not storage.create(scratch, b"second"):
            return
    finally:
        storage.delete(scratch)
    raise EnvironmentCheckError(
        f"{folder}: this S3 server ignores If-None-Match: it took two conditional PUTs of one key, where the second "
        "must fail. Two writers would overwrite each other's commits there; use a server that keeps it (AWS, MinIO, "
        "Ceph, versitygw)"
    )

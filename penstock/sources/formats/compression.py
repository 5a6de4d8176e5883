"""Text files as bytes: which compressions Spark unpacks, and how much of a file admission looks at."""

import gzip
import posixpath
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from penstock.storage.files import Storage

CHUNK_BYTES = 1 << 20
#: Admission looks at this much of a text file, if it must.
HEADER_BYTES = 1 << 20
#: Most headers are whole within this; on S3 every byte is sent.
FIRST_BYTES = 1 << 16
UTF8_MARK = b"\xef\xbb\xbf"
GZIP = ".gz"
#: Spark unpacks what has one of these endings, or fails with the whole batch where a library for it is missing.
OTHER_COMPRESSIONS = (".bz2", ".deflate", ".lz4", ".snappy", ".zst")
#: A name by which Spark reads a file otherwise than here, as a pattern of Python and of Java.
MISREAD = rf"\.(?!gz$)(?i:{'|'.join(ending[1:] for ending in (GZIP, *OTHER_COMPRESSIONS))})$"


@contextmanager
def opened_text(storage: Storage, path: str) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked where its name ends in `.gz`. Raises OSError; reading may raise DAMAGED_GZIP."""
    with storage.open(path) as file:
        yield cast(BinaryIO, gzip.GzipFile(fileobj=file)) if path.endswith(GZIP) else file


#: What reading `opened_text` raises where the file is no whole gzip file.
DAMAGED_GZIP = (EOFError, zlib.error, gzip.BadGzipFile)


def gzip_reason(error: Exception) -> str:
    return f"file: is not a whole gzip file: {error}"


def name_reasons(path: str) -> list[str]:
    """Why a file of this name would be read otherwise by Spark than here: Spark goes by the ending, and case counts."""
    if not re.search(MISREAD, path):
        return []
    _, ending = posixpath.splitext(path)
    if ending.lower() == GZIP:
        return [f"file: its name ends in {ending!r}, and only {GZIP!r} is read as gzip; rename it to end in {GZIP!r}"]
    return [
        f"file: its name ends in {ending!r}, a compression that is not read; deliver it as plain text, or as gzip "
        f"under {GZIP!r}"
    ]


def read_head(content: BinaryIO, limit: int, *, is_enough: Callable[[bytes], bool]) -> bytes:
    """The beginning of a text file: FIRST_BYTES, then twice as much each time, until `is_enough`, at most `limit`."""
    head = content.read(min(FIRST_BYTES, limit))
    while head and len(head) < limit and not is_enough(head):
        more = content.read(min(len(head), limit - len(head)))
        if not more:
            break
        head += more
    return head


def chunks(head: bytes, rest: BinaryIO) -> Iterator[bytes]:
    yield head
    while chunk := rest.read(CHUNK_BYTES):
        yield chunk

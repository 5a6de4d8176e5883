"""Text files as bytes: which compressions Spark unpacks, and how much of a file admission looks at."""

import gzip
import io
import posixpath
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from penstock.sources.formats.signatures import any_kind
from penstock.storage.files import Storage

CHUNK_BYTES = 1 << 20
#: Admission looks at this much of a text file, if it must.
HEADER_BYTES = 1 << 20
#: Most headers are whole within this; on S3 every byte is sent.
FIRST_BYTES = 1 << 16
GZIP = ".gz"
GZIP_MARK = b"\x1f\x8b"
#: Little, for what follows a member in it is copied.
PACKED_BYTES = 1 << 16
#: zlib's: a gzip header and trailer are expected, and checked.
GZIP_WINDOW = 16 + zlib.MAX_WBITS
#: Spark unpacks what has one of these endings, or fails with the whole batch where a library for it is missing.
OTHER_COMPRESSIONS = (".bz2", ".deflate", ".lz4", ".snappy", ".zst")
#: A name by which Spark reads a file otherwise than here, as a pattern of Python and of Java.
MISREAD = rf"\.(?!gz$)(?i:{'|'.join(ending[1:] for ending in (GZIP, *OTHER_COMPRESSIONS))})$"


@contextmanager
def opened_text(storage: Storage, path: str) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked where its name ends in `.gz`. Raises OSError; reading may raise DAMAGED_GZIP."""
    with storage.open(path) as file:
        yield unpacked(file) if path.endswith(GZIP) else file


def unpacked(file: BinaryIO) -> BinaryIO:
    """The content of a gzip file. Reading it may raise DAMAGED_GZIP."""
    return cast(BinaryIO, io.BufferedReader(GzipMembers(file), CHUNK_BYTES))


class GzipMembers(io.RawIOBase):
    """Unpacks gzip members that stand one behind the other, and takes nothing else, as Spark's reader does.

    Python's own reader overlooks zeros behind the last member and damaged headers: what it accepts may end a stream.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self.file = file
        self.packed = b""
        self.members = 0
        self.unpacker: Any = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Up to as much as fits into `buffer`; 0 at the end. Raises DAMAGED_GZIP."""
        while self.unpacker is not None or self._begins_member():
            content = self._unpack(len(buffer))
            if content:
                buffer[: len(content)] = content
                return len(content)
        return 0

    def _begins_member(self) -> bool:
        """False at the end of the file, where it may be."""
        self.packed = self.packed or self.file.read(PACKED_BYTES)
        if len(self.packed) < len(GZIP_MARK):
            self.packed += self.file.read(PACKED_BYTES)
        if not self.packed and self.members:
            return False
        if not self.packed.startswith(GZIP_MARK):
            raise gzip.BadGzipFile(self._not_a_member())
        self.unpacker = zlib.decompressobj(GZIP_WINDOW)
        return True

    def _unpack(self, most: int) -> bytes:
        unpacker = self.unpacker
        self.packed = self.packed or self.file.read(PACKED_BYTES)
        is_at_end = not self.packed
        content: bytes = unpacker.decompress(self.packed, most)
        self.packed = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        if unpacker.eof:
            self.unpacker, self.members = None, self.members + 1
        elif is_at_end and not content:
            raise EOFError(f"it ends within {'its content' if not self.members else f'member {self.members + 1}'}")
        return content

    def _not_a_member(self) -> str:
        if not self.members:
            kind = any_kind(self.packed)
            return kind.found if kind else "it does not begin as one"
        found = "zero bytes" if not self.packed.strip(b"\x00") else "bytes that are no gzip"
        return f"{found} stand behind its end, where Spark's reader fails; pack it again: gzip -dc OLD | gzip > NEW"


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

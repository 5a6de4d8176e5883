"""Lines of text files that are too long for Spark: it holds a line in memory several times, whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from penstock.sources.formats.compression import CHUNK_BYTES

#: A longer line refuses its file.
MAX_LINE_BYTES = 16 << 20
#: Most lines end within this.
FIRST_BYTES = 1 << 16


@dataclass
class LineLengths:
    """Whether one of a text's lines is too long; the text comes in chunks."""

    is_too_long: bool = False
    unfinished: int = 0

    def add(self, chunk: bytes) -> None:
        last = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
        if last < 0:
            self.unfinished += len(chunk)
        else:
            # A chunk is shorter than the limit, and so is what lies between two ends in it.
            self.unfinished += min(end for end in (chunk.find(b"\n"), chunk.find(b"\r")) if end >= 0)
            self.is_too_long |= self.unfinished > MAX_LINE_BYTES
            self.unfinished = len(chunk) - 1 - last
        self.is_too_long |= self.unfinished > MAX_LINE_BYTES

    @property
    def reasons(self) -> list[str]:
        return [TOO_LONG] if self.is_too_long else []


TOO_LONG = f"file: has a line of more than {MAX_LINE_BYTES >> 20} MiB, which is not read; has it line ends?"


def long_line_reasons(content: BinaryIO, length: int) -> list[str]:
    """The same of a file that can be read from any place, by a small part of it.

    A line that is too long has one of the places in it that are looked at, with half of the limit without an end behind
    that. Only a file with such a place is read whole.
    """
    step = MAX_LINE_BYTES // 2
    if length <= MAX_LINE_BYTES or not any(has_no_end(content, place, step) for place in range(0, length, step)):
        return []
    content.seek(0)
    lengths = LineLengths()
    for chunk in read_chunks(content):
        lengths.add(chunk)
        if lengths.is_too_long:
            break
    return lengths.reasons


def has_no_end(content: BinaryIO, place: int, most: int) -> bool:
    content.seek(place)
    read, chunk_bytes = 0, FIRST_BYTES
    while read < most and (chunk := content.read(min(chunk_bytes, most - read))):
        if b"\n" in chunk or b"\r" in chunk:
            return False
        read, chunk_bytes = read + len(chunk), CHUNK_BYTES
    return read == most


def read_chunks(content: BinaryIO) -> Iterator[bytes]:
    while chunk := content.read(CHUNK_BYTES):
        yield chunk

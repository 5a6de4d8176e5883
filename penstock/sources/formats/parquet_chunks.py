"""What the footer says of a Parquet file's column chunks: whether Spark can read those of the contract's columns."""

import io
import struct
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

#: What Spark has no codec for. (Arrow calls Hadoop's LZ4 unknown, which Spark has.)
UNREADABLE_CODECS = ("BROTLI", "LZO")
#: What Spark's vectorized reader does not decode.
UNREADABLE_ENCODINGS = ("BYTE_STREAM_SPLIT",)
#: The last millisecond, before or after 1970, that a number of microseconds can tell.
MAX_MILLISECONDS = (2**63 - 1) // 1000
MILLISECONDS = '"timeUnit": "milliseconds"'
#: The end of a file: the length of the footer before it, and PAR1.
TAIL = struct.Struct("<I4s")
#: A nonce and a tag behind the footer.
SIGNATURE_BYTES = 12 + 16


def chunk_reasons(metadata: Any, leaves: Mapping[str, int]) -> list[str]:
    """One reason for each codec, encoding or column that Spark's reader fails on.

    metadata: of pyarrow.parquet. leaves: the places of chunks in a row group, by the columns to be read.
    """
    found: dict[tuple[str, str], str] = {}
    for name, chunk in chunks(metadata, leaves):
        if chunk.compression in UNREADABLE_CODECS:
            found.setdefault(("codec", chunk.compression), name)
        for encoding in set(chunk.encodings).intersection(UNREADABLE_ENCODINGS):
            found.setdefault(("encoding", encoding), name)
        if has_times_out_of_range(metadata, leaves[name], chunk):
            found.setdefault(("times", name), name)
    return [f"schema: column {column!r} {REASONS[what].format(found=value)}" for (what, value), column in found.items()]


REASONS = {
    "codec": "is compressed with {found}, which Spark can't unpack; write it with zstd, snappy or gzip",
    "encoding": "has the encoding {found}, which Spark can't read; write it without (use_byte_stream_split=False)",
    "times": "has times in milliseconds that do not fit into microseconds (to the year 294,247); write them as missing",
}


class FooterReader(io.RawIOBase):
    """A file for pyarrow.parquet, with the end that Arrow reads first: on S3, each look of one's own is a request."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self.file = file
        self.tail = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def read(self, size: int = -1, /) -> bytes:
        content = self.file.read(size)
        self.tail = self.tail or content[-TAIL.size :]
        return content

    def has_encrypted_columns(self, metadata: Any) -> bool:
        """Whether a plain footer has a signature, which those of files with encrypted columns have.

        To ask such a footer for a chunk may end the process: Arrow calls `terminate`.
        """
        footer_length, _ = TAIL.unpack(self.tail)
        return bool(footer_length == metadata.serialized_size + SIGNATURE_BYTES)


def chunks(metadata: Any, leaves: Mapping[str, int]) -> Iterator[tuple[str, Any]]:
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for name, leaf in leaves.items():
            yield name, row_group.column(leaf)


def has_times_out_of_range(metadata: Any, leaf: int, chunk: Any) -> bool:
    """By the statistics, where there are some: Spark multiplies, and ends the batch where that overflows."""
    if MILLISECONDS not in metadata.schema.column(leaf).logical_type.to_json() or not chunk.is_stats_set:
        return False
    statistics = chunk.statistics
    if chunk.physical_type != "INT64" or not statistics.has_min_max:
        return False
    return not -MAX_MILLISECONDS <= statistics.min_raw <= statistics.max_raw <= MAX_MILLISECONDS

"""Spark's xxhash64 in plain Python, over the library xxhash.

Spark's (sql/catalyst, HashExpression and XXH64) hashes one column after the other: XXH64 of its bytes, little-endian,
with the hash of the columns before it as the seed, 42 at first. A null leaves the hash as it is.
"""

import struct
from collections.abc import Iterable
from datetime import UTC, date, datetime

import xxhash

SEED = 42
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Of integers and floating-point numbers: how many bytes Spark takes.
FORMATS = {"tinyint": "<i", "smallint": "<i", "int": "<i", "bigint": "<q", "float": "<f", "double": "<d"}


def spark_xxhash64(columns: Iterable[tuple[str, object]]) -> int:
    """A signed integer of 64 bits. columns: Spark's type and the value, of each."""
    digest = SEED
    for kind, value in columns:
        if value is not None:
            digest = xxhash.xxh64_intdigest(bytes_of(kind, value), seed=digest)
    return digest - (1 << 64) if digest >= 1 << 63 else digest


def bytes_of(kind: str, value: object) -> bytes:
    match kind, value:
        case "string", str():
            return value.encode()
        case "boolean", bool():
            return struct.pack("<i", value)
        case "timestamp", datetime():
            moment = value.replace(tzinfo=value.tzinfo or UTC) - EPOCH
            return struct.pack("<q", (moment.days * 86_400 + moment.seconds) * 1_000_000 + moment.microseconds)
        case "date", date():
            return struct.pack("<i", (value - EPOCH.date()).days)
        case _:
            # 0.0 and -0.0 are equal, and so are their hashes.
            return struct.pack(FORMATS[kind], 0.0 if value == 0 and kind in ("float", "double") else value)

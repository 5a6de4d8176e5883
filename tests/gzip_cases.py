"""Gzip files as programs leave them, and whether Hadoop's reader, which is Spark's, takes them."""

import gzip
import struct
import zlib

LINES, MORE = b"x\n1\n", b"2\n3\n"
DEFLATE, RAW = 8, -15
TEXT, HEADER_CHECKSUM, EXTRA, NAME, COMMENT, RESERVED = 1, 2, 4, 8, 16, 32
END_OF_BGZF = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def header(flags: int, *, method: int = DEFLATE) -> bytes:
    return b"\x1f\x8b" + bytes([method, flags]) + b"\0\0\0\0\0\x03"


def body(content: bytes) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, RAW)
    return deflater.compress(content) + deflater.flush() + struct.pack("<II", zlib.crc32(content), len(content))


CHECKED_HEADER = header(HEADER_CHECKSUM)
CHECKSUM = struct.pack("<H", zlib.crc32(CHECKED_HEADER) & 0xFFFF)

#: With what is in them.
TAKEN: dict[str, tuple[bytes, bytes]] = {
    "plain": (packed(LINES), LINES),
    "two members": (packed(LINES) + packed(MORE), LINES + MORE),
    "many members": (b"".join(packed(line) for line in (b"x\n", *[b"1\n"] * 500)), b"x\n" + b"1\n" * 500),
    "empty first": (packed(b"") + packed(LINES), LINES),
    "empty last": (packed(LINES) + packed(b""), LINES),
    "name": (header(NAME) + b"name.csv\0" + body(LINES), LINES),
    "comment": (header(COMMENT) + b"c\0" + body(LINES), LINES),
    "extra": (header(EXTRA) + b"\x04\0abcd" + body(LINES), LINES),
    "extra, name, comment": (header(EXTRA | NAME | COMMENT) + b"\x04\0abcdn\0c\0" + body(LINES), LINES),
    "text": (header(TEXT) + body(LINES), LINES),
    "checked header": (CHECKED_HEADER + CHECKSUM + body(LINES), LINES),
    "bgzf": (header(EXTRA) + b"\x06\0BC\x02\0\x1b\0" + body(LINES) + END_OF_BGZF, LINES),
}
#: With what the reason names.
REFUSED: dict[str, tuple[bytes, str]] = {
    "one zero": (packed(LINES) + b"\0", "zero bytes"),
    "nine zeros": (packed(LINES) + bytes(9), "zero bytes"),
    "padded to a block": (packed(LINES) + bytes(512), "zero bytes"),
    "padded by far": (packed(LINES) + bytes(3_000_000), "zero bytes"),
    "zeros between": (packed(LINES) + bytes(100) + packed(MORE), "bytes that are no gzip"),
    "garbage": (packed(LINES) + b"garbage garbage", "bytes that are no gzip"),
    "a line end": (packed(LINES) + b"\n", "bytes that are no gzip"),
    "half a mark": (packed(LINES) + b"\x1f", "bytes that are no gzip"),
    "only a mark": (packed(LINES) + b"\x1f\x8b", "ends within member 2"),
    "cut off in the second": (packed(LINES) + packed(MORE)[:-6], "ends within member 2"),
    "cut off in a header": (packed(LINES) + packed(MORE)[:7], "ends within member 2"),
    "cut off in the trailer": (packed(LINES)[:-3], "ends within its content"),
    "cut off": (packed(LINES * 1000)[:20], "ends within its content"),
    "cut off in the first header": (header(0)[:9], "ends within its content"),
    "cut off in a name": (header(NAME) + b"abc", "ends within its content"),
    "wrong checksum": (packed(LINES)[:-8] + b"abcd" + packed(LINES)[-4:], "incorrect data check"),
    "wrong length": (packed(LINES)[:-4] + b"\xff\0\0\0", "incorrect length check"),
    "wrong checksum in the second": (packed(LINES) + packed(MORE)[:-8] + b"abcd" + packed(MORE)[-4:], "incorrect data"),
    "reserved flag": (header(RESERVED) + body(LINES), "unknown header flags"),
    "wrong header checksum": (CHECKED_HEADER + b"\0\0" + body(LINES), "header crc mismatch"),
    "other method": (header(0, method=7) + body(LINES), "unknown compression method"),
    "not packed": (LINES, "it is text"),
    "a zip archive": (b"PK\x03\x04" + bytes(30), "it is a zip archive"),
}

"""What a file is by its first bytes, where that is not what its name says."""

import re
from dataclasses import dataclass

#: How much of a file that can't be read tells what it is.
HEAD_BYTES = 4096
UTF8_MARK = b"\xef\xbb\xbf"
#: How much of a file tells UTF-16 without a mark.
SAMPLE_BYTES = 512
#: Of the bytes that carry the characters of Latin text in UTF-16 and UTF-32, at least this share is not zero.
MIN_TEXT_SHARE = 0.7


@dataclass(frozen=True)
class Kind:
    """name: what the file is, with its article. remedy: what its sender has to do."""

    name: str
    remedy: str

    def reason(self, wanted: str) -> str:
        return f"file: is {self.name}, not {wanted}; {self.remedy}"

    @property
    def found(self) -> str:
        """For behind the reason that a file can't be read."""
        return f"it is {self.name}; {self.remedy}"


UNPACK = "unpack it and deliver what is in it"
EXPORT = "export it as CSV in UTF-8, or as Parquet"
SHEET = "save each sheet as CSV in UTF-8"
CONVERT = "save it as UTF-8"
ERROR_PAGE = "look into it: it may be the error page of a failed download; deliver the data"
RENAME = "rename it, so that its name tells its format"

GZIP_FILE = Kind(
    "a gzip file", "deliver it under a name that ends in '.gz' if CSV or JSON lines are in it; else unpack it"
)
ZIP_FILE = Kind("a zip archive", UNPACK)
WORKBOOK = Kind("an Excel workbook (xlsx)", SHEET)
DOCUMENT = Kind("an OpenDocument file (ods)", SHEET)
PARQUET_FILE = Kind("a Parquet file", "rename it to end in '.parquet'")
ENCRYPTED = Kind("an encrypted Parquet file", "deliver it unencrypted: there are no keys here")
TAR_FILE = Kind("a tar archive", UNPACK)
HTML_PAGE = Kind("an HTML page", ERROR_PAGE)
XML_FILE = Kind("an XML file", f"{ERROR_PAGE} as CSV, JSON lines or Parquet")
JSON_ARRAY = Kind("JSON, an array", "deliver JSON lines (one object a line, without commas between) as '.jsonl'")
JSON_OBJECTS = Kind("JSON", "rename it to end in '.jsonl' if it has one object a line")
TEXT = Kind("text", "rename it to end in '.csv' or '.jsonl', or write it as Parquet")
ZEROS = Kind("nothing but zero bytes", "deliver it again: a full disk or a power cut leaves such files")

PDF = b"%PDF-"
#: By how a file begins.
SIGNATURES: tuple[tuple[bytes, Kind], ...] = (
    (b"PAR1", PARQUET_FILE),
    (b"PARE", ENCRYPTED),
    (b"\x1f\x8b\x08", GZIP_FILE),
    (b"PK\x03\x04", ZIP_FILE),
    (b"PK\x05\x06", ZIP_FILE),
    (b"PK\x07\x08", ZIP_FILE),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind("an old Excel or Office file (xls)", SHEET)),
    (b"\x28\xb5\x2f\xfd", Kind("a Zstandard file (zst)", UNPACK)),
    (b"BZh", Kind("a bzip2 file", UNPACK)),
    (b"\xfd7zXZ\x00", Kind("an xz file", UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", Kind("a 7z archive", UNPACK)),
    (b"Rar!\x1a\x07", Kind("a RAR archive", UNPACK)),
    (b"\x04\x22\x4d\x18", Kind("an LZ4 file", UNPACK)),
    (b"\xff\x06\x00\x00sNaPpY", Kind("a Snappy file", UNPACK)),
    (b"Obj\x01", Kind("an Avro file", EXPORT)),
    (b"ORC", Kind("an ORC file", EXPORT)),
    (b"ARROW1", Kind("an Arrow or Feather file", EXPORT)),
    (b"FEA1", Kind("a Feather file", EXPORT)),
    (b"SQLite format 3\x00", Kind("an SQLite database", EXPORT)),
    (b"\x89HDF\r\n\x1a\n", Kind("an HDF5 file", EXPORT)),
    (b"\x93NUMPY", Kind("a NumPy file", EXPORT)),
    (PDF, Kind("a PDF file", EXPORT)),
    (b"\x89PNG\r\n", Kind("an image (PNG)", EXPORT)),
    (b"\xff\xd8\xff", Kind("an image (JPEG)", EXPORT)),
    (b"GIF8", Kind("an image (GIF)", EXPORT)),
    *((b"\x80" + bytes([protocol]), Kind("a Python pickle", EXPORT)) for protocol in range(2, 6)),
)
OFFICE_PART = re.compile(rb"PK\x03\x04.{26}(\[Content_Types\]\.xml|_rels/|docProps/|xl/)", re.DOTALL)
OPEN_DOCUMENT = re.compile(rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis\.opendocument", re.DOTALL)
TAR_MARK_AT, TAR_MARK = 257, b"ustar"
#: UTF-32 begins with the mark of UTF-16.
UNICODE_MARKS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
#: By the bytes of a character that are zero in Latin text, and the one that is not.
UNICODE_SHAPES = (("UTF-32", 4, 0), ("UTF-32", 4, 3), ("UTF-16", 2, 0), ("UTF-16", 2, 1))
HTML = re.compile(rb"\s*<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)
XML = re.compile(rb"\s*<(\?xml\b|[A-Za-z][\w:.-]*(\s[^<>]*)?/?>)")
ARRAY = re.compile(rb'\s*\[\s*([{\["\]\d-]|true|false|null)')
OBJECT = re.compile(rb'\s*\{\s*("|\})')


def binary_kind(head: bytes) -> Kind | None:
    """What a file is that begins with these bytes; None for what may be text in an encoding of one byte or in UTF-8."""
    for beginning, kind in SIGNATURES:
        if head.startswith(beginning) and is_of_kind(beginning, head):
            return kind_of_zip(head) if kind is ZIP_FILE else kind
    if head[TAR_MARK_AT : TAR_MARK_AT + len(TAR_MARK)] == TAR_MARK and b"\x00" in head[:TAR_MARK_AT]:
        return TAR_FILE
    if head and not head.strip(b"\x00"):
        return ZEROS
    encoding = unicode_encoding(head)
    return Kind(f"text in {encoding}", CONVERT) if encoding else None


def is_of_kind(beginning: bytes, head: bytes) -> bool:
    """A header of CSV may begin with ORC, PAR1 or BZh, too: such a beginning counts where no text follows."""
    return beginning == PDF or not beginning.isascii() or not looks_like_text(head[:SAMPLE_BYTES])


def kind_of_zip(head: bytes) -> Kind:
    if OPEN_DOCUMENT.match(head):
        return DOCUMENT
    return WORKBOOK if OFFICE_PART.match(head) else ZIP_FILE


def unicode_encoding(head: bytes) -> str | None:
    """UTF-16 or UTF-32, by its mark or by where it has zeros."""
    marked = next((name for mark, name in UNICODE_MARKS if head.startswith(mark)), None)
    if marked:
        return marked
    sample = head[:SAMPLE_BYTES]
    return next((name for name, width, at in UNICODE_SHAPES if has_shape(sample, width=width, at=at)), None)


def has_shape(sample: bytes, *, width: int, at: int) -> bool:
    """Whether of every `width` bytes nearly only the one at `at` is other than zero."""
    characters = len(sample) // width
    if characters < 2:
        return False
    lanes = [sample[lane : characters * width : width] for lane in range(width)]
    filled = [characters - lane.count(0) for lane in lanes]
    others = sum(filled) - filled[at]
    return filled[at] >= MIN_TEXT_SHARE * characters and others <= (1 - MIN_TEXT_SHARE) * characters


def markup_kind(head: bytes) -> Kind | None:
    """HTML or XML, which a header of CSV hardly looks like."""
    text = head.removeprefix(UTF8_MARK)
    if HTML.match(text):
        return HTML_PAGE
    return XML_FILE if XML.match(text) else None


def json_kind(head: bytes) -> Kind | None:
    text = head.removeprefix(UTF8_MARK)
    if ARRAY.match(text):
        return JSON_ARRAY
    return JSON_OBJECTS if OBJECT.match(text) else None


def any_kind(head: bytes) -> Kind | None:
    """The kind of a file of which nothing is known: binary, marked up, JSON, or text of another kind."""
    known = binary_kind(head) or markup_kind(head) or json_kind(head)
    if known is not None or not head:
        return known
    return TEXT if looks_like_text(head[:SAMPLE_BYTES]) else None


def looks_like_text(sample: bytes) -> bool:
    return not re.search(rb"[\x00-\x08\x0e-\x1f]", sample)

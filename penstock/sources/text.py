"""Text of files as Spark expressions: decoded, checked for bytes that are no text, and kept printable."""

from pyspark.sql import Column
from pyspark.sql import functions as F

#: The reason against a row in a binary format with such text: its bytes can't be restored from what is kept.
DAMAGED_TEXT = "row: text that is not valid UTF-8"
DAMAGED_BYTES = "row: bytes that are not valid "
MAX_CHARACTERS = 2**31 - 1
REPLACEMENT_CHARACTER = "\ufffd"


def has_text(line: Column) -> Column:
    """A line that is a row, or the header: one that is not blank. Hardly any begins with a blank and has to be trimmed
    for it."""
    return (line >= "!") | (F.length(F.btrim(line, F.lit(" \t"))) > 0)


def decoded(content: Column, encoding: str) -> Column:
    """Bytes as text. UTF-8 and ASCII keep their bytes as they are, so that invalid ones can still be seen."""
    if encoding == "ISO-8859-1":
        return F.decode(content.cast("binary"), "ISO-8859-1")
    return content.cast("string")


def has_damaged_text(text: Column, encoding: str = "UTF-8") -> Column:
    """Bytes that are no UTF-8, or the character that another program left in place of such bytes; under US-ASCII, any
    character that has more than one byte."""
    is_damaged = ~F.is_valid_utf8(text) | text.contains(REPLACEMENT_CHARACTER)
    return is_damaged | (F.octet_length(text) > F.char_length(text)) if encoding == "US-ASCII" else is_damaged


def printable(text: Column) -> Column:
    """Damaged text with every byte above 127, and the backslash, as \\xNN: nothing is lost, and it is valid UTF-8."""

    def escaped(character: Column) -> Column:
        code = F.ascii(character)
        hexadecimal = F.concat(F.lit("\\x"), F.lower(F.lpad(F.hex(code), 2, "0")))
        return F.when((code > 127) | (character == "\\"), hexadecimal).otherwise(character)

    one_character_a_byte = F.decode(text.cast("binary"), "ISO-8859-1")
    return F.array_join(F.transform(F.split(one_character_a_byte, ""), escaped), "")


def unprintable(text: Column) -> Column:
    """The bytes that `printable` made `text` from."""

    def hexadecimal(part: Column, index: Column) -> Column:
        escaped = F.concat(F.substring(part, 1, 2), F.hex(F.substring(part, 3, MAX_CHARACTERS)))
        return F.when(index == 0, F.hex(part)).otherwise(escaped)

    return F.unhex(F.array_join(F.transform(F.split(text, r"\\x"), hexadecimal), ""))


def restored_line(raw: Column, reasons: Column, encoding: str) -> Column:
    """A line of the quarantine as it was in its file: damaged text is kept escaped, and here gets its bytes back."""
    is_damaged = F.exists(reasons, lambda reason: reason.startswith(DAMAGED_BYTES))
    return F.when(is_damaged, decoded(unprintable(raw), encoding)).otherwise(raw)

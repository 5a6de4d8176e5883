"""Normalises paths. Spark has four spellings: the file log and _metadata.file_path are URL-encoded, binaryFile's path
is not, and `spark.read` takes a glob.

The normal form is what a user types: `/data/a[1].csv` for a local file, `s3a://bucket/a b.csv` elsewhere.
"""

from urllib.parse import unquote

GLOB_CHARACTERS = "\\*?[]{},"


def normal_path(encoded: str) -> str:
    """The normal form of a URL-encoded path or URI as Spark logs it (`file:///a%20b.csv` -> `/a b.csv`)."""
    return without_file_scheme(unquote(encoded))


def without_file_scheme(path: str) -> str:
    if not path.startswith("file:"):
        return path
    return "/" + path.removeprefix("file:").lstrip("/")


def literal_glob(path: str) -> str:
    """`path` for `spark.read`, with every glob metacharacter escaped."""
    return "".join("\\" + character if character in GLOB_CHARACTERS else character for character in path)

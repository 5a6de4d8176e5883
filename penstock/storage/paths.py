"""Normalises paths. Spark has four spellings: the file log and _metadata.file_path are URL-encoded, binaryFile's path
is not, and `spark.read` takes a glob.

The normal form is what a user types: `/data/a[1].csv` for a local file, `s3a://bucket/a b.csv` elsewhere.
"""

from urllib.parse import unquote

from pyspark.sql import Column
from pyspark.sql import functions as F

REST = 2**31 - 1
GLOB_CHARACTERS = "\\*?[]{},"


def normal_path(encoded: str) -> str:
    """The normal form of a URL-encoded path or URI as Spark logs it (`file:///a%20b.csv` -> `/a b.csv`)."""
    return without_file_scheme(unquote(encoded))


def without_file_scheme(path: str) -> str:
    if not path.startswith("file:"):
        return path
    return "/" + path.removeprefix("file:").lstrip("/")


def normal_path_column(encoded: Column) -> Column:
    """`normal_path` as a native expression over `_metadata.file_path`. Only encoded names are decoded."""
    # url_decode decodes forms, where '+' is a space; in a path it is a literal '+'.
    decoded = F.url_decode(F.replace(encoded, F.lit("+"), F.lit("%2B")))
    path = F.when(encoded.contains("%"), decoded).otherwise(encoded)
    # A regular expression for both spellings would cost as much as writing the row.
    without_slashes = F.substring(path, len("file:///"), REST)
    without_slash = F.substring(path, len("file:/"), REST)
    return (
        F.when(path.startswith("file:///"), without_slashes)
        .when(path.startswith("file:/"), without_slash)
        .otherwise(path)
    )


def literal_glob(path: str) -> str:
    """`path` for `spark.read`, with every glob metacharacter escaped."""
    return "".join("\\" + character if character in GLOB_CHARACTERS else character for character in path)

"""`normal_path` of penstock.storage.paths, as a column."""

from pyspark.sql import Column
from pyspark.sql import functions as F

REST = 2**31 - 1


def normal_path_column(encoded: Column) -> Column:
    """`normal_path` as a native expression over `_metadata.file_path`. Only encoded names pay for the decoding."""
    # url_decode is for forms, where '+' is a space; in a path it is itself.
    decoded = F.url_decode(F.replace(encoded, F.lit("+"), F.lit("%2B")))
    path = F.when(encoded.contains("%"), decoded).otherwise(encoded)
    # A pattern for both ways of writing it would cost as much as writing the row.
    without_slashes = F.substring(path, len("file:///"), REST)
    without_slash = F.substring(path, len("file:/"), REST)
    return (
        F.when(path.startswith("file:///"), without_slashes)
        .when(path.startswith("file:/"), without_slash)
        .otherwise(path)
    )

"""The file formats that Penstock reads: a new one is a module here, and a line of FORMATS."""

import re

from pyspark.sql import Column
from pyspark.sql import functions as F

from penstock.sources.formats.csv import Csv
from penstock.sources.formats.json import JsonLines
from penstock.sources.formats.parquet import Parquet
from penstock.sources.formats.protocol import Format
from penstock.spark.functions import any_of

FORMATS: dict[str, Format] = {format.name: format for format in (Csv(), JsonLines(), Parquet())}


def format_of(path: str, *, default: str) -> Format:
    """The ending of a file's name decides; a name without a known ending has the pipeline's format, `default`."""
    name = path.lower()
    return next((known for known in FORMATS.values() if name.endswith(known.endings)), FORMATS[default])


def is_of(wanted: Format, path: Column, *, default: str) -> Column:
    """The same of a column of paths: whether they are read in the format `wanted`."""
    if wanted.name != default:
        return has_ending(path, wanted)
    return ~any_of([has_ending(path, other) for other in FORMATS.values() if other.name != default])


def has_ending(path: Column, known: Format) -> Column:
    return F.lower(path).rlike(f"({'|'.join(map(re.escape, known.endings))})$")

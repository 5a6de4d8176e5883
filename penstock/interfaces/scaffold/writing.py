"""Writes the three files of a new pipeline: contract, config, and the sample without its target."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from penstock.config.csv_dialect import CsvDialect
from penstock.errors import ConfigError
from penstock.sources.formats.signatures import UTF8_MARK
from penstock.sources.inference.dialect import cut_records, reader_options
from penstock.sources.inference.json_lines import write_lines_without
from penstock.sources.inference.sample import Sample, opened_bytes

ROWS_AT_ONCE = 100_000


@dataclass(frozen=True, kw_only=True)
class NewFile:
    """A file to create: its path below the folder, and its writer."""

    path: Path
    write: Callable[[Path], None]


def text_file(path: Path, text: str) -> NewFile:
    def write(place: Path) -> None:
        place.write_text(text, encoding="utf-8", newline="\n")

    return NewFile(path=path, write=write)


def write_all(folder: Path, files: Sequence[NewFile], *, force: bool) -> None:
    """Write every file, or none if one exists already and force is not given. Raises ConfigError."""
    existing = [str(file.path) for file in files if (folder / file.path).exists()]
    if existing and not force:
        raise ConfigError(
            f"{', '.join(existing)}: there already; choose another NAME, or give --force to write over "
            f"{'it' if len(existing) == 1 else 'them'}"
        )
    for file in files:
        place = folder / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        # Renamed at the end: the sample may be this very file, or the disk may be full.
        part = place.with_name(f".{place.name}.part")
        try:
            file.write(part)
            part.replace(place)
        finally:
            part.unlink(missing_ok=True)


def sample_without(sample: Sample, target: str | None, path: Path) -> NewFile:
    """A copy of the sample, all its rows, without the column `target`."""
    if sample.format == "parquet":
        return NewFile(path=path, write=lambda place: copy_parquet(sample.path, place, target))
    if sample.format == "json":
        return NewFile(path=path, write=lambda place: copy_json(sample.path, place, target))
    return NewFile(path=path, write=lambda place: copy_csv(sample.path, place, target, sample.dialect))


def copy_parquet(source: Path, place: Path, target: str | None) -> None:
    with pq.ParquetFile(source) as file:
        columns = [name for name in file.schema_arrow.names if name != target]
        schema = file.schema_arrow
        with pq.ParquetWriter(place, pa.schema([schema.field(name) for name in columns])) as writer:
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=columns):
                writer.write_batch(batch)


def copy_json(source: Path, place: Path, target: str | None) -> None:
    with opened_bytes(source) as file, place.open("wb") as copy:
        write_lines_without(file, target, copy)


def copy_csv(source: Path, place: Path, target: str | None, dialect: CsvDialect) -> None:
    """Byte by byte, or without the target's field of each row. Bytes that are not of the encoding are preserved."""
    with opened_bytes(source) as file, place.open("wb") as copy:
        if target is None:
            while chunk := file.read(1 << 20):
                copy.write(chunk)
            return
        # Blanks are trimmed from text: in bytes, \x85 and \xa0 may be the end of a letter.
        text = partial(io.TextIOWrapper, encoding=dialect.encoding, errors="surrogateescape")
        with text(copy, newline="") as out:
            write_without(target, text(file, newline=None), out, dialect)


def write_without(target: str, lines: TextIO, out: TextIO, dialect: CsvDialect) -> None:
    """Lines above the header stay. Rows with malformed quotes are left out: their target field can't be located."""
    options = reader_options(dialect) | {"lineterminator": "\n"}
    writer = csv.writer(out, **options)
    position: int | None = None
    unmarked = without_mark(lines, dialect.encoding)
    out.writelines(islice(unmarked, dialect.skip_lines))
    for fields in cut_records(unmarked, dialect.model_copy(update={"skip_lines": 0})):
        if fields is None:
            continue
        if position is None:
            position = fields.index(target)
        writer.writerow([field for index, field in enumerate(fields) if index != position])


def without_mark(lines: TextIO, encoding: str) -> Iterator[str]:
    """The lines without a UTF-8 byte order mark, after which a quote would not be recognised."""
    mark = UTF8_MARK.decode(encoding, errors="surrogateescape")
    for number, line in enumerate(lines):
        yield line if number else line.removeprefix(mark)

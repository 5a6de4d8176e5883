"""Files of every kind of bad input, and what each of them costs."""

import bz2
import gzip
import io

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sandbox import HEADER, WINE, csv_file, csv_line, wine

from penstock.schemas.wine import MEASUREMENTS
from penstock.sources.formats.compression import OTHER_COMPRESSIONS

PERMUTED = tuple(reversed(MEASUREMENTS))
WITHOUT_ALCOHOL = tuple(name for name in MEASUREMENTS if name != "alcohol")
GOOD = csv_line(WINE)


def lines(*texts: str) -> bytes:
    return ("\n".join([HEADER, *texts]) + "\n").encode()


def with_alcohol(text: str) -> str:
    return csv_line(wine(alcohol=text))


def parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), buffer)
    return buffer.getvalue()


PARQUET = parquet(pd.DataFrame([WINE, WINE]))

FILES: dict[str, bytes] = {
    "good.csv": lines(GOOD, GOOD, GOOD),
    "permuted.csv": csv_file(WINE, header=PERMUTED),
    "missing.csv": csv_file(WINE, header=WITHOUT_ALCOHOL),
    "extra.csv": csv_file({**WINE, "comment": "fine"}, header=(*MEASUREMENTS, "comment")),
    "doubled.csv": csv_file(WINE, header=(*MEASUREMENTS, "alcohol")),
    "zero_bytes.csv": b"",
    "header_only.csv": lines(),
    "blank_lines.csv": lines("", GOOD, "", "  "),
    "short_row.csv": lines("1,2,3", GOOD),
    "long_row.csv": lines(GOOD + ",1,2", GOOD),
    "text.csv": lines(with_alcohol("abc")),
    "null.csv": lines(with_alcohol("")),
    "odd_numbers.csv": lines(*map(with_alcohol, ["Infinity", "7.4f", "0x1p3", "1e400", "NaN", " 9.4", "9.4d", "1_0"])),
    "rule.csv": lines(with_alcohol("-3")),
    "all_reasons.csv": lines(csv_line(wine(alcohol="x", density="y", pH=15))),
    "unclosed.csv": lines(GOOD, '"' + GOOD, GOOD),
    "unclosed_last.csv": lines(with_alcohol('"9.4'), GOOD),
    "byte_order_mark.csv": b"\xef\xbb\xbf" + lines(GOOD),
    "invalid_bytes.csv": lines(GOOD) + GOOD.replace("9.4", "9\xff4").encode("latin-1") + b"\n",
    "replacement_character.csv": lines(with_alcohol("\ufffd")),
    "nul.csv": lines(with_alcohol("9.\0004"), with_alcohol('"9.\0004"'), GOOD),
    "carriage_returns.csv": csv_file(WINE, WINE, end="\r\n"),
    "header_again.csv": lines(GOOD, HEADER, GOOD),
    "quoted.csv": lines(",".join(f'"{value}"' for value in GOOD.split(","))),
    "no_newline_at_end.csv": lines(GOOD).rstrip(b"\n"),
    "sub/folder/deep.csv": lines(GOOD),
    "d=1/partition.csv": lines(GOOD),
    "e=2/f=x/other.csv": lines(GOOD),
    "with space.csv": lines(GOOD),
    "a[1].csv": lines(GOOD),
    "%41.csv": lines(GOOD),
    "{x,y}*?.csv": lines(GOOD),
    "a+b#c&d.csv": lines(GOOD),
    "back\\slash.csv": lines(GOOD),
    "compressed.csv.gz": gzip.compress(lines(GOOD, with_alcohol("abc"))),
    "cut_off.csv.gz": gzip.compress(lines(*[GOOD] * 500))[:-30],
    "not_gzip.csv.gz": lines(GOOD),
    "UPPER.CSV": lines(GOOD),
    "UPPER.CSV.gz": gzip.compress(lines(GOOD)),
    "UPPER.CSV.GZ": gzip.compress(lines(GOOD, GOOD)),
    "plain.csv.GZ": lines(GOOD),
    "packed.csv.bz2": bz2.compress(lines(GOOD)),
    **{f"plain.csv{ending}": lines(GOOD) for ending in OTHER_COMPRESSIONS},
    "good.parquet": PARQUET,
    "UPPER.PARQUET": PARQUET,
    "permuted.parquet": parquet(pd.DataFrame([WINE])[list(PERMUTED)]),
    "nulls.parquet": parquet(pd.DataFrame([WINE, wine(alcohol=None)])),
    "integers.parquet": parquet(pd.DataFrame([wine(alcohol=9)]).astype({"alcohol": "int32"})),
    "text_type.parquet": parquet(pd.DataFrame([WINE]).astype({"alcohol": "str"})),
    "missing.parquet": parquet(pd.DataFrame([WINE])[list(WITHOUT_ALCOHOL)]),
    "cut_off.parquet": PARQUET[:-20],
    "zero_bytes.parquet": b"",
    "not_parquet.parquet": lines(GOOD),
    "not_csv.csv": PARQUET,
}

#: Rows that come out scored, by file; every file that is not here gives none.
SCORED = {
    "good.csv": 3,
    "permuted.csv": 1,
    "extra.csv": 1,
    "blank_lines.csv": 1,
    "short_row.csv": 1,
    "long_row.csv": 1,
    "unclosed.csv": 2,
    "unclosed_last.csv": 1,
    "byte_order_mark.csv": 1,
    "invalid_bytes.csv": 1,
    "nul.csv": 1,
    "carriage_returns.csv": 2,
    "header_again.csv": 2,
    "quoted.csv": 1,
    "no_newline_at_end.csv": 1,
    "sub/folder/deep.csv": 1,
    "d=1/partition.csv": 1,
    "e=2/f=x/other.csv": 1,
    "with space.csv": 1,
    "a[1].csv": 1,
    "%41.csv": 1,
    "{x,y}*?.csv": 1,
    "a+b#c&d.csv": 1,
    "back\\slash.csv": 1,
    "compressed.csv.gz": 1,
    "UPPER.CSV": 1,
    "UPPER.CSV.gz": 1,
    "good.parquet": 2,
    "UPPER.PARQUET": 2,
    "permuted.parquet": 1,
    "nulls.parquet": 1,
    "integers.parquet": 1,
}

NOT_A_DOUBLE = "alcohol: '{}' is not a double"
NULL = "alcohol: is null, and the contract wants a value"
#: The reasons of each quarantined row or file, by file; every file that is not here has none.
REASONS: dict[str, list[list[str]]] = {
    "missing.csv": [["header: column 'alcohol' is missing"]],
    "doubled.csv": [["header: column 'alcohol' stands 2 times"]],
    "zero_bytes.csv": [["file: is empty (0 bytes)"]],
    "short_row.csv": [["row: has 3 fields where the header has 11"]],
    "long_row.csv": [["row: has 13 fields where the header has 11"]],
    "text.csv": [[NOT_A_DOUBLE.format("abc")]],
    "null.csv": [[NULL]],
    "odd_numbers.csv": [
        [NOT_A_DOUBLE.format(text)] for text in ("Infinity", "7.4f", "0x1p3", "1e400", "NaN", " 9.4", "9.4d", "1_0")
    ],
    "rule.csv": [["rule alcohol_in_range: not true: alcohol BETWEEN 0 AND 25"]],
    "all_reasons.csv": [
        ["density: 'y' is not a double", NOT_A_DOUBLE.format("x"), "rule ph_in_range: not true: ph BETWEEN 0 AND 14"]
    ],
    "unclosed.csv": [["row: a quote is opened and never closed"]],
    "unclosed_last.csv": [["row: a quote is opened and never closed"]],
    "invalid_bytes.csv": [["row: bytes that are not valid UTF-8"]],
    "replacement_character.csv": [["row: bytes that are not valid UTF-8"]],
    "nul.csv": [["row: a NUL byte, which no text has"]] * 2,
    "header_again.csv": [["row: is the header line again"]],
    "compressed.csv.gz": [[NOT_A_DOUBLE.format("abc")]],
    "nulls.parquet": [[NULL]],
    "text_type.parquet": [["schema: column 'alcohol' is string, which can't be a double without loss"]],
    "missing.parquet": [["schema: column 'alcohol' is missing"]],
    "zero_bytes.parquet": [["file: is empty (0 bytes)"]],
}
REFUSED_WITH = {
    "cut_off.csv.gz": "file: is not a whole gzip file",
    "not_gzip.csv.gz": "file: is not a whole gzip file",
    "UPPER.CSV.GZ": "file: its name ends in '.GZ'",
    "plain.csv.GZ": "file: its name ends in '.GZ'",
    "packed.csv.bz2": "file: its name ends in '.bz2'",
    **{f"plain.csv{ending}": f"file: its name ends in {ending!r}" for ending in OTHER_COMPRESSIONS},
    "cut_off.parquet": "file: is not a readable Parquet file",
    "not_parquet.parquet": "file: is not a readable Parquet file",
    "not_csv.csv": "file: is a Parquet file, not CSV; rename it",
}

"""Damaged files: CSV, gzipped CSV and Parquet; each is refused whole, or its rows are accounted for."""

import gzip
import io
import random
import zlib
from collections import Counter
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sandbox import Sandbox

from faults.bench import Bench
from faults.fuzz_lines import compare, fuzz_sandbox, put, whole_line
from faults.fuzz_mutation import damaged_file
from faults.fuzz_oracle import COLUMNS, Judged, judge
from faults.result import Fault, Progress, Seen

FILES, ROWS = 15, 200
KINDS = (".csv", ".csv.gz", ".parquet")
#: Before a file's number: what has a meaning in a path, a URI or a glob.
PREFIXES = ("", "", "10:30 ", "s3a:", "%41", "[x]", "{a,b}", "*?", "a#b;c=d&", "back\\slash", "line\nbreak", "é中")
#: Spark has no codec for the first, and no vectorised reader for the encoding.
CODECS = ("brotli", "snappy", "none", "gzip", "zstd", "lz4")
ENCODINGS = ({}, {"x": "BYTE_STREAM_SPLIT"}, {"x": "PLAIN", "name": "DELTA_BYTE_ARRAY"})


@dataclass(frozen=True, kw_only=True)
class FuzzedFile:
    name: str
    content: bytes
    first: int


def fuzzed_file(number: int) -> FuzzedFile:
    chance, first = random.Random(number), (number + 1) * 10_000
    kind = KINDS[number % len(KINDS)]
    if kind == ".parquet":
        whole = parquet(first, compression=chance.choice(CODECS), encodings=chance.choice(ENCODINGS))
    else:
        columns = chance.sample(COLUMNS, len(COLUMNS)) if number % 2 else list(COLUMNS)
        whole = csv_text(first, columns)
    if kind == ".csv.gz":
        whole = gzip.compress(whole, mtime=0)
    return FuzzedFile(name=f"{chance.choice(PREFIXES)}{number}{kind}", content=damaged_file(whole, chance), first=first)


def csv_text(first: int, columns: list[str]) -> bytes:
    if columns == list(COLUMNS):
        return b"\n".join([",".join(COLUMNS).encode(), *[whole_line(first + row) for row in range(ROWS)]]) + b"\n"
    return frame(first)[columns].to_csv(index=False).encode()


def frame(first: int) -> pd.DataFrame:
    ids = range(first, first + ROWS)
    return pd.DataFrame(
        {
            "row_id": ids,
            "name": [f"name {row}" for row in ids],
            "x": [row + 0.25 for row in ids],
            "n": pd.array([row % 7 or None for row in ids], dtype="Int32"),
            "note": [f"note {row}" for row in ids],
        }
    )


def parquet(first: int, *, compression: str, encodings: dict[str, str]) -> bytes:
    file = io.BytesIO()
    table = pa.Table.from_pandas(frame(first), preserve_index=False)
    if encodings:
        # An encoding stands in place of the dictionary.
        pq.write_table(table, file, compression=compression, use_dictionary=False, column_encoding=encodings)
    else:
        pq.write_table(table, file, compression=compression)
    return file.getvalue()


def run(bench: Bench, progress: Progress, times: int) -> Seen:
    """A repetition is a micro-batch of FILES files; a file's number is its seed."""
    sandbox = fuzz_sandbox(bench, "fuzz-files")
    while progress.done * FILES < times:
        files = [fuzzed_file(number) for number in range(progress.done * FILES, (progress.done + 1) * FILES)]
        for number, file in enumerate(files, start=progress.done * FILES):
            put(sandbox, file.name, file.content, number)
        sandbox.run()
        totals: Counter[str] = Counter()
        for file in files:
            totals += account(sandbox, file)
        progress.add(seed=progress.done * FILES, **{key: totals[key] for key in ("refused", "accepted", *BAD)})
    bad = {key: progress.total(key) for key in BAD}
    return Seen(
        seen=f"{progress.done * FILES} files, {progress.total('refused')} refused, {progress.total('accepted'):,} rows "
        "accepted; " + ", ".join(f"{count} {key}" for key, count in bad.items()),
        passed=not any(bad.values()),
    )


BAD = ("unaccounted", "misplaced")


def account(sandbox: Sandbox, file: FuzzedFile) -> Counter[str]:
    refusals = [row for row in sandbox.rows("quarantine", file=file.name) if row.stage == "file"]
    answers = sandbox.rows("predictions", file=file.name)
    if len(refusals) == 1 and not answers:
        return Counter(refused=1)
    if file.name.endswith(".parquet"):
        return account_parquet(sandbox, file)
    expected = judge_text(file)
    if expected is None:
        return Counter(unaccounted=1)
    found = compare(sandbox, file.name, expected, Counter())
    return Counter({key: found[key] for key in ("accepted", *BAD)})


def judge_text(file: FuzzedFile) -> Judged | None:
    """None: it can't be unpacked to its end, and so had to be refused."""
    if not file.name.endswith(".gz"):
        return judge(file.content)
    try:
        return judge(gzip.decompress(file.content))
    except (OSError, EOFError, zlib.error):
        return None


def account_parquet(sandbox: Sandbox, file: FuzzedFile) -> Counter[str]:
    """Its pages have no checksums, so a value may be another; it must not be that of another column."""
    answers = sandbox.rows("predictions", file=file.name)
    quarantined = len(sandbox.rows("quarantine", file=file.name))
    rows = pq.read_metadata(io.BytesIO(file.content)).num_rows
    misplaced = sum(
        row.name == f"note {row.row_id}" or row.note == f"name {row.row_id}" or row.prediction != 2 * row.x
        for row in answers
    )
    return Counter(accepted=len(answers), unaccounted=abs(len(answers) + quarantined - rows), misplaced=misplaced)


FAULT = Fault(
    name="fuzz, files",
    done="CSV, gzipped CSV and Parquet files bent, cut, doubled and zeroed in their bytes",
    must="refused, or every row accounted for; 0 values in a wrong column, the job never dies",
    times=300,
    run=run,
)

"""Damaged CSV lines: every row must be in one table, and every value in its own column."""

import os
import random
from collections import Counter
from pathlib import Path

from sandbox import Sandbox

from faults.bench import QUICK_SPARK, Bench
from faults.feeds import FIRST_FILE_SECONDS, ensure_model
from faults.fuzz_mutation import damaged, odd_lines
from faults.fuzz_oracle import COLUMNS, Judged, Values, as_values, judge
from faults.result import Fault, Progress, Seen

FILES, LINES = 10, 100
#: In each hundred lines; the rest is damaged byte by byte.
WHOLE, ODD = 10, 45


def fuzz_sandbox(bench: Bench, name: str) -> Sandbox:
    sandbox = bench.sandbox(name)
    sandbox.changes = {
        "contract": "sample_contracts:FUZZ",
        "model": {"name": ensure_model(bench, "fault-echo", "echo")},
        "spark": dict(QUICK_SPARK),
    }
    return sandbox


def whole_line(row_id: int) -> bytes:
    return f'{row_id},name {row_id},{row_id}.25,{row_id % 7 or ""},"a, ""b"" {row_id}"'.encode()


def fuzzed_file(number: int) -> tuple[bytes, Counter[Values]]:
    """The content from the seed `number`, and what must be accepted of it."""
    chance, first = random.Random(number), (number + 1) * 1_000
    whole = [whole_line(first + row) for row in range(WHOLE)]
    odd = odd_lines(ODD, number, first + WHOLE)
    bent = [damaged(whole_line(first + row), chance) for row in range(WHOLE + len(odd), LINES)]
    lines = whole + odd + bent
    chance.shuffle(lines)
    header = ",".join(COLUMNS).encode()
    return b"\n".join([header, *lines]) + b"\n", judge(b"\n".join([header, *whole])).candidates


def put(sandbox: Sandbox, name: str, content: bytes, second: int) -> Path:
    sandbox.inbox.mkdir(exist_ok=True)
    path = sandbox.inbox / name
    path.write_bytes(content)
    os.utime(path, (FIRST_FILE_SECONDS + second,) * 2)
    return path


def run(bench: Bench, progress: Progress, times: int) -> Seen:
    """A repetition is a micro-batch of FILES files; its number is the seed of all that is in it."""
    sandbox = fuzz_sandbox(bench, "fuzz-lines")
    while progress.done * FILES * LINES < times:
        numbers = range(progress.done * FILES, (progress.done + 1) * FILES)
        contents = {f"{number}.csv": fuzzed_file(number) for number in numbers}
        for number, (name, (content, _)) in zip(numbers, contents.items(), strict=True):
            put(sandbox, name, content, number)
        sandbox.run()
        totals: Counter[str] = Counter()
        for name, (content, whole) in contents.items():
            totals += compare(sandbox, name, judge(content), whole)
        progress.add(seed=numbers[0], **{key: totals[key] for key in ("rows", "accepted", *BAD)})
    bad = {key: progress.total(key) for key in BAD}
    lines = progress.done * FILES * LINES
    return Seen(
        seen=f"{lines:,} lines, {progress.total('rows'):,} rows, {progress.total('accepted'):,} accepted; "
        + ", ".join(f"{count} {key}" for key, count in bad.items()),
        passed=not any(bad.values()),
    )


BAD = ("unaccounted", "misplaced", "wronged")


def compare(sandbox: Sandbox, name: str, expected: Judged, whole: Counter[Values]) -> Counter[str]:
    """unaccounted: rows in no table, or in two. misplaced: accepted, but not with the values that the judge reads in
    its own columns, or answered for another x. wronged: undamaged rows that were not accepted."""
    answers = sandbox.rows("predictions", file=name)
    accepted = Counter(map(as_values, answers))
    quarantined = sum(row.stage != "file" for row in sandbox.rows("quarantine", file=name))
    misplaced = expected.misplaced(accepted) + sum(row.prediction != 2 * row.x for row in answers)
    return Counter(
        rows=expected.rows,
        accepted=len(answers),
        unaccounted=abs(len(answers) + quarantined - expected.rows),
        misplaced=misplaced,
        wronged=(whole - accepted).total(),
    )


FAULT = Fault(
    name="fuzz, lines",
    done="CSV lines damaged byte by byte, or with texts that hypothesis makes up",
    must="every row accounted for, 0 values in a wrong column, the job never dies",
    times=20_000,
    run=run,
)

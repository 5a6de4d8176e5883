"""Numbered input files for both workloads, and what must be in the tables after them: nothing lost, nothing twice."""

import math
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from pyspark.sql import functions as F
from sandbox import Sandbox
from series_sandbox import HORIZON, VARIABLES, SeriesSandbox, two_series_model

from faults.bench import QUICK_SPARK, Bench

#: Files get modification times from here on, a second apart: the stream takes them in their order.
FIRST_FILE_SECONDS = 1_750_000_000
ROWS = 8
STEPS = range(1, HORIZON + 1)
IDS = ("US", "CA")
FIRST_QUARTER = pd.Timestamp("1950-01-01")


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What came out against what went in, row by row. wrong: rows whose answer is not that of their input."""

    rows: int
    lost: int
    twice: int
    wrong: int = 0

    @property
    def is_clean(self) -> bool:
        return self.rows > 0 and (self.lost, self.twice, self.wrong) == (0, 0, 0)


class Feed(Protocol):
    """A workload under fault. Files have numbers; the content follows from the number."""

    @property
    def name(self) -> str: ...

    @property
    def writes(self) -> tuple[str, ...]:
        """The writes of a micro-batch, in their order."""

    def sandbox(self, bench: Bench, name: str, *, files_a_batch: int = 1) -> Sandbox: ...

    def deliver(self, sandbox: Sandbox, number: int) -> None: ...

    def ledger(self, sandbox: Sandbox, numbers: Iterable[int]) -> Ledger: ...

    def contents(self, sandbox: Sandbox) -> dict[str, list[Any]]:
        """All tables, less the clock, the folder and the query id."""


def deliver_text(sandbox: Sandbox, number: int, text: str) -> None:
    """Put a finished file into the inbox. On S3 its time is now, and files of one second are taken by name."""
    if sandbox.place:
        sandbox.storage.create(f"{sandbox.place}/inbox/{number:06}.csv", text.encode())
        return
    inbox = sandbox.inbox
    inbox.mkdir(parents=True, exist_ok=True)
    hidden = inbox / f".{number:06}.csv"
    hidden.write_text(text)
    os.utime(hidden, (FIRST_FILE_SECONDS + number,) * 2)
    hidden.rename(inbox / f"{number:06}.csv")


def delivered(sandbox: Sandbox) -> int:
    """How many files have been delivered, by this run or one before."""
    return sum(name[0].isdigit() for name in sandbox.storage.names(f"{sandbox.location}/inbox"))


def settings(bench: Bench, *, files_a_batch: int) -> dict[str, Any]:
    return {
        "source": {"max_files_per_trigger": files_a_batch},
        "trigger": {"every": 0.2},
        "spark": dict(QUICK_SPARK),
    }


def ensure_model(bench: Bench, name: str, code: str, alias: str = "champion") -> str:
    """Register a model of the field `x`, unless an earlier run did."""
    registered = bench.registry.client.search_registered_models(f"name = '{name}'")
    if not registered or alias not in registered[0].aliases:
        example = pd.DataFrame({"x": [1.5]})
        bench.registry.register(name, code, example=example, outputs=pd.Series([3.0]), alias=alias)
    return name


def compared(expected: Counter[Any], found: Counter[Any], *, wrong: int = 0) -> Ledger:
    return Ledger(rows=expected.total(), lost=(expected - found).total(), twice=(found - expected).total(), wrong=wrong)


def without_paths(sandbox: Sandbox, table: str, *left_out: str) -> list[Any]:
    """A table's rows with the file's name in place of its path, sorted."""
    frame = sandbox.table(table)
    if "source_file" in frame.columns:
        frame = frame.withColumn("source_file", F.element_at(F.split("source_file", "/"), -1))
    return sorted((tuple(map(plain, row)) for row in frame.drop("query_id", *left_out).collect()), key=repr)


def plain(value: Any) -> Any:
    """Numbers to twelve digits: how rows are cut among tasks may show in the last ones."""
    return float(f"{value:.12g}") if isinstance(value, float) and math.isfinite(value) else value


def batches_of(sandbox: Sandbox) -> list[Any]:
    files = F.transform("files", lambda one: F.struct(F.element_at(F.split(one.path, "/"), -1), one.rows))
    counts = ("rows_in", "accepted", "quarantined", "failed", "files_refused")
    return sorted(sandbox.table("batches").select("batch_id", *counts, files.alias("files")).collect())


@dataclass(frozen=True)
class RowsFeed:
    """Rows with an id; one in each file is no number and belongs into the quarantine."""

    name: str = "rows"
    writes: tuple[str, ...] = ("plan", "quarantine", "predictions", "batches")

    def sandbox(self, bench: Bench, name: str, *, files_a_batch: int = 1) -> Sandbox:
        sandbox = bench.sandbox(name)
        sandbox.changes = {
            **settings(bench, files_a_batch=files_a_batch),
            "pipeline": "ledger",
            "contract": "sample_contracts:LEDGER",
            "model": {"name": ensure_model(bench, "fault-echo", "echo")},
        }
        return sandbox

    def ids(self, number: int) -> range:
        return range(number * ROWS, (number + 1) * ROWS)

    def deliver(self, sandbox: Sandbox, number: int) -> None:
        bad, *good = self.ids(number)
        lines = ["row_id,x,note", f"{bad},no number,bad", *[f"{row},{row + 0.5},note {row}" for row in good]]
        deliver_text(sandbox, number, "\n".join(lines) + "\n")

    def ledger(self, sandbox: Sandbox, numbers: Iterable[int]) -> Ledger:
        ids = [self.ids(number) for number in numbers]
        expected = Counter([("bad", rows[0]) for rows in ids] + [("good", row) for rows in ids for row in rows[1:]])
        good = sandbox.table("predictions").select("row_id", "x", "note", "prediction").collect()
        bad = sandbox.table("quarantine").select("raw").collect()
        found = Counter([("good", row.row_id) for row in good] + [("bad", int(row.raw.split(",")[0])) for row in bad])
        wrong = sum(
            (row.x, row.note, row.prediction) != (row.row_id + 0.5, f"note {row.row_id}", 2 * row.row_id + 1.0)
            for row in good
        )
        return compared(expected, found, wrong=wrong)

    def contents(self, sandbox: Sandbox) -> dict[str, list[Any]]:
        return {
            "predictions": without_paths(sandbox, "predictions", "scored_at"),
            "quarantine": without_paths(sandbox, "quarantine", "quarantined_at"),
            "batches": batches_of(sandbox),
        }


@dataclass(frozen=True)
class SeriesFeed:
    """The next quarter of two series, and a third row that breaks the contract. The first file has six quarters."""

    name: str = "series"
    writes: tuple[str, ...] = ("plan", "quarantine", "forecasts", "observations", "lags", "batches")

    def sandbox(self, bench: Bench, name: str, *, files_a_batch: int = 1) -> Sandbox:
        series = SeriesSandbox(bench.sandbox(name), two_series_model(bench.registry))
        series.sandbox.changes |= settings(bench, files_a_batch=files_a_batch)
        return series.sandbox

    def quarters(self, number: int) -> range:
        return range(6) if number == 0 else range(number + 5, number + 6)

    def deliver(self, sandbox: Sandbox, number: int) -> None:
        lines = [f"series_id,ds,{','.join(VARIABLES)}"]
        for quarter in self.quarters(number):
            lines += [f"{series},{date(quarter)},{levels(quarter, series)}" for series in IDS]
        lines.append(f"US,{date(number)},-1,1,1")
        deliver_text(sandbox, number, "\n".join(lines) + "\n")

    def ledger(self, sandbox: Sandbox, numbers: Iterable[int]) -> Ledger:
        numbers = list(numbers)
        quarters = [quarter for number in numbers for quarter in self.quarters(number)]
        expected = Counter((series, date(quarter)) for quarter in quarters for series in IDS)
        expected += Counter((f"{number:06}.csv", "bad") for number in numbers)
        # A forecast needs three quarters.
        cutoffs = [date(quarter) for quarter in quarters if quarter > 1]
        expected += Counter((series, cutoff, step) for cutoff in cutoffs for series in IDS for step in STEPS)
        observed = sandbox.table("observations").select("series_id", "ds").collect()
        forecasts = sandbox.table("forecasts").where("variable = 'realinv'").select("series_id", "cutoff", "step")
        quarantined = sandbox.table("quarantine").select("source_file").collect()
        found = Counter((row.series_id, f"{row.ds:%Y-%m-%d}") for row in observed)
        found += Counter((Path(row.source_file).name, "bad") for row in quarantined)
        found += Counter((row.series_id, f"{row.cutoff:%Y-%m-%d}", row.step) for row in forecasts.collect())
        return compared(expected, found)

    def contents(self, sandbox: Sandbox) -> dict[str, list[Any]]:
        return {
            "forecasts": without_paths(sandbox, "forecasts", "scored_at"),
            "observations": without_paths(sandbox, "observations", "observed_at"),
            "lags": without_paths(sandbox, "lags", "sequence"),
            "quarantine": without_paths(sandbox, "quarantine", "quarantined_at"),
            "batches": batches_of(sandbox),
        }


def date(quarter: int) -> str:
    return f"{FIRST_QUARTER + pd.DateOffset(months=3 * quarter):%Y-%m-%d}"


def levels(quarter: int, series: str) -> str:
    """Smooth growth with a wave, another for each series and variable."""
    shift = IDS.index(series)
    values = [
        size * 1.002**quarter * (1 + 0.01 * math.sin(quarter / 3 + shift + place))
        for place, size in enumerate((2700, 1700, 290))
    ]
    return ",".join(f"{value:.3f}" for value in values)


ROWS_FEED, SERIES_FEED = RowsFeed(), SeriesFeed()
FEEDS: tuple[Feed, ...] = (ROWS_FEED, SERIES_FEED)

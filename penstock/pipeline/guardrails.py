"""Guardrails of an experiment: a candidate that fails or crawls is out at the next batch, without any label."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Self

import pyarrow as pa

from penstock.config.experiment import GuardrailsConfig
from penstock.config.pipeline import PipelineConfig
from penstock.models.candidate import GUARDRAIL
from penstock.models.verdict.rule import MIN_FAILED, MIN_ROWS
from penstock.spark.commit_log import NotInFilesError, rows_in_files, written_by
from penstock.storage.delta_transactions import Transaction
from penstock.storage.files import Storage

#: How many of the last batches are looked at: a candidate that was good for long is out as fast as a new one.
LAST_BATCHES = 20
#: A candidate that took less in all of these batches costs nobody anything, and its seconds are mostly those of calls.
MIN_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class PairCounts:
    """Sums over batches of one pair. failed: of `rows`, by whatever stands in the answer columns. shadow_failed: of
    `shadow_rows`, by the candidate. champion_seconds: for `rows`; candidate_seconds: for `shadow_rows`; both in Python
    workers, and None where a batch has not measured them."""

    rows: int = 0
    failed: int = 0
    shadow_rows: int = 0
    shadow_failed: int = 0
    champion_seconds: float | None = 0.0
    candidate_seconds: float | None = 0.0

    def plus(self, row: dict[str, Any]) -> Self:
        """row: of `batches`."""
        seconds = dict(row["model_seconds"] or ())
        return type(self)(
            rows=self.rows + (row["accepted"] or 0),
            failed=self.failed + (row["failed"] or 0),
            shadow_rows=self.shadow_rows + (row["shadow_rows"] or 0),
            shadow_failed=self.shadow_failed + (row["shadow_failed"] or 0),
            champion_seconds=added(self.champion_seconds, seconds.get("champion")),
            candidate_seconds=added(self.candidate_seconds, seconds.get("candidate")),
        )


def read_pair_counts(config: PipelineConfig, storage: Storage, *, query_id: str, began_at: datetime) -> PairCounts:
    """Over the LAST_BATCHES newest batches of a query, as far back as the pair that began then.

    Read from the newest commits of `batches`, a few hundred bytes each, whatever the table's length; those that are in
    the log no more are left out. Raises OSError.
    """
    counts, began = PairCounts(), began_at.isoformat()
    for row in islice(newest_rows(config, storage, query_id), LAST_BATCHES):
        if dict(row["experiment"] or ()).get("began_at") != began:
            break
        counts = counts.plus(row)
    return counts


COUNTED = ("accepted", "failed", "shadow_rows", "shadow_failed", "model_seconds", "experiment")


def newest_rows(config: PipelineConfig, storage: Storage, query_id: str) -> Iterator[dict[str, Any]]:
    """The rows of a query's batches, the newest first, up to one whose file is gone or damaged."""
    application = Transaction(pipeline=config.pipeline, query_id=query_id, batch_id=0).application
    for paths in written_by(storage, config.table_path("batches"), application):
        try:
            for rows in rows_in_files(storage, paths, COUNTED):
                yield from rows.to_pylist()
        except (NotInFilesError, pa.ArrowException):
            return


def added(sum_: float | None, seconds: float | None) -> float | None:
    return None if sum_ is None or seconds is None else sum_ + seconds


def guardrail_reason(counts: PairCounts, guardrails: GuardrailsConfig) -> str | None:
    """Why a candidate is out; None if it is not."""
    found = failing(counts, guardrails) or slow(counts, guardrails)
    return f"{GUARDRAIL}{found}" if found else None


def failing(counts: PairCounts, guardrails: GuardrailsConfig) -> str | None:
    """In a canary the champion's failures are hidden where the candidate has an answer; its share is then too low, by
    rows on which the candidate did not fail."""
    if counts.shadow_rows < MIN_ROWS or counts.shadow_failed < MIN_FAILED:
        return None
    share, of_champion = counts.shadow_failed / counts.shadow_rows, counts.failed / max(counts.rows, 1)
    if share - of_champion <= guardrails.failed:
        return None
    return (
        f"it failed on {share:.1%} of {counts.shadow_rows:,} rows, the champion on {of_champion:.1%} "
        f"(experiment.guardrails.failed is {guardrails.failed:g})"
    )


def slow(counts: PairCounts, guardrails: GuardrailsConfig) -> str | None:
    """By seconds per row, where the candidate has also taken longer in total than the champion (or than the share of
    its seconds that `slowdown` allows, if that is less).

    Each call of a model has a cost of its own. With a small fraction the candidate's calls have few rows, and per row
    the very same model would be many times as slow as the champion; in total it never is slower.
    """
    of_candidate, of_champion = counts.candidate_seconds, counts.champion_seconds
    if of_candidate is None or not of_champion or not counts.shadow_rows or not counts.rows:
        return None
    if of_candidate < MIN_SECONDS or of_candidate <= min(1.0, guardrails.slowdown) * of_champion:
        return None
    times = (of_candidate / counts.shadow_rows) / (of_champion / counts.rows)
    if times <= guardrails.slowdown:
        return None
    return (
        f"it took {times:.1f} times the champion's seconds per row, {of_candidate:.1f} s for "
        f"{counts.shadow_rows:,} rows (experiment.guardrails.slowdown is {guardrails.slowdown:g})"
    )

"""Guardrails of an experiment: a candidate that fails or crawls is out at the next batch, without any label."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any, Self

import pyarrow as pa

from penstock.config.experiment import GUARDRAIL, GuardrailsConfig
from penstock.config.pipeline import PipelineConfig
from penstock.models.verdict.rule import MIN_FAILED, MIN_ROWS
from penstock.pipeline.shadow_counts import CHAMPION_FAILED
from penstock.spark.commit_log import NotInFilesError, rows_in_files, written_by
from penstock.storage.delta_transactions import Transaction
from penstock.storage.files import Storage

#: How many of the last batches are looked at: a candidate that was good for long is out as fast as a new one.
LAST_BATCHES = 20
#: A candidate that took less in all of these batches costs nobody anything, and its seconds are mostly those of calls.
MIN_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class PairCounts:
    """Sums over batches of one pair. shadow_failed, champion_failed: of `shadow_rows`, which both were asked for.

    champion_seconds: for `timed_rows`; candidate_seconds: for `timed_shadow_rows`; both in Python workers. A batch that
    has not measured them has no part in these four.
    """

    shadow_rows: int = 0
    shadow_failed: int = 0
    champion_failed: int = 0
    timed_rows: int = 0
    timed_shadow_rows: int = 0
    champion_seconds: float = 0.0
    candidate_seconds: float = 0.0

    def plus(self, row: dict[str, Any]) -> Self:
        """row: of `batches`."""
        seconds, experiment = dict(row["model_seconds"] or ()), dict(row["experiment"] or ())
        shadow_rows = row["shadow_rows"] or 0
        counted = replace(
            self,
            shadow_rows=self.shadow_rows + shadow_rows,
            shadow_failed=self.shadow_failed + (row["shadow_failed"] or 0),
            champion_failed=self.champion_failed + int(experiment.get(CHAMPION_FAILED, 0)),
        )
        if not {"champion", "candidate"} <= seconds.keys():
            return counted
        return replace(
            counted,
            timed_rows=self.timed_rows + (row["accepted"] or 0),
            timed_shadow_rows=self.timed_shadow_rows + shadow_rows,
            champion_seconds=self.champion_seconds + seconds["champion"],
            candidate_seconds=self.candidate_seconds + seconds["candidate"],
        )


def read_pair_counts(config: PipelineConfig, storage: Storage, *, query_id: str, began_at: datetime) -> PairCounts:
    """Over the LAST_BATCHES newest batches of a query, as far back as the pair that began then.

    Read from the newest commits of `batches`, a few hundred bytes each, whatever the table's length; those that are in
    the log no more are left out. Raises OSError.
    """
    counts, began = PairCounts(), began_at.isoformat()
    for row in islice(newest_rows(config, storage, query_id), LAST_BATCHES):
        experiment = dict(row["experiment"] or ())
        if not experiment:
            continue  # it was paused
        if experiment.get("began_at") != began:
            break
        counts = counts.plus(row)
    return counts


COUNTED = ("accepted", "shadow_rows", "shadow_failed", "model_seconds", "experiment")


def newest_rows(config: PipelineConfig, storage: Storage, query_id: str) -> Iterator[dict[str, Any]]:
    """The rows of a query's batches, the newest first, up to one whose file is gone or damaged."""
    application = Transaction(pipeline=config.pipeline, query_id=query_id, batch_id=0).application
    for paths in written_by(storage, config.table_path("batches"), application):
        try:
            for rows in rows_in_files(storage, paths, COUNTED):
                yield from rows.to_pylist()
        except (NotInFilesError, pa.ArrowException):
            return


def guardrail_reason(counts: PairCounts, guardrails: GuardrailsConfig) -> str | None:
    """Why a candidate is out; None if it is not."""
    found = failing(counts, guardrails) or slow(counts, guardrails)
    return f"{GUARDRAIL}{found}" if found else None


def failing(counts: PairCounts, guardrails: GuardrailsConfig) -> str | None:
    """By the rows that both were asked for, whichever answer stands."""
    if counts.shadow_rows < MIN_ROWS or counts.shadow_failed < MIN_FAILED:
        return None
    share, of_champion = counts.shadow_failed / counts.shadow_rows, counts.champion_failed / counts.shadow_rows
    if share - of_champion <= guardrails.failed:
        return None
    return (
        f"it failed on {share:.1%} of {counts.shadow_rows:,} rows, the champion on {of_champion:.1%} of them "
        f"(experiment.guardrails.failed is {guardrails.failed:g})"
    )


def slow(counts: PairCounts, guardrails: GuardrailsConfig) -> str | None:
    """By seconds per row, where the candidate has also taken longer in total than the champion (or than the share of
    its seconds that `slowdown` allows, if that is less).

    Each call of a model has a cost of its own. With a small fraction the candidate's calls have few rows, and per row
    the very same model would be many times as slow as the champion; in total it never is slower.
    """
    of_candidate, of_champion = counts.candidate_seconds, counts.champion_seconds
    if not of_champion or not counts.timed_shadow_rows or not counts.timed_rows:
        return None
    if of_candidate < MIN_SECONDS or of_candidate <= min(1.0, guardrails.slowdown) * of_champion:
        return None
    times = (of_candidate / counts.timed_shadow_rows) / (of_champion / counts.timed_rows)
    if times <= guardrails.slowdown:
        return None
    return (
        f"it took {times:.1f} times the champion's seconds per row, {of_candidate:.1f} s for "
        f"{counts.timed_shadow_rows:,} rows (experiment.guardrails.slowdown is {guardrails.slowdown:g})"
    )

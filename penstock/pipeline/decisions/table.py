"""The table `decisions`: a row for each decision that is finished, from its files.

The files are what counts: a row that could not be written is written with the next one, and a table that was removed
is made again.
"""

import logging
from collections.abc import Iterator
from typing import Any

from penstock.config.pipeline import PipelineConfig
from penstock.errors import PenstockError
from penstock.pipeline.decisions.files import Decided, History
from penstock.pipeline.decisions.record import DECIDE_QUERY
from penstock.schemas.judgement_tables import DECISIONS
from penstock.storage.delta_append import append_row_once
from penstock.storage.delta_transactions import Transaction, last_transaction

log = logging.getLogger(__name__)


def write_rows(config: PipelineConfig, history: History) -> None:
    """The rows that the table lacks, each at most once. Raises LedgerError, TableConflictError, OSError."""
    for one in missing_rows(config, history):
        append_row_once(config, DECISIONS, row_of(one), transaction(config, one.decision.number))


def try_to_write_rows(config: PipelineConfig, history: History) -> bool:
    """A failure is reported; what was decided stands without the rows."""
    try:
        write_rows(config, history)
    except (PenstockError, OSError) as error:
        log.warning("the table decisions lags behind its files: %s; the next decision writes it again", error)
        return False
    return True


def missing_rows(config: PipelineConfig, history: History) -> Iterator[Decided]:
    written = last_transaction(config, DECISIONS.name, transaction(config, 0).application)
    for one in history.decisions:
        if one.outcome is not None and (written is None or one.decision.number > written):
            yield one


def transaction(config: PipelineConfig, number: int) -> Transaction:
    return Transaction(pipeline=config.pipeline, query_id=DECIDE_QUERY, batch_id=number)


def row_of(one: Decided) -> dict[str, Any]:
    """Without query_id and batch_id."""
    decision, outcome = one.decision, one.outcome
    if outcome is None:
        raise ValueError(f"decision {decision.number} is not finished")
    return {
        "kind": decision.kind,
        "outcome": outcome.outcome,
        "model_name": decision.model_name,
        "champion": decision.champion,
        "candidate": decision.candidate,
        "champion_after": outcome.champion,
        "candidate_after": outcome.candidate,
        "reason": f"{decision.reason}; {outcome.message}" if outcome.message else decision.reason,
        "evidence": decision.evidence.model_dump_json() if decision.evidence else None,
        "decided_by": decision.by,
        "decided_at": decision.decided_at,
        "done_at": outcome.done_at,
    }

"""When a version has answered: the window that a rescore would replace. Without Spark."""

import logging
from datetime import UTC, datetime, timedelta

from penstock.config.pipeline import PipelineConfig
from penstock.storage.delta_reader import reason_of
from penstock.storage.duckdb_tables import QUERY_ERRORS, connect_tables, registered

log = logging.getLogger(__name__)


def answered_window(
    config: PipelineConfig, version: str, *, since: datetime | None
) -> tuple[datetime, datetime] | None:
    """In whole seconds, the end excluded: by scored_at of rows, by cutoff of series, of answers that were given since
    then. None where there is none. A table that can't be read is reported; the window is then `since` until now."""
    table, column = ("forecasts", "cutoff") if config.workload == "series" else ("predictions", "scored_at")
    now, first_of_all = datetime.now(UTC), datetime(1970, 1, 1, tzinfo=UTC)
    try:
        with connect_tables(config, [table]) as connection:
            if table not in registered(connection):
                return None
            [(begin, last)] = connection.execute(
                f"SELECT min({column}), max({column}) FROM {table} WHERE model_version = ? AND scored_at >= ?",
                [version, since or first_of_all],
            ).fetchall()
    except (OSError, *QUERY_ERRORS) as error:
        log.warning("the answers of version %s can't be looked for: %s", version, reason_of(error))
        return since or first_of_all, now
    if begin is None:
        return None
    return begin.astimezone(UTC).replace(microsecond=0), last.astimezone(UTC).replace(microsecond=0) + timedelta(
        seconds=1
    )

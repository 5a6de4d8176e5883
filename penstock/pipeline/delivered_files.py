"""`source.clean_source: delete`: the files whose rows are in the tables are deleted, once their batch has its marker.

A refused file stays: its rows are nowhere else, and a replay may read it yet.
"""

import logging
from concurrent.futures import ThreadPoolExecutor

from penstock.pipeline.context import Pipeline
from penstock.pipeline.plan import Plan
from penstock.sources.files import PlannedFile

WORKERS = 16
log = logging.getLogger(__name__)


def delete_accepted_files(pipeline: Pipeline, plan: Plan) -> None:
    """Needs the plan's marker. May be interrupted and run again. A file that can't be deleted, or is no longer the one
    that was read, stays."""
    if pipeline.config.source.clean_source != "delete":
        return
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        kept = list(filter(None, pool.map(lambda file: keeps(pipeline, file), plan.files_with("accepted"))))
    if kept:
        log.warning("%d files that are scored could not be deleted (source.clean_source): %s", len(kept), kept[0])


def keeps(pipeline: Pipeline, file: PlannedFile) -> str:
    """Delete a file; why it could not be, or an empty text."""
    try:
        if pipeline.storage.status(file.path) == file.status:
            pipeline.storage.delete(file.path)
    except OSError as error:
        return f"{file.path}: {error.strerror or error}"
    return ""

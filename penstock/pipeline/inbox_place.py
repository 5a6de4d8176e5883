"""Where the inbox was when its files were scored. The stream and the ledger know a file by its path: the same folder
under another path (a link, a mount, a copy, a bucket's other name) would have all its files scored again.

The place is kept beside the tables, so that it outlasts a checkpoint. A move has to be confirmed (`--inbox-moved`);
files are then compared with those of the earlier places by their path within the inbox.
"""

import os
from collections.abc import Sequence

from pydantic import ValidationError

from penstock.config.locations import is_on_s3
from penstock.config.pipeline import PipelineConfig
from penstock.config.sections import FrozenModel
from penstock.errors import LedgerError
from penstock.pipeline.context import Pipeline
from penstock.pipeline.plan import newest_plan
from penstock.sources.files import PlannedFile
from penstock.storage.files import Storage


class InboxPlace(FrozenModel):
    """path: as configured, in normal form. resolved: where links lead to. former: earlier paths, whose files count as
    those of this one."""

    path: str
    resolved: str
    former: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.path if self.path == self.resolved else f"{self.path} (a link to {self.resolved})"


def place_now(config: PipelineConfig) -> InboxPlace:
    path = config.source.path
    return InboxPlace(path=path, resolved=path if is_on_s3(path) else os.path.realpath(path))


def known_place(config: PipelineConfig, storage: Storage) -> InboxPlace | None:
    """The place that was kept; None before the first start. Raises LedgerError."""
    path = inbox_path(config)
    content = storage.read(path)
    if content is None:
        return None
    try:
        return InboxPlace.model_validate_json(content)
    except ValidationError:
        raise LedgerError(f"{path}: is not the record of an inbox; restore it, or remove it and start again") from None


def check_inbox(config: PipelineConfig, storage: Storage) -> None:
    """Raises LedgerError where the inbox is another one than that of the files so far."""
    now, known = place_now(config), known_place(config, storage)
    if known is None:
        check_planned_files(config, storage)
    elif not is_same(now, known):
        if now.path == known.path:
            raise LedgerError(
                f"source.path {now.path} led to {known.resolved} and leads to {now.resolved} now: of files with a name "
                "that the earlier folder had, none would be scored. Put the earlier folder back; or, if the inbox has "
                "moved there, start once with --inbox-moved"
            )
        raise LedgerError(
            f"source.path is {now}, and the files so far came from {known}: what is in both would be scored again "
            "under its new path. Put the earlier path back; or, if this is the same inbox, or a copy of it, start once "
            "with --inbox-moved: its files are then compared by their path within the inbox"
        )


def check_planned_files(config: PipelineConfig, storage: Storage) -> None:
    """The same for tables from before the place was kept. Raises LedgerError."""
    plan = newest_plan(storage, config.checkpoint)
    paths = [file.path for file in plan.files] if plan and not plan.replay else []
    if paths and not any(path.startswith(f"{config.source.path}/") for path in paths):
        raise LedgerError(
            f"source.path is {config.source.path}, and the last batch has scored {paths[0]}: what is in both places "
            "would be scored again. Put the earlier path back and start once, so that it is kept; after that "
            "--inbox-moved tells of a move"
        )


def keep_place(config: PipelineConfig, storage: Storage, *, is_moved: bool, is_unused: bool = False) -> tuple[str, ...]:
    """Keep where the inbox is; returns its earlier paths. is_moved: a change is confirmed. is_unused: no file was taken
    from any place yet. Needs the lease.

    Raises LedgerError for a change that is not confirmed.
    """
    if not (is_moved or is_unused):
        check_inbox(config, storage)
    now, known = place_now(config), None if is_unused else known_place(config, storage)
    if known is None:
        former: tuple[str, ...] = ()
    elif is_same(now, known):
        former = known.former
    else:
        former = tuple(path for path in dict.fromkeys((known.path, *known.former)) if path != now.path)
    kept = now.model_copy(update={"former": former})
    if kept != known:
        storage.replace(inbox_path(config), kept.model_dump_json(indent=1).encode())
    return former


def is_same(now: InboxPlace, known: InboxPlace) -> bool:
    """Whether files keep their paths: it is the same folder by the same path, or one of them within the other."""
    if (now.path, now.resolved) == (known.path, known.resolved):
        return True
    inner, outer = (now, known) if len(now.path) > len(known.path) else (known, now)
    below = inner.path.removeprefix(outer.path)
    is_below = below != inner.path and below.startswith("/")
    return is_below and inner.resolved == f"{outer.resolved}{below}"


def inbox_path(config: PipelineConfig) -> str:
    return f"{config.tables.root}/_inbox.json"


def finished_at_former_places(pipeline: Pipeline, settled: Sequence[PlannedFile]) -> set[str]:
    """The paths of files that the ledger has under an earlier path of the inbox (MovedFiles). settled: as admission
    found them, when they had stopped changing."""
    inbox = f"{pipeline.config.source.path}/"
    # A batch that was listed before the move has its files at an earlier place, and its marker is still to come.
    here = [(file.path, file.status) for file in settled if file.status and file.path.startswith(inbox)]
    return {
        path
        for former in pipeline.former_inboxes
        for path, status in here
        if pipeline.moved_files.has(f"{former}/{path.removeprefix(inbox)}", status)
    }

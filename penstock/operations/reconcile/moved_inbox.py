"""Files of an inbox that has moved: what the ledger has under an earlier path is the file at its path of today."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from penstock.operations.reconcile.files import Delivery, Stream
from penstock.operations.reconcile.ledger_rows import RowCounts
from penstock.storage.files import FileStatus


def moved_files(inboxes: Sequence[str], row_counts: RowCounts) -> dict[str, str]:
    """The path of today by the earlier one, of files that were done when they arrived. inboxes: today's path of the
    inbox, and its earlier ones."""
    inbox, *former = (f"{path}/" for path in inboxes) if inboxes else ("",)
    done = {
        entry.path
        for marker in row_counts.markers
        for entry in marker.entries
        if former and entry.status is None and entry.rows is None and entry.path.startswith(inbox)
    }
    return {f"{earlier}{path.removeprefix(inbox)}": path for earlier in reversed(former) for path in done}


def at_todays_paths(
    known: Mapping[str, list[Delivery]], moved: Mapping[str, str], inbox: Mapping[str, FileStatus]
) -> dict[str, list[Delivery]]:
    """The deliveries by path, those of a moved file under its path of today. A copy has a time of its own: a delivery
    of the same length is taken to be of what lies there."""
    found = dict(known)
    for earlier, path in moved.items():
        delivered = [as_delivered_at(inbox.get(path), delivery) for delivery in found.pop(earlier, [])]
        if delivered:
            found[path] = [*delivered, *found.get(path, [])]
    return found


def as_delivered_at(now: FileStatus | None, delivery: Delivery) -> Delivery:
    is_copy = now is not None and delivery.status is not None and delivery.status.length == now.length
    return replace(delivery, status=now) if is_copy else delivery


def without_earlier_paths(stream: Stream, moved: Mapping[str, str]) -> Stream:
    return replace(stream, log={path: logged for path, logged in stream.log.items() if path not in moved})

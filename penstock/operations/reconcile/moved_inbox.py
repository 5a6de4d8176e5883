"""Files of an inbox that has moved: what the ledger has under an earlier path is the file at its path of today."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from penstock.operations.reconcile.files import Delivery, Stream
from penstock.operations.reconcile.ledger_rows import RowCounts
from penstock.storage.files import FileStatus

#: Stands for the batches that had a file at another place, among the queries that list a path.
ELSEWHERE = "elsewhere"


@dataclass(frozen=True, kw_only=True)
class Moves:
    """Empty where the inbox has not moved. newest: by an earlier path of a file the newest one at which a batch found
    it done. done: all paths, at any place, at which one did."""

    inbox: str = ""
    newest: Mapping[str, str]
    done: frozenset[str]


def read_moves(places: Sequence[str], row_counts: RowCounts) -> Moves:
    """places: today's path of the inbox, and its earlier ones, the newest first."""
    if len(places) < 2:
        return Moves(newest={}, done=frozenset())
    done = frozenset(
        entry.path
        for marker in row_counts.markers
        for entry in marker.entries
        if entry.status is None and entry.rows is None and entry.path.startswith(tuple(f"{one}/" for one in places))
    )
    newest: dict[str, str] = {}
    for number, current in reversed(list(enumerate(places))):
        for path in done:
            if path.startswith(f"{current}/"):
                earlier = (f"{one}/{path.removeprefix(f'{current}/')}" for one in places[number + 1 :])
                newest |= dict.fromkeys(earlier, path)
    return Moves(inbox=places[0], newest=newest, done=done)


def known_elsewhere(row_counts: RowCounts, moves: Moves) -> RowCounts:
    """A batch that found a file done has neither its rows nor a refusal of it."""
    queries = {path: of | {ELSEWHERE} if path in moves.done else of for path, of in row_counts.queries.items()}
    return replace(row_counts, queries=queries)


def at_todays_paths(
    known: Mapping[str, list[Delivery]], moves: Moves, inbox: Mapping[str, FileStatus]
) -> dict[str, list[Delivery]]:
    """The deliveries by path, those of a moved file under its newest path. A copy has a time of its own: a delivery of
    the same length is taken to be of what lies there."""
    found = dict(known)
    for earlier, path in moves.newest.items():
        delivered = [as_delivered_at(inbox.get(path), delivery) for delivery in found.pop(earlier, [])]
        if delivered:
            found[path] = [*delivered, *found.get(path, [])]
    return found


def as_delivered_at(now: FileStatus | None, delivery: Delivery) -> Delivery:
    is_copy = now is not None and delivery.status is not None and delivery.status.length == now.length
    return replace(delivery, status=now) if is_copy else delivery


def without_earlier_paths(stream: Stream, moves: Moves) -> Stream:
    """The stream has listed a file at each of its places; of the earlier ones nothing is left to be found out."""
    earlier = moves.newest.keys() | {path for path in moves.done if not path.startswith(f"{moves.inbox}/")}
    return replace(stream, log={path: logged for path, logged in stream.log.items() if path not in earlier})

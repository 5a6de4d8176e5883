"""Facts that go through the spool, in however many parts, are compared as they are all at once in memory."""

import random

import pytest

from penstock.config.pipeline import SourceConfig
from penstock.operations.reconcile.balance import Balance, Total, balance_of, totals_by_state
from penstock.operations.reconcile.files import FileClassifier, Progress, State, Stream, deliveries
from penstock.operations.reconcile.inbox import inbox_of, list_inbox
from penstock.operations.reconcile.ledger_parts import Ledger
from penstock.operations.reconcile.ledger_rows import Batch, Entry, Marker, RowCounts, Tally
from penstock.operations.reconcile.reconcile import classify_files
from penstock.operations.reconcile.spool import BUCKETS, Facts, opened_spool
from penstock.operations.reconcile.tables import TableComparison, compare_with_tables
from penstock.pipeline.replay.plans import REPLAY_QUERY
from penstock.sources.checkpoint import Logged
from penstock.storage.files import FileStatus, LocalStorage


@pytest.fixture
def spool():
    with opened_spool() as opened:
        yield opened


def test_each_file_is_in_one_part_with_all_of_its_facts(spool):
    spool.files_a_part = 7
    paths = [f"/in/{number}" for number in range(100)] + ["/in/\udcff.csv", "/in/日本.csv", ""]
    spool.add(Facts.INBOX, ((path, place, None) for place, path in enumerate(paths)))
    spool.add(Facts.LOG, ((path, 1, place) for place in (0, 1) for path in paths))
    parts = list(spool.parts())
    assert len(parts) == 1 + 206 // 7
    assert sorted(bucket for part in parts for bucket in part) == list(range(BUCKETS))
    seen = {}
    for part in parts:
        for path, length, modified in spool.rows(Facts.INBOX, part):
            assert path not in seen
            assert modified is None
            seen[path] = length
            assert [row for row in spool.rows(Facts.LOG, part) if row[0] == path] == [(path, 1, 0), (path, 1, 1)]
    assert seen == {path: place for place, path in enumerate(paths)}
    assert (spool.highest(Facts.LOG, "place"), spool.highest(Facts.TALLIES, "made")) == (1, None)


def test_few_files_are_one_part_in_the_order_in_which_they_came(spool):
    assert list(spool.parts()) == [range(BUCKETS)]
    rows = [(f"/in/{number % 10}", 1, number) for number in range(1000)]
    spool.add(Facts.LOG, rows)
    assert [spool.rows(Facts.LOG, part) for part in spool.parts()] == [rows]


def test_the_later_entry_of_a_file_that_is_twice_in_the_log_counts(spool):
    spool.add(Facts.LOG, [("/in/a", 5, 8), ("/in/a", 3, 1)])
    stream = Stream(query_id="q", committed=0, log={}, forgotten_before=0)
    assert stream.part(spool, range(BUCKETS), inbox="/in").log == {"/in/a": Logged(modified_milliseconds=5, offset=8)}


def test_the_inbox_comes_back_as_it_is(spool, tmp_path):
    (tmp_path / "a").mkdir()
    for name in ("b.csv", "a/c.csv", "_hidden.csv"):
        (tmp_path / name).write_text(name)
    list_inbox(LocalStorage(), SourceConfig(path=str(tmp_path)), spool)
    paths = [str(tmp_path / name) for name in ("b.csv", "a/c.csv")]
    assert inbox_of(spool, range(BUCKETS)) == {path: LocalStorage().status(path) for path in paths}


class History:
    """Batches of files, most of them whole, some with every kind of damage."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        queries = ["q", "p", REPLAY_QUERY]
        batches = [Batch(query, number) for query in queries for number in range(6)]
        self.markers, self.tallies = [], []
        for batch in batches:
            self.add_batch(batch)
        self.inbox = {path: self.status() for path in self.paths() if self.chance.random() < 0.7}
        self.log = {
            path: Logged(modified_milliseconds=self.chance.choice((100_000, 200_000)), offset=self.chance.randrange(8))
            for path in self.paths()
            if self.chance.random() < 0.8
        }

    def paths(self):
        return [f"/in/{number}.csv" for number in range(40)]

    def status(self):
        return FileStatus(length=10, modified_milliseconds=self.chance.choice((100_000, 200_000)))

    def add_batch(self, batch):
        chance, entries = self.chance, []
        is_replay = batch.query_id == REPLAY_QUERY
        for path in chance.sample(self.paths(), chance.randint(0, 5)):
            rows = chance.choice((None, 0, 2, 3))
            entries.append(Entry(path=path, status=self.status() if chance.random() < 0.9 else None, rows=rows))
            accepted = chance.randint(0, rows or 0)
            quarantined = (rows or 0) - accepted + (chance.random() < 0.4)
            replayed_in = None if is_replay or chance.random() < 0.7 else chance.randrange(7)
            made, refused = chance.choice((50_000, 150_000)), int(rows is None and chance.random() < 0.9)
            self.tally(batch, path, None, accepted, 0, 0, made)
            self.tally(batch, path, replayed_in, 0, quarantined, refused, made)
        if chance.random() < 0.8:
            totals = [sum(getattr(one, what) for one in self.tallies if one.batch == batch) for what in TOTALS]
            marker = Marker(
                batch=batch,
                # Each at another time, so that there is one order.
                finished_milliseconds=chance.choice((60_000, 160_000)) + len(self.markers),
                accepted=totals[0] + (chance.random() < 0.1),
                quarantined=totals[1],
                files_refused=totals[2],
                entries=tuple(entries),
            )
            self.markers += [marker] * (2 if chance.random() < 0.1 else 1)

    def tally(self, batch, path, replayed_in, *numbers):
        accepted, quarantined, refused, made = numbers
        if (accepted or quarantined or refused) and self.chance.random() < 0.8:
            self.tallies.append(
                Tally(
                    batch=batch,
                    path=path,
                    replayed_in=replayed_in,
                    accepted=accepted,
                    quarantined=quarantined,
                    refused=refused,
                    made_milliseconds=made,
                )
            )


TOTALS = ("accepted", "quarantined", "refused")
PROGRESS = Progress(query_id="q", finished=3, planned=4, offset=5, unfinished_replays=frozenset({5}))
STREAM = Stream(query_id="q", committed=3, log={}, forgotten_before=150_000)


def spooled(spool, history):
    chance = history.chance
    spool.add(Facts.INBOX, ((path, one.length, one.modified_milliseconds) for path, one in history.inbox.items()))
    spool.add(Facts.LOG, ((path, one.modified_milliseconds, one.offset) for path, one in history.log.items()))
    rows = chance.sample(history.markers, len(history.markers))
    entries = [(number, entry) for number, marker in enumerate(rows) for entry in marker.entries]
    spool.add(
        Facts.ENTRIES,
        (
            (
                entry.path,
                number,
                entry.status.length if entry.status else None,
                entry.status.modified_milliseconds if entry.status else None,
                entry.rows,
            )
            for number, entry in entries
        ),
    )
    tallies = chance.sample(history.tallies, len(history.tallies))
    spool.add(
        Facts.TALLIES,
        (
            (one.path, *one.batch, one.replayed_in, one.accepted, one.quarantined, one.refused, one.made_milliseconds)
            for one in tallies
        ),
    )
    return Ledger.of(spool, [Marker(**{**vars(marker), "entries": ()}) for marker in rows])


def files_of(row_counts, inbox, log, since):
    stream = Stream(**{**vars(STREAM), "log": log})
    classifier = FileClassifier(stream=stream, progress=PROGRESS, expired_milliseconds=since)
    return classify_files(classifier, inbox, deliveries(row_counts), LocalStorage())


@pytest.mark.parametrize("files_a_part", [3, 10_000])
@pytest.mark.parametrize("since", [None, 100_000])
@pytest.mark.parametrize("seed", range(3))
def test_parts_add_up_to_the_whole(spool, seed, since, files_a_part):
    spool.files_a_part = files_a_part
    history = History(seed)
    in_order = sorted(history.markers, key=lambda one: (one.finished_milliseconds, one.batch.batch_id))
    options = {"scored_table": "predictions", "is_unfinished": PROGRESS.is_unfinished, "since_milliseconds": since}
    whole = RowCounts.of(in_order, history.tallies)
    whole_files = files_of(whole, history.inbox, history.log, since)

    ledger = spooled(spool, history)
    comparison = TableComparison(**options)
    files, balance, totals = {}, Balance(), dict.fromkeys(State, Total())
    for part in spool.parts():
        row_counts = ledger.part(part)
        log = STREAM.part(spool, part, inbox="/in").log
        found = files_of(row_counts, inbox_of(spool, part), log, since)
        files |= found
        balance += balance_of(found.values(), row_counts, since_milliseconds=since)
        totals = {state: total + totals[state] for state, total in totals_by_state(found.values()).items()}
        comparison.add(row_counts)
    assert files == whole_files
    assert balance == balance_of(whole_files.values(), whole, since_milliseconds=since)
    assert totals == totals_by_state(whole_files.values())
    differences = comparison.differences(ledger.markers, ledger.doubled)
    assert differences == compare_with_tables(whole, **options)
    assert {difference.kind for difference in differences} >= {"left behind", "missing rows", "surplus rows"}
    assert ledger.finished == whole.finished

"""Two streams of one pipeline started together."""

import random
import time

from faults.bench import PATIENCE_SECONDS, Bench, Process
from faults.feeds import ROWS_FEED
from faults.result import Fault, Progress, Seen

SECONDS = 60.0


def run(bench: Bench, progress: Progress, times: int, *, within_seconds: float = SECONDS) -> Seen:
    sandbox = ROWS_FEED.sandbox(bench, "two-writers")
    while progress.done < times:
        ROWS_FEED.deliver(sandbox, progress.done)
        first = Process(sandbox, "score_stream")
        time.sleep(random.Random(progress.done).choice((0, 0, 0.1, 0.5, 1.5)))
        writers = [first, Process(sandbox, "score_stream")]
        try:
            winner, loser, seconds = until_one_ends(writers)
            names_winner = f"are being written by score_stream, pid {winner.process.pid} on " in loser.text
            winner.wait_for(r"batch \d+: 1 files")
            progress.add(exit=loser.end(), names_winner=names_winner, seconds=round(seconds, 1))
        finally:
            for writer in writers:
                writer.kill()
    sandbox.run()
    ledger = ROWS_FEED.ledger(sandbox, range(times))
    named = sum(pair["names_winner"] and pair["exit"] == 1 for pair in progress.repetitions)
    slowest = max(pair["seconds"] for pair in progress.repetitions)
    return Seen(
        seen=f"{named} losers named the winner and ended with 1, the slowest after {slowest} s; "
        f"{ledger.lost} rows lost, {ledger.twice} twice",
        passed=named == times and slowest <= within_seconds and ledger.is_clean,
    )


def until_one_ends(writers: list[Process]) -> tuple[Process, Process, float]:
    """The one that runs, the one that ended, and how long after its start that was."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        ended = [writer for writer in writers if writer.process.poll() is not None]
        if len(ended) == 2:
            raise AssertionError(f"both ended:\n{writers[0].text}\n{writers[1].text}")
        if ended:
            [running] = [writer for writer in writers if writer not in ended]
            return running, ended[0], time.monotonic() - ended[0].started
        time.sleep(0.1)
    raise AssertionError(f"both go on:\n{writers[0].text}\n{writers[1].text}")


FAULT = Fault(
    name="two writers",
    done="two streams of one pipeline started together, the winner killed",
    must="exactly one runs, the other says why within 60 s",
    times=50,
    run=run,
)

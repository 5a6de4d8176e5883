"""The faults in short, as the tests bring them: fewer times, and judged so that no slow machine is a failure."""

from dataclasses import dataclass, replace
from functools import partial

from faults import (
    bad_network,
    batch_replay,
    canaries,
    crash_at_every_step,
    crash_at_random,
    cut_after_each_write,
    decisions,
    fuzz_files,
    fuzz_lines,
    hot_swap,
    soak,
    storage_trouble,
    two_writers,
    zombie,
)
from faults.bench import PATIENCE_SECONDS, Bench
from faults.result import Fault, Progress


@dataclass(frozen=True)
class Short:
    """faults: brought one after another, each with its number of times; one may go on with what another measured."""

    faults: tuple[tuple[Fault, int], ...]

    def __str__(self) -> str:
        return " and ".join(fault.key for fault, _ in self.faults)

    def holds(self, bench: Bench) -> None:
        bench.folder.mkdir(parents=True, exist_ok=True)
        for fault, times in self.faults:
            progress = Progress.in_file(bench.folder / f"{fault.key}.json", print)
            result = fault.examine(bench, times=times, progress=progress)
            assert result.passed, result


def short(fault: Fault, times: int) -> Short:
    return Short(faults=((fault, times),))


#: How soon the other one says why is for the full numbers to judge, and so it is of each time below.
TWO_WRITERS = replace(two_writers.FAULT, run=partial(two_writers.run, within_seconds=PATIENCE_SECONDS))
#: With a lease of 3 s in place of 45 s.
ZOMBIE = replace(zombie.FAULT, run=partial(zombie.run, lease_seconds=3.0))
RECOVERY = replace(crash_at_random.RECOVERY, run=partial(crash_at_random.recovery, within_seconds=PATIENCE_SECONDS))
#: A few batches show no trend: what they leave behind is bounded, and nothing of them is lost or twice.
SOAK = replace(soak.FAULT, run=partial(soak.run, look_every=3, slower=5.0, larger=3.0))

#: In the process of the tests.
HERE = (
    # The second uses a stream that the first has run.
    Short(faults=((cut_after_each_write.FAULT, 1), (batch_replay.FAULT, 2))),
    short(hot_swap.FAULT, 4),
    short(fuzz_lines.FAULT, 1_000),
    short(fuzz_files.FAULT, 15),
)
#: Jobs as processes, killed, paused and doubled.
PROCESSES = (
    short(SOAK, 15),
    short(storage_trouble.FAULT, 1),
    short(canaries.FAULT, 1),
    Short(faults=((crash_at_random.FAULT, 2), (RECOVERY, 1))),
    short(crash_at_every_step.FAULT, 1),
    short(TWO_WRITERS, 1),
    short(ZOMBIE, 1),
    short(decisions.KILLS, 2),
    short(decisions.CONTROLLERS, 2),
    short(decisions.FLIPS, 3),
)
#: The same with all data on a real S3 server.
ON_S3 = (
    short(crash_at_every_step.FAULT, 1),
    short(crash_at_random.FAULT, 1),
    short(batch_replay.FAULT, 1),
    short(bad_network.FAULT, 1),
)

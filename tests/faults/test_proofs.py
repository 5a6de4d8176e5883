"""The judges of the faults can say no."""

import os
from collections import Counter
from pathlib import Path

import pytest

from faults import soak
from faults.bench import Bench
from faults.canaries import found
from faults.feeds import compared
from faults.fuzz_oracle import judge
from faults.killing import members
from faults.result import Fault, Progress, Seen, as_table


def test_rows_are_compared_one_by_one() -> None:
    ledger = compared(Counter("aab"), Counter("abbc"))
    assert (ledger.rows, ledger.lost, ledger.twice, ledger.is_clean) == (3, 1, 2, False)
    assert compared(Counter("ab"), Counter("ab")).is_clean
    assert not compared(Counter("ab"), Counter("ab"), wrong=1).is_clean
    assert not compared(Counter(), Counter()).is_clean


def test_the_judge_reads_lines_as_they_stand() -> None:
    header = b"row_id,name,x,n,note\n"
    rows = b'1,a,0.5,2,"b, c"\n2,a,0.5,,\n\n  \n3,a,0.5\n4,\xff,0.5,1,b\nfive,a,0.5,1,b\n'
    judged = judge(header + rows)
    assert judged.rows == 5
    assert judged.candidates == Counter([(1, "a", 0.5, 2, "b, c"), (2, "a", 0.5, None, "")])
    assert judged.misplaced(judged.candidates) == 0
    assert judged.misplaced(Counter([(1, "b, c", 0.5, 2, "a")])) == 1
    stray = judge(header + b'6,a,0.5,1,"b" c"\n')
    assert stray.misplaced(Counter([(6, "a", 0.5, 1, 'b" c"')])) == 0
    assert stray.misplaced(Counter([(6, "a", 0.5, 1, "c")])) == 1
    ended = judge(header + b'7,a,0.5,1,"b"\x1a\n8,a,0.5,1,"b\x1a"\n')
    assert ended.misplaced(Counter([(7, "a", 0.5, 1, "b")])) == 0
    assert ended.misplaced(Counter([(8, "a", 0.5, 1, "b")])) == 1
    swapped = judge(b"x,name,row_id,n,note\n0.5,a,1,2,b\n")
    assert swapped.candidates == Counter([(1, "a", 0.5, 2, "b")])


@pytest.mark.parametrize(
    ("last", "seconds", "clean", "passed"),
    [
        ({}, 2.0, True, True),
        ({}, 2.0, False, False),
        ({}, 2.7, True, False),
        ({"python_bytes": 116}, 2.0, True, False),
        ({"heap_bytes": 116}, 2.0, True, False),
        ({"tables_files": 6_001}, 2.0, True, False),
        # 200 batches of 8,000 bytes, and a line of 200 for each of 2,000 files in 40 logs (100 batches, 10 minutes).
        ({"checkpoint_bytes": 17_600_000}, 2.0, True, True),
        ({"checkpoint_bytes": 17_600_001}, 2.0, True, False),
    ],
)
def test_a_soak_that_grows_has_failed(
    tmp_path: Path, last: dict[str, int], seconds: float, clean: bool, passed: bool
) -> None:
    look = {"python_bytes": 100, "heap_bytes": 100}
    left = {f"{name}_{what}": 0 for name in ("checkpoint", "tables") for what in ("files", "bytes")}
    progress = Progress.in_file(tmp_path / "soak.json", lambda _: None)
    for batch in range(10, 201, 10):
        progress.add(**look | left | {"batch": batch} | (last if batch > 180 else {}))
    assert soak.judged(progress, [2.0] * 180 + [seconds] * 20, clean=clean).passed is passed


def test_a_secret_is_found() -> None:
    assert found({"key": "abc", "other": "xyz"}, b"...abc...") == ["key"]


def test_an_interrupted_fault_goes_on(tmp_path: Path) -> None:
    def run(bench: Bench, progress: Progress, times: int) -> Seen:
        while progress.done < times:
            progress.add(bad=0)
            if progress.done == 2:
                raise KeyboardInterrupt
        return Seen(seen="all", passed=True)

    fault = Fault(name="one", done="done", must="hold", times=4, run=run)
    kept, said = tmp_path / "one.json", []
    with pytest.raises(KeyboardInterrupt):
        fault.examine(None, times=4, progress=Progress.in_file(kept, said.append))  # type: ignore[arg-type]
    result = fault.examine(None, times=4, progress=Progress.in_file(kept, said.append))  # type: ignore[arg-type]
    assert len(said) == 4
    assert "| one: done | 4 | hold | all | ok |" in as_table([result])


def test_the_processes_of_a_session_are_found() -> None:
    assert os.getpid() in members(os.getsid(0))

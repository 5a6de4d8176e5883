"""What a fault showed, and what of it is done already."""

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from faults.bench import Bench


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What came out of all repetitions together."""

    seen: str
    passed: bool


@dataclass(frozen=True, kw_only=True)
class Result:
    """A line of the final table. times: how often the fault was brought. seconds: over all runs that it took."""

    fault: str
    done: str
    times: int
    must: str
    seen: str
    passed: bool
    seconds: float


@dataclass(kw_only=True)
class Progress:
    """The finished repetitions of one fault, saved to a file after each of them, so that a rerun resumes.

    file: None keeps nothing.
    """

    file: Path | None = None
    say: Callable[[str], None] = print
    repetitions: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    _since: float = field(default_factory=time.monotonic)

    @classmethod
    def in_file(cls, file: Path, say: Callable[[str], None]) -> "Progress":
        kept = json.loads(file.read_text()) if file.exists() else {"repetitions": [], "seconds": 0.0}
        return cls(file=file, say=say, repetitions=kept["repetitions"], seconds=kept["seconds"])

    @property
    def done(self) -> int:
        return len(self.repetitions)

    def add(self, **what: Any) -> None:
        """A finished repetition."""
        now = time.monotonic()
        self.seconds, self._since = self.seconds + now - self._since, now
        self.repetitions.append(what)
        self.say(f"{self.done}: {', '.join(f'{name} {value}' for name, value in what.items())}")
        if self.file:
            beside = self.file.with_suffix(".new")
            beside.write_text(json.dumps({"repetitions": self.repetitions, "seconds": self.seconds}, indent=1))
            beside.rename(self.file)

    def of(self, fault: str) -> list[dict[str, Any]]:
        """The repetitions of another fault that are kept beside this one's."""
        other = self.file and self.file.with_name(f"{fault}.json")
        return Progress.in_file(other, self.say).repetitions if other else []

    def total(self, what: str) -> int:
        return sum(repetition[what] for repetition in self.repetitions)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """times: how often it is brought when all is run; run: brings it until `times` repetitions are in the progress."""

    name: str
    done: str
    must: str
    times: int
    run: Callable[[Bench, Progress, int], Seen]

    @property
    def key(self) -> str:
        """The name as it is written in a command, and in a file's name."""
        return re.sub(r"\W+", "-", self.name)

    def examine(self, bench: Bench, *, times: int, progress: Progress | None = None) -> Result:
        progress = progress or Progress()
        found = self.run(bench, progress, times)
        return Result(
            fault=self.name,
            done=self.done,
            times=times,
            must=self.must,
            seen=found.seen,
            passed=found.passed,
            seconds=round(progress.seconds, 1),
        )


def as_table(results: Sequence[Result]) -> str:
    """Markdown, for people."""
    lines = ["| fault | times | must be | seen | |", "|---|---|---|---|---|"]
    lines += [
        f"| {result.fault}: {result.done} | {result.times:,} | {result.must} | {result.seen} "
        f"| {'ok' if result.passed else 'FAILED'} |"
        for result in results
    ]
    return "\n".join(lines)


def as_json(results: Sequence[Result]) -> str:
    return json.dumps([asdict(result) for result in results], indent=1) + "\n"

"""Runs a job with one fault built in from outside: python -m faults.launcher JOB [--at MOMENT] -- JOB'S OPTIONS

MOMENT is when:write:batch:act. when: before, within (its files are there, its commit is not) or after. write: `plan`
or a table. act: `kill` (SIGKILL for the whole session) or `pause` (SIGSTOP for the driver).
"""

import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

import penstock.operations.run_stream
import penstock.pipeline.lease
import penstock.pipeline.plan
import penstock.spark.tables
from faults.killing import kill_session
from penstock.config.pipeline import S3Config
from penstock.storage.files import Storage
from penstock.storage.routing import LocatedStorage


@dataclass(frozen=True)
class Moment:
    when: str
    write: str
    batch_id: int
    act: str

    @classmethod
    def parse(cls, text: str) -> "Moment":
        when, write, batch_id, act = text.split(":")
        return cls(when, write, int(batch_id), act)

    def strike(self) -> None:
        print(f"fault: {self.act} {self.when} {self.write} of batch {self.batch_id}", flush=True)
        if self.act == "pause":
            os.kill(os.getpid(), signal.SIGSTOP)
        else:
            kill_session(os.getsid(0))

    def around(self, write: Callable[[], Any], folder: str) -> Any:
        """The write, with the strike where it belongs."""
        if self.when == "before":
            self.strike()
        if self.when == "within":
            storage = LocatedStorage(S3Config())
            before = set(storage.names(folder))
            threading.Thread(target=self.strike_at_new_file, args=(storage, folder, before), daemon=True).start()
        answer = write()
        if self.when != "before":
            self.strike()
        return answer

    def strike_at_new_file(self, storage: Storage, folder: str, before: set[str]) -> None:
        while not any(name.endswith(".parquet") for name in set(storage.names(folder)) - before):
            time.sleep(0.001)
        self.strike()


def replace_everywhere(original: Callable[..., Any], replacement: Callable[..., Any]) -> None:
    """Put `replacement` wherever a module of the library has `original` under a name."""
    for module in [module for name, module in sys.modules.items() if name.startswith("penstock.")]:
        for name in [name for name, value in vars(module).items() if value is original]:
            setattr(module, name, replacement)


def build_in(moment: Moment) -> None:
    def wrapped(original: Callable[..., Any]) -> Callable[..., Any]:
        def write_once(frame: Any, path: str, transaction: Any, **options: Any) -> Any:
            def write() -> Any:
                return original(frame, path, transaction, **options)

            here = Path(path).name == moment.write and transaction.batch_id == moment.batch_id
            return moment.around(write, path) if here else write()

        return write_once

    fix_plan = penstock.pipeline.plan.fix_plan

    def fix_plan_or_strike(storage: Any, checkpoint: str, plan: Any) -> Any:
        def fix() -> Any:
            return fix_plan(storage, checkpoint, plan)

        here = moment.write == "plan" and plan.batch_id == moment.batch_id
        return moment.around(fix, checkpoint) if here else fix()

    prepare_append, commit = penstock.spark.tables.prepare_append, penstock.spark.tables.PreparedAppend.commit
    writes = [penstock.spark.tables.append_once]
    if moment.when == "within":
        writes.append(prepare_append)
    else:
        # What was prepared is written when it is committed.
        penstock.spark.tables.PreparedAppend.commit = lambda append: wrapped(lambda *_: commit(append))(  # type: ignore[method-assign]
            append.frame, append.path, append.transaction
        )
    for write in writes:
        replace_everywhere(write, wrapped(write))
    replace_everywhere(fix_plan, fix_plan_or_strike)


def time_the_start() -> None:
    """Say how long Spark itself takes to start."""
    build_session = penstock.operations.run_stream.build_session

    def timed(*arguments: Any, **options: Any) -> Any:
        started = time.monotonic()
        spark = build_session(*arguments, **options)
        print(f"fault: Spark started in {time.monotonic() - started:.2f} s", flush=True)
        return spark

    replace_everywhere(build_session, timed)


@click.command()
@click.argument("job")
@click.option("--at", "moment", type=Moment.parse)
@click.option("--lease-seconds", type=float, help="Another time to live for the lease, renewed five times in it.")
@click.argument("options", nargs=-1)
def launch(job: str, moment: Moment | None, lease_seconds: float | None, options: tuple[str, ...]) -> None:
    main = importlib.import_module(f"jobs.{job}").main
    if lease_seconds:
        penstock.pipeline.lease.TIME_TO_LIVE_SECONDS, penstock.pipeline.lease.RENEW_SECONDS = (
            lease_seconds,
            lease_seconds / 5,
        )
    if moment:
        build_in(moment)
    time_the_start()
    sys.exit(main(options))


if __name__ == "__main__":
    launch()

"""Injects every fault with the full numbers, resumes where it was interrupted, and prints one table: make faults

python -m faults.run [NAME ...] [--short 0.1] [--on-s3] [--out FILE] [--again]
"""

import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import click
from fast_spark import FAST_SPARK
from sandbox import TestRegistry

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
    on_s3,
    soak,
    storage_trouble,
    two_writers,
    zombie,
)
from faults.bench import PROJECT, Bench
from faults.result import Fault, Progress, Result, as_json, as_table
from penstock.config.pipeline import S3Config
from penstock.spark.pipeline_settings import s3_settings
from penstock.spark.session import build_session

FAULTS: tuple[Fault, ...] = (
    cut_after_each_write.FAULT,
    batch_replay.FAULT,
    zombie.FAULT,
    crash_at_every_step.FAULT,
    two_writers.FAULT,
    hot_swap.FAULT,
    fuzz_lines.FAULT,
    fuzz_files.FAULT,
    canaries.FAULT,
    storage_trouble.FAULT,
    crash_at_random.FAULT,
    crash_at_random.RECOVERY,
    soak.FAULT,
    decisions.KILLS,
    decisions.CONTROLLERS,
    decisions.FLIPS,
)


FULL_RESULTS = PROJECT / "benchmarks" / "results" / "faults.json"
ON_S3_SUFFIX = ", on S3"
#: Those that are brought to pipelines on S3, too, and how often.
ON_S3: tuple[Fault, ...] = (
    crash_at_every_step.FAULT,
    replace(crash_at_random.FAULT, times=50),
    batch_replay.FAULT,
    bad_network.FAULT,
)


def open_bench(folder: Path, place: str = "") -> Bench:
    os.environ["PENSTOCK_SPARK_LOG"] = str(folder / "spark.log")
    os.environ["PENSTOCK_MODEL_CACHE"] = str(folder / "models")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    registry = TestRegistry(folder / "registry")
    registry.folder.mkdir(parents=True, exist_ok=True)
    settings = FAST_SPARK | (s3_settings(S3Config()) if place else {})
    spark = build_session("penstock-faults", settings=settings)
    return Bench(folder=folder / "pipelines", spark=spark, registry=registry, place=place)


def examine(bench: Bench, fault: Fault, *, folder: Path, times: int) -> Result:
    """Raises nothing: a fault that breaks its own proof has failed, and the others go on."""

    def say(what: str) -> None:
        click.echo(f"{time.strftime('%H:%M:%S')} {fault.name} {what}")

    progress = Progress.in_file(folder / f"{fault.key}.json", say)
    say(f"of {times:,}, {progress.done} repetitions are done already")
    try:
        return fault.examine(bench, times=times, progress=progress)
    except Exception as error:  # noqa: BLE001 - whatever it is goes into the table
        click.echo(str(error), err=True)
        return Result(
            fault=fault.name,
            done=fault.done,
            times=times,
            must=fault.must,
            seen=f"after {progress.done} repetitions: {type(error).__name__}: {' '.join(str(error).split())[:200]}",
            passed=False,
            seconds=round(progress.seconds, 1),
        )


def read_results(out: Path) -> list[Result]:
    """Of earlier runs, of other faults."""
    return [Result(**result) for result in json.loads(out.read_text())] if out.exists() else []


@click.command(help=__doc__)
@click.argument("names", nargs=-1, type=click.Choice([fault.key for fault in (*FAULTS, bad_network.FAULT)]))
@click.option("--short", default=1.0, help="This part of the full numbers.")
@click.option("--on-s3", "is_on_s3", is_flag=True, help="The pipelines' data on a real S3 server, started here.")
@click.option("--folder", type=click.Path(path_type=Path), default=PROJECT / "logs" / "faults", help="State and data.")
@click.option("--out", type=click.Path(path_type=Path), help="Default: benchmarks/results, or FOLDER if --short.")
@click.option("--again", is_flag=True, help="Forget what earlier runs have done.")
def command(names: Sequence[str], short: float, is_on_s3: bool, folder: Path, out: Path | None, again: bool) -> int:
    out = out or (FULL_RESULTS if short == 1.0 else folder / "short.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = folder / "s3" if is_on_s3 else folder
    if again:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [fault for fault in (ON_S3 if is_on_s3 else FAULTS) if not names or fault.key in names]
    results = []
    with on_s3.s3_place(folder / "server") if is_on_s3 else nullcontext("") as place:
        bench = open_bench(folder, place)
        for fault in chosen:
            result = examine(bench, fault, folder=folder, times=max(1, round(fault.times * short)))
            results.append(replace(result, fault=fault.name + ON_S3_SUFFIX) if is_on_s3 else result)
            click.echo(as_table(results[-1:]).splitlines()[-1])
    known = {result.fault: result for result in [*read_results(out), *results]}
    lines = [fault.name for fault in FAULTS] + [fault.name + ON_S3_SUFFIX for fault in ON_S3]
    click.echo(as_table(everything := [known[line] for line in lines if line in known]))
    out.write_text(as_json(everything))
    return 0 if all(result.passed for result in results) else 1


if __name__ == "__main__":
    sys.exit(command(standalone_mode=False))

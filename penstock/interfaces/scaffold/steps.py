"""The next steps after `penstock init`: the exact commands, in order."""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Written:
    """The created files, relative to `folder`. data: the original sample."""

    name: str
    folder: Path
    contract: Path
    config: Path
    sample: Path
    data: Path
    target: str | None
    is_series: bool
    model: str


def next_steps(written: Written) -> list[str]:
    """The lines to print; commands are indented."""
    conf = ["--conf", str(written.config)]
    inbox = f"warehouse/{written.name}/inbox"
    steps = [("train a first model and register it", job(written, "train_rows", *conf, *training(written)))]
    if written.is_series:
        steps = [("fit a first model and register it", job(written, "fit_var", *conf, *training(written)))]
    elif written.target is None:
        about = f"register a model with a signature as {written.model!r}, alias champion (docs/pipelines.md)"
        steps = [(about, "")]
    steps += [
        ("check that everything is ready", job(written, "doctor", *conf)),
        ("put the sample where files arrive", f"mkdir -p {inbox} && cp {shlex.quote(str(written.sample))} {inbox}/"),
        ("score it", job(written, "backfill", *conf)),
        ("look at the result", job(written, "show_status", *conf)),
    ]
    folder = written.folder.absolute()
    if folder != Path.cwd():
        steps.insert(0, ("go to the new files", f"cd {shlex.quote(str(folder))}"))
    lines = [f"wrote {written.contract}, {written.config} and {written.sample}", "", "Next:"]
    for number, (about, command) in enumerate(steps, start=1):
        lines += [f"{number}. {about}", *([f"   {command}"] if command else [])]
    return lines


def training(written: Written) -> list[str]:
    target = ["--target", written.target] if written.target is not None else []
    return ["--data", below(written.data, written.folder), *target, "--promote"]


def job(written: Written, name: str, *options: str) -> str:
    python = below(Path(sys.executable), written.folder)
    is_here = (written.folder / "jobs" / f"{name}.py").exists()
    return shlex.join([python, *([f"jobs/{name}.py"] if is_here else ["-m", f"penstock.jobs.{name}"]), *options])


def below(path: Path, folder: Path) -> str:
    """The path relative to the folder if inside it, else the absolute path."""
    whole, top = path.absolute(), folder.absolute()
    return str(whole.relative_to(top)) if whole.is_relative_to(top) else str(whole)

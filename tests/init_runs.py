"""What `penstock init` wrote, and what it printed."""

import importlib.util
import shlex
import sys

from penstock.jobs.init_pipeline import main


def written_contract(folder, name):
    spec = importlib.util.spec_from_file_location(f"contract_of_{name}", folder / "schemas" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CONTRACT


def error_of(capsys, *arguments):
    """What is printed when the job refuses."""
    assert main([*arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith(("error: ", "Usage: ", "Error: "))
    return said


def steps(capsys):
    """The commands printed, as they would be typed."""
    return [line.strip() for line in capsys.readouterr().out.splitlines() if line.startswith("   ")]


def jobs_of(commands):
    found = [shlex.split(command) for command in commands]
    return [
        (command[2].removeprefix("penstock.jobs."), command[3:]) for command in found if command[0] == sys.executable
    ]

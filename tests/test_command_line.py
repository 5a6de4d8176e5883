"""The command `penstock`, which is the jobs under shorter names."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from penstock.jobs import run_command

PENSTOCK = str(Path(sys.executable).parent / "penstock")


def penstock(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PENSTOCK, *arguments], capture_output=True, text=True, check=False, env=os.environ | environment
    )


def test_its_help_lists_every_command_and_the_exit_codes() -> None:
    result = penstock("--help")
    assert result.returncode == 0
    for listed in run_command.COMMANDS:
        assert f"  {listed.name} " in result.stdout
    assert "0 done, 1 failed, 2 wrong usage" in result.stdout


@pytest.mark.parametrize("listed", run_command.COMMANDS, ids=lambda listed: listed.name)
def test_the_help_of_a_command_has_an_example_that_it_understands(listed, capsys) -> None:
    assert run_command.main([listed.name, "--help"]) == 0
    assert f" {listed.name} {listed.example}".rstrip() in " ".join(capsys.readouterr().out.split())
    loaded = listed.load()
    assert isinstance(loaded, click.Command)
    words = listed.example.split()
    if isinstance(loaded, click.Group):
        assert words[0] in loaded.commands
    assert {word for word in words if word.startswith("--")} <= {name for one in loaded.params for name in one.opts}


def test_every_job_has_a_command() -> None:
    jobs = {path.stem for path in Path(run_command.__file__).parent.glob("*.py")} - {"__init__", "run_command"}
    # The example's own training.
    assert jobs - {listed.module.removeprefix("jobs.") for listed in run_command.COMMANDS} == {"train_elasticnet"}


def test_an_error_is_one_sentence_and_a_traceback_only_with_debug(tmp_path: Path) -> None:
    missing = str(tmp_path / "no.yaml")
    plain = penstock("status", "--conf", missing)
    assert plain.returncode == 2
    assert plain.stderr == f"error: {missing}: there is no such file; --conf takes a pipeline's YAML file\n"
    assert "Traceback" in penstock("--debug", "status", "--conf", missing).stderr


def test_an_unknown_command_is_wrong_usage() -> None:
    result = penstock("strem")
    assert result.returncode == 2
    assert "No such command 'strem'" in result.stderr


def test_a_shell_completes_it() -> None:
    result = penstock(_PENSTOCK_COMPLETE="bash_complete", COMP_WORDS="penstock st", COMP_CWORD="1")
    assert result.stdout.split() == ["plain,stream", "plain,stop", "plain,status"]


@pytest.mark.parametrize(
    ("job", "library"),
    [
        ("show_status", "pyspark"),  # a second of import
        ("inspect_series", "pyspark"),
        ("explain", "mlflow"),
        ("compare", "mlflow"),
        ("backfill", "duckdb"),  # complains on stderr of what its own bindings leave, when a process with MLflow ends
    ],
)
def test_a_job_imports_no_library_that_it_does_not_need(job: str, library: str) -> None:
    script = f"import sys, penstock.jobs.{job}; sys.exit({library!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[1], check=False).returncode == 0

"""The log of real jobs, as processes: what a log store would read line by line."""

import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from penstock.logs import JsonLines, in_batch

PROJECT = Path(__file__).parents[1]
#: A job that logs; the commands of jobs/ are run in the same way.
JOB = """
import logging, sys, threading, warnings
import click
from penstock.interfaces.cli.options import config_options, read_config, run_job
from penstock.errors import EnvironmentCheckError
from penstock.logs import in_batch, say
log = logging.getLogger("penstock.sample")

@click.command()
@config_options
@click.option("--then", default="")
def command(conf, overrides, then):
    log.info("before the config")
    read_config(conf, overrides)
    with in_batch(7):
        log.warning("no route to %s", "http://me:pw@host/db")
    exec(then)
    say("done: 3 rows")

sys.exit(run_job(command))
"""


def run(log_format, then="", **environment):
    command = [sys.executable, "-c", JOB, "--conf", "conf/wine.yaml", "--then", then]
    added = {"PENSTOCK_LOG_FORMAT": log_format, "PENSTOCK_DEBUG": "", **environment}
    kept = {name: value for name, value in (os.environ | added).items() if value is not None}
    return subprocess.run(command, cwd=PROJECT, env=kept, capture_output=True, text=True, timeout=300, check=False)


def lines(answer):
    assert answer.stderr == ""
    return [json.loads(line) for line in answer.stdout.splitlines()]


def test_every_line_is_one_object():
    before = datetime.now(UTC)
    answer = run("json")
    assert answer.returncode == 0
    found = lines(answer)
    for line in found:
        moment = datetime.fromisoformat(line.pop("time"))
        assert moment.utcoffset().total_seconds() == 0
        assert (before - moment).total_seconds() < 1
        assert moment <= datetime.now(UTC)
    assert found == [
        {"level": "INFO", "logger": "penstock.sample", "message": "before the config"},
        {
            "level": "WARNING",
            "logger": "penstock.sample",
            "message": "no route to http://***@host/db",
            "pipeline": "wine",
            "batch_id": 7,
        },
        {"level": "INFO", "logger": "penstock.logs", "message": "done: 3 rows", "pipeline": "wine"},
    ]


@pytest.mark.parametrize("log_format", [None, "text"])
def test_text_is_as_it_was(log_format):
    answer = run(log_format)
    assert answer.stderr == ""
    first, second, last = answer.stdout.splitlines()
    assert [first[8:], second[8:]] == [" before the config", " no route to http://me:pw@host/db"]
    assert datetime.strptime(first[:8], "%H:%M:%S")
    assert last == "done: 3 rows"


def test_an_error_is_an_object_too():
    raised = "raise EnvironmentCheckError('no table in s3://me:pw@host/x')"
    answer = run("json", raised)
    assert answer.returncode == 1
    last = lines(answer)[-1]
    assert (last["level"], last["message"]) == ("ERROR", "no table in s3://***@host/x")
    assert "exception" not in last
    debugged = lines(run("json", raised, PENSTOCK_DEBUG="1"))[-1]
    assert debugged["exception"].startswith("Traceback (most recent call last):\n")
    assert debugged["exception"].endswith("EnvironmentCheckError: no table in s3://***@host/x")


def test_so_is_one_that_nobody_handles_in_any_thread():
    answer = run("json", "threading.Thread(target=lambda: 1 / 0).start(); [][1]")
    assert answer.returncode == 1
    errors = [line for line in lines(answer) if line["level"] == "CRITICAL"]
    assert sorted(line["exception"].splitlines()[-1] for line in errors) == [
        "IndexError: list index out of range",
        "ZeroDivisionError: division by zero",
    ]


def test_so_are_wrong_options_and_warnings_and_what_mlflow_says():
    wrong = subprocess.run(
        [sys.executable, "-c", JOB, "--cnf", "x"],
        cwd=PROJECT,
        env=os.environ | {"PENSTOCK_LOG_FORMAT": "json"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert wrong.returncode == 2
    assert "--cnf" in lines(wrong)[0]["message"]
    said = "import mlflow; logging.getLogger('mlflow.x').warning('an old client'); warnings.warn('soon gone')"
    messages = [(line["logger"], line["message"]) for line in lines(run("json", said))]
    assert ("mlflow.x", "an old client") in messages
    assert any(logger == "py.warnings" and "soon gone" in message for logger, message in messages)


def test_an_unknown_format_is_an_error():
    answer = run("xml")
    assert answer.returncode == 2
    assert "PENSTOCK_LOG_FORMAT is 'xml'; expected json or text" in answer.stderr


def formatted(message, *, formatter=None):
    record = logging.LogRecord("penstock", logging.INFO, "", 0, message, (), None)
    return (formatter or JsonLines()).format(record)


def test_a_text_of_many_lines_stays_one():
    line = formatted('a "quoted"\nsecond\u2028third')
    assert len(line.splitlines()) == 1
    assert json.loads(line)["message"] == 'a "quoted"\nsecond\u2028third'


def test_of_two_pipelines_none_is_named():
    formatter = JsonLines()
    formatter.pipelines |= {"wine", "macro"}
    assert "pipeline" not in json.loads(formatted("x", formatter=formatter))


def test_a_batch_is_named_in_its_own_thread_and_until_it_ends():
    seen = []
    with in_batch(0):
        seen.append(json.loads(formatted("x")).get("batch_id"))
        thread = threading.Thread(target=lambda: seen.append(json.loads(formatted("x")).get("batch_id")))
        thread.start()
        thread.join()
        with contextlib.suppress(ZeroDivisionError), in_batch(1):
            seen.append(json.loads(formatted("x")).get("batch_id"))
            raise ZeroDivisionError
    seen.append(json.loads(formatted("x")).get("batch_id"))
    assert seen == [0, None, 1, None]


def test_mlflow_does_not_tell_of_each_step_once_it_is_imported():
    then = "import mlflow; logging.getLogger('mlflow.x').info('backend chosen')"
    process = run("text", then)
    assert (process.returncode, process.stderr) == (0, "")
    assert "backend chosen" not in process.stdout

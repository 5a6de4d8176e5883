"""jobs/maintain_tables.py as a person starts it."""

from job_processes import arguments, python, run
from sandbox import WINE, Sandbox, csv_file


def test_the_job_says_what_it_did_and_what_it_left(sandbox: Sandbox) -> None:
    sandbox.drop("a.csv", csv_file(WINE))
    sandbox.run()
    options = arguments(sandbox, sandbox.registry.wine_model())
    answer = run(sandbox, python("maintain_tables", *options))
    assert answer.returncode == 0, answer.stderr
    for table in ("predictions", "quarantine", "batches"):
        assert f" {table}: " in answer.stdout
    assert answer.stdout.strip().endswith("done: nothing is left")
    without_budget = run(sandbox, python("maintain_tables", *options, "--set", "maintenance.budget=0"))
    assert without_budget.returncode == 0, without_budget.stderr
    assert "left for the next run (budget 0 s): quarantine; predictions; batches" in without_budget.stdout


def test_a_promise_that_the_config_breaks_ends_it_with_2(sandbox: Sandbox) -> None:
    options = arguments(sandbox, "any")
    answer = run(sandbox, python("maintain_tables", *options, "--set", "maintenance.time_travel=1 day"))
    assert answer.returncode == 2
    assert "maintenance.time_travel: 1 day is below the floor of 7 days: a replay reads lags" in answer.stderr

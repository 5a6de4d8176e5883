"""How often a planned batch was begun again, beside its plan: a run that ends its process leaves nothing else."""

import re

from penstock.storage.files import Storage

#: More are not counted.
MAX_COUNTED = 9
#: `<plan>.attempt-<number>`.
ATTEMPT_NAME = re.compile(r"([0-9]+)\.json\.attempt-[0-9]+")


def attempt_path(plan_path: str, number: int) -> str:
    return f"{plan_path}.attempt-{number}"


def record_attempt(storage: Storage, plan_path: str) -> int:
    """Called before a plan is run again. Returns how many attempts are recorded with this one."""
    for number in range(1, MAX_COUNTED + 1):
        if storage.create(attempt_path(plan_path, number), b""):
            return number
    return MAX_COUNTED


def forget_attempt(storage: Storage, plan_path: str, number: int) -> None:
    """For an attempt that failed by what is known to be no fault of the batch."""
    storage.delete(attempt_path(plan_path, number))

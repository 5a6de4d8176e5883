"""The plans of replays. They lie beside the tables: a replay is about tables, whatever checkpoint the stream has.

A replay is a batch of the query REPLAY_QUERY, numbered from 0. Its file `<n>.json` is its plan, `<n>.done` says that
nothing of it is left to do; an interrupted replay is finished by the next one, or rolled back by it if there is
`<n>.given-up`.
"""

from penstock.config.pipeline import PipelineConfig
from penstock.errors import LedgerError
from penstock.pipeline.plan import Plan, plan_numbers, read_plan
from penstock.storage.files import Storage

REPLAY_QUERY = "replay"
#: In place of a batch's number, where attempts are counted.
REPLAY_ATTEMPTS = -1


def replay_folder(config: PipelineConfig) -> str:
    return f"{config.tables.root}/_replays"


def replay_path(config: PipelineConfig, number: int) -> str:
    return f"{replay_folder(config)}/{number}.json"


def done_path(config: PipelineConfig, number: int) -> str:
    return f"{replay_folder(config)}/{number}.done"


def given_up_path(config: PipelineConfig, number: int) -> str:
    return f"{replay_folder(config)}/{number}.given-up"


def replay_numbers(config: PipelineConfig, storage: Storage) -> list[int]:
    return plan_numbers(storage, replay_folder(config))


def unfinished_replay(config: PipelineConfig, storage: Storage) -> Plan | None:
    """The plan of the interrupted replay, if there is one; only the last can be."""
    numbers = replay_numbers(config, storage)
    if not numbers or storage.status(done_path(config, numbers[-1])):
        return None
    return read_plan(storage, replay_path(config, numbers[-1]))


def refuse_unfinished_replay(config: PipelineConfig, storage: Storage) -> None:
    """Raises LedgerError: a batch beside a half-written replay would build on what the replay still changes."""
    plan = unfinished_replay(config, storage)
    if plan is not None:
        raise LedgerError(
            f"replay {plan.batch_id} of {plan.planned_at.isoformat(sep=' ', timespec='seconds')} was cut off; run "
            "jobs/replay_quarantine.py once more to finish it (or with --give-up to roll it back), then start again"
        )

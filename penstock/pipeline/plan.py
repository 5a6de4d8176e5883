"""The plan of a micro-batch: all that its answers depend on, fixed in one file before anything is written.

A replay obeys the plan: the same files, the same verdicts, the same model versions, hence the same answers.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime

from pydantic import Field, ValidationError

from penstock.config.experiment import Mode
from penstock.config.sections import FrozenModel
from penstock.errors import FilesChangedError, PlanError
from penstock.models.pinned import PinnedModel
from penstock.series.exogenous_values import ExogenousSource
from penstock.sources.files import PlannedFile, Verdict
from penstock.storage.delta_transactions import Transaction
from penstock.storage.files import FileStatus, Storage
from penstock.storage.statuses import statuses

#: What files mean to this code. To be raised only with a change after which a file, under the same contract and
#: dialect, gives other rows, values or verdicts: a batch that was begun before it is then not finished after it. Plans
#: without it are of version 1.
SCORING_VERSION = 3


class QuarantineReplay(FrozenModel):
    """The rows that a replay takes from the quarantine: as of a version, by a part of one of their reasons."""

    quarantine_version: int
    reason: str = ""


class LateReplay(FrozenModel):
    """A recomputation of the series that late observations or revisions belong to, as of a version of the table."""

    observations_version: int


class PlannedExperiment(FrozenModel):
    """The second version of a batch, the last of its plan's `models`: which rows it answers, and whose answers stand.

    salt: of the hash of the key, another one for each candidate. began_at: of the first batch that this pair of
    versions answered. is_bake: the candidate is the champion that was before, and remains as a shadow whatever
    experiment.mode says. ramp: the settings of the ramp, as JSON; ramp_began_at: of the pair's first batch with them,
    from which the step of the ramp follows. fitted_until: the newest observation that one of the two was fitted on, so
    that what came true until then is no evidence; None without series, or where nobody knows it.
    """

    mode: Mode
    fraction: float
    key: tuple[str, ...]
    salt: str
    began_at: datetime
    is_bake: bool = False
    ramp: str = ""
    ramp_began_at: datetime | None = None
    fitted_until: datetime | None = None

    @property
    def as_texts(self) -> dict[str, str]:
        """As `batches` has it: key as JSON, times in ISO 8601."""
        return {
            "mode": self.mode,
            "fraction": f"{self.fraction:g}",
            "key": json.dumps(list(self.key)),
            "salt": self.salt,
            "began_at": self.began_at.isoformat(),
            "is_bake": json.dumps(self.is_bake),
        }


class PausedExperiment(FrozenModel):
    """An experiment that is resumed by the first batch that can have its candidate again, as if it had not been out."""

    candidate: PinnedModel
    experiment: PlannedExperiment


class Plan(FrozenModel):
    """refused_versions: model versions that failed their probe and that the alias still points to, with the reason.

    resolved_at: when the registry last said what the alias means; earlier than planned_at where it did not answer.
    models: by role, the champion first; empty in a pipeline without a model. experiment: None where the champion
    answers alone. paused_experiment: of the champion and a candidate that is out for a passing reason.
    refused_candidates: versions that experiment.alias points to and that failed, with the reason.
    probed: whether the model version has met rows before, or in this batch's probe. penstock: the version that made it.
    """

    query_id: str
    batch_id: int
    planned_at: datetime
    contract_hash: str
    config_hash: str
    files: tuple[PlannedFile, ...]
    models: tuple[PinnedModel, ...]
    #: series: the version of `lags` that the batch reads.
    lags_version: int | None = None
    refused_versions: dict[str, str] = Field(default_factory=dict)
    resolved_at: datetime
    probed: bool = True
    replay: QuarantineReplay | LateReplay | None = None
    penstock: str = ""
    scoring_version: int = 1
    #: series: the values of exogenous variables that the batch reads; None if there are none.
    exogenous: ExogenousSource | None = None
    experiment: PlannedExperiment | None = None
    paused_experiment: PausedExperiment | None = None
    refused_candidates: dict[str, str] = Field(default_factory=dict)

    def files_with(self, *verdicts: Verdict) -> tuple[PlannedFile, ...]:
        return tuple(file for file in self.files if file.verdict in verdicts)

    @property
    def champion(self) -> PinnedModel:
        """Of a pipeline with a model."""
        return self.models[0]

    @property
    def candidate(self) -> PinnedModel | None:
        return self.models[1] if self.experiment else None

    @property
    def open_experiment(self) -> PausedExperiment | None:
        """The experiment that is not ended: the batch has it, or it is paused."""
        if self.experiment is None:
            return self.paused_experiment
        return PausedExperiment(candidate=self.models[1], experiment=self.experiment)

    def transaction(self, pipeline: str) -> Transaction:
        """The key of every write of this batch, into whichever table."""
        return Transaction(pipeline=pipeline, query_id=self.query_id, batch_id=self.batch_id)

    @property
    def described(self) -> str:
        return f"{'replay' if self.replay else 'batch'} {self.batch_id}"

    @property
    def job_to_finish(self) -> str:
        return "replay_quarantine" if self.replay else "backfill"


def plan_folder(checkpoint: str) -> str:
    return f"{checkpoint}/plan"


def plan_path(checkpoint: str, batch_id: int) -> str:
    return f"{plan_folder(checkpoint)}/{batch_id}.json"


def planned_batches(storage: Storage, checkpoint: str) -> list[int]:
    """The batches that have a plan, in their order."""
    return plan_numbers(storage, plan_folder(checkpoint))


def plan_numbers(storage: Storage, folder: str) -> list[int]:
    """The numbers of the plans in a folder, in their order."""
    names = storage.names(folder)
    return sorted(int(name.removesuffix(".json")) for name in names if re.fullmatch(r"[0-9]+\.json", name))


def read_plan(storage: Storage, path: str) -> Plan | None:
    """The plan of a batch, if there is one. Raises PlanError for a file that is not a plan."""
    content = storage.read(path)
    if content is None:
        return None
    try:
        return Plan.model_validate_json(content)
    except ValidationError as error:
        raise PlanError(f"{path}: is not a plan that this version can read: {error.errors()[0]['msg']}") from None


def newest_plan(storage: Storage, checkpoint: str) -> Plan | None:
    """The plan of the last batch that has one. Raises PlanError."""
    planned = planned_batches(storage, checkpoint)
    return read_plan(storage, plan_path(checkpoint, planned[-1])) if planned else None


def fix_plan(storage: Storage, path: str, plan: Plan) -> Plan:
    """Make `plan` the batch's plan, or return the one that another process made first."""
    if storage.create(path, plan.model_dump_json(indent=1).encode()):
        return plan
    existing = read_plan(storage, path)
    if existing is None:
        raise PlanError(f"{path}: appeared and vanished again; who else writes there?")
    return existing


def replace_plan(storage: Storage, path: str, plan: Plan) -> None:
    """Put an amended plan in place of a batch's plan, of which nothing is written yet."""
    storage.replace(path, plan.model_dump_json(indent=1).encode())


def check_plan_fits(plan: Plan, *, contract_hash: str, config_hash: str) -> None:
    """A batch planned under another contract or config is refused, never mixed. Raises PlanError."""
    for what, planned, current in (
        ("contract", plan.contract_hash, contract_hash),
        ("config (source format, csv dialect or model name)", plan.config_hash, config_hash),
    ):
        if planned != current:
            raise PlanError(
                f"{plan.described} was planned under another {what} ({planned[:8]}, now {current[:8]}) and is not "
                f"finished; run it once with the earlier one ({plan.job_to_finish}), then change it"
            )


def check_files_unchanged(plan: Plan, storage: Storage) -> None:
    """The accepted files must be as they were planned: a loss or a change fails loudly. Raises FilesChangedError."""
    for file, status in accepted_now(plan, storage):
        if status is None:
            raise FilesChangedError(
                f"{plan.described}: {file.path} was planned and is gone before its rows were committed; "
                "put it back and start again"
            )
        if status != file.status:
            raise FilesChangedError(
                f"{plan.described}: {file.path} changed after it was planned ({file.length} bytes then, "
                f"{status.length} now); put the planned content back under the same modification time, and deliver "
                "the change under a new name"
            )


def changed_files(plan: Plan, storage: Storage) -> list[str]:
    """The paths of accepted files that are gone, or not as they were planned."""
    return [file.path for file, status in accepted_now(plan, storage) if status != file.status]


def accepted_now(plan: Plan, storage: Storage) -> Iterator[tuple[PlannedFile, FileStatus | None]]:
    """The accepted files, each with what it is now."""
    accepted = plan.files_with("accepted")
    return zip(accepted, statuses(storage, [file.path for file in accepted]), strict=True)

"""Checks before a run what would fail in it. Each check gives one line: ok, or what to do."""

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from penstock.config.loading import load_contract
from penstock.config.locations import is_on_s3
from penstock.config.pipeline import PipelineConfig
from penstock.errors import EnvironmentCheckError, ModelRefusedError, PenstockError, RegistryUnavailableError
from penstock.models.aliases import ModelAliases
from penstock.models.fleet_check import fleet_incompatibility, volume
from penstock.models.refusal import refused_if_it_fails
from penstock.models.resolved import ModelAtStart, ResolvedModel, resolve
from penstock.models.scoring import checked_columns
from penstock.models.trust import artifact_digest, check_trust
from penstock.operations.doctor.s3_checks import check_s3_folder
from penstock.pipeline.decisions.carry_out import PIPELINE
from penstock.pipeline.last_model import has_other_before, version_before
from penstock.pipeline.workload import workload_of
from penstock.redaction import without_credentials
from penstock.spark.environment import check_jars, check_java, check_packages, check_python
from penstock.storage.files import Storage
from penstock.storage.routing import storage_of
from penstock.udfs.scoring.installed import logged_python, requirement_lines, unmet

#: The checks whose failure only a first start can't live with.
OF_MODEL = ("model", "requirements")
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the doctor. detail: what was found if ok, else what is wrong and what to do (`error`)."""

    check: str
    ok: bool
    detail: str
    error: PenstockError | None = None

    def __str__(self) -> str:
        return f"{'ok  ' if self.ok else 'FAIL'} {self.check}: {self.detail}"


def examine(config: PipelineConfig, model: ModelAtStart | None, *, with_digest: bool = True) -> Iterator[Finding]:
    """The checks that need no Spark, in the order in which one would repair things.

    model: None for a pipeline without one. with_digest: show the model's SHA-256, for which all its files are read.
    """
    yield found("python", check_python)
    yield found("java", check_java)
    yield found("packages", check_packages)
    yield found("jars", check_jars)
    yield found("contract", lambda: describe_contract(config))
    storage = storage_of(config)
    yield found("inbox", lambda: check_folder(storage, config.source.path, write=False))
    yield found("tables", lambda: check_folder(storage, config.tables.root, write=True))
    yield found("checkpoint", lambda: check_folder(storage, config.checkpoint, write=True))
    if model is not None:
        yield found("model", lambda: check_model(config, model, with_digest=with_digest))
        yield found("requirements", lambda: check_requirements(model))
        # No candidate keeps a job from starting.
        if config.experiment is not None and with_digest:
            yield found("candidate", lambda: check_candidate(config, model))
            yield found("decisions", lambda: describe_decider(config, model))


def found(check: str, run: Callable[[], str]) -> Finding:
    try:
        return Finding(check=check, ok=True, detail=without_credentials(run()))
    except PenstockError as error:
        return Finding(check=check, ok=False, detail=without_credentials(str(error)), error=error)


def check_at_start(config: PipelineConfig, model: ModelAtStart | None) -> None:
    """What the jobs run before Spark starts. Raises EnvironmentCheckError with every finding that is not ok.

    A registry that is away, or a version that is refused, stops only a pipeline that has no version before it:
    micro-batches choose theirs.
    """
    bad = [finding for finding in examine(config, model, with_digest=False) if not finding.ok]
    fatal = bad
    if model is not None and all(finding.check in OF_MODEL for finding in bad):
        is_refused = any(isinstance(finding.error, ModelRefusedError) for finding in bad)
        is_away = all(isinstance(finding.error, RegistryUnavailableError) for finding in bad)
        fatal = [] if (is_away and version_before(config)) or (is_refused and has_other_before(config, model)) else bad
    if fatal:
        raise EnvironmentCheckError("; ".join(f"{finding.check}: {finding.detail}" for finding in fatal))
    for finding in bad:
        log.warning("not fit at start: %s: %s", finding.check, finding.detail)


def describe_contract(config: PipelineConfig) -> str:
    contract, holidays = load_contract(config), ""
    workload_of(config).check_contract(contract, config)
    if config.series is not None:
        calendar = config.series.calendar
        if calendar.has_business_days:
            last = f", the last one on {calendar.holidays[-1]}" if calendar.holidays else ""
            holidays = f", {len(calendar.holidays)} holidays{last}"
    return f"{config.contract}, {len(contract.fields)} fields, {len(contract.rules)} rules{holidays}"


def check_folder(storage: Storage, location: str, *, write: bool) -> str:
    """A folder that is there, or can be made. Raises EnvironmentCheckError."""
    if is_on_s3(location):
        return check_s3_folder(storage, location, write=write)
    folder = Path(location)
    needed = os.R_OK | os.X_OK | (os.W_OK if write else 0)
    what = "readable and writable" if write else "readable"
    if folder.exists() and not folder.is_dir():
        raise EnvironmentCheckError(f"{location} is not a folder; name a folder, or move the file away")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentCheckError(f"{location} can't be made: {error.strerror}; check the path and rights") from None
    if not os.access(folder, needed):
        raise EnvironmentCheckError(f"{location} is not {what} for this user; change its rights or the config")
    return f"{location} is {what}"


def check_model(config: PipelineConfig, model: ModelAtStart, *, with_digest: bool) -> str:
    """Registry, alias, trust, signature against the contract. Raises PenstockError."""
    resolved = model.resolved()
    with refused_if_it_fails(resolved.version, model.registry):
        return describe_model(config, resolved, named=config.the_model.described, with_digest=with_digest)


def check_candidate(config: PipelineConfig, model: ModelAtStart) -> str:
    """The same of the version that experiment.alias means; a missing alias is no fault. Raises PenstockError."""
    alias = config.experiment.alias if config.experiment else ""
    named = f"{config.the_model.name}@{alias}"
    try:
        version = model.registry.version_of_alias(config.the_model.name, alias)
    except ModelRefusedError:
        return f"no version is {named}: the champion answers alone until the alias is set"
    if version == model.version():
        return f"{named} is version {version.version}, which is the champion's: it answers alone"
    resolved = resolve(model.registry, version)
    with refused_if_it_fails(version, model.registry):
        return describe_model(config, resolved, named=named, with_digest=True)


def describe_decider(config: PipelineConfig, model: ModelAtStart) -> str:
    """Whether another pipeline has decided about the champion: no fault, since a pipeline may have been renamed.

    Raises PenstockError.
    """
    version = model.version().version
    other = ModelAliases.of(config).tags(version).get(PIPELINE, config.pipeline)
    if other == config.pipeline:
        return f"no other pipeline has decided about version {version}"
    return (
        f"version {version} was decided on by the pipeline {other!r}; where it follows the same aliases, the two "
        "undo each other's decisions: let one pipeline decide about a model, and leave the section experiment out of "
        "the others"
    )


def describe_model(config: PipelineConfig, resolved: ResolvedModel, *, named: str, with_digest: bool) -> str:
    """named: what the registry was asked for."""
    check_trust(resolved, config.the_model)
    version = resolved.version
    contract = workload_of(config).scoring_contract(config, load_contract(config))
    inputs, outputs = checked_columns(resolved, contract)
    name = f"{named} is version {version.version}"
    if with_digest:
        name += f", SHA-256 {artifact_digest(resolved.folder)}"
    if config.workload == "rows":
        return f"{name}, {len(inputs)} inputs from the contract, {len(outputs)} outputs"
    problem = fleet_incompatibility(outputs, resolved.metadata, config)
    if problem:
        raise ModelRefusedError(f"{version.uri}: {problem}")
    return f"{name}; forecast.at is {config.forecast.at}: {volume(resolved.metadata, config)}"


def check_requirements(model: ModelAtStart) -> str:
    """The packages that the model was logged with against those here. Raises PenstockError."""
    resolved = model.resolved()
    with refused_if_it_fails(resolved.version, model.registry):
        lines = requirement_lines(resolved.folder / "requirements.txt")
        problems = list(unmet(lines, python=logged_python(resolved.flavors)))
    if problems:
        raise ModelRefusedError(
            f"{resolved.version.uri} was logged with other packages: {'; '.join(problems)}; "
            "install those, or train and register the model here again"
        )
    return f"all {len(lines)} requirements of {resolved.version.uri} are met here"

"""Decides which model versions may be loaded, by the digest of their files and by their serialization format."""

import hashlib
import re
from pathlib import Path

from penstock.config.model import ModelConfig
from penstock.errors import ModelRefusedError
from penstock.models.registry import ModelVersion, Registry
from penstock.models.resolved import ResolvedModel, resolve
from penstock.udfs.scoring.model_cache import ModelLoadError
from penstock.udfs.scoring.pickled import WAY_OUT, pickle_reason

#: Written by MLflow beside downloaded files, with the name they were downloaded under; not part of the digest.
FETCH_NOTE = "registered_model_meta"


def trusted_model(registry: Registry, version: ModelVersion, model: ModelConfig) -> ResolvedModel:
    """The version with its files on this machine, if the config lets them be loaded. Raises ModelRefusedError,
    RegistryUnavailableError."""
    # The digest first: nothing of a changed copy is parsed.
    check_digest(registry.local_copy(version), version, model)
    found = resolve(registry, version)
    check_format(found, model)
    return found


def check_trust(found: ResolvedModel, model: ModelConfig) -> None:
    """Raises ModelRefusedError if the config does not let the version be loaded.

    Checked at each load: the copy stays in the cache, and other processes may be able to write there.
    """
    check_digest(found.folder, found.version, model)
    check_format(found, model)


def check_format(found: ResolvedModel, model: ModelConfig) -> None:
    reason = pickle_reason(found.flavors)
    if reason and not model.allow_pickle:
        raise ModelRefusedError(f"{found.version.uri} would run code from its files when loaded: {reason}. {WAY_OUT}")


def check_digest(folder: Path, version: ModelVersion, model: ModelConfig) -> None:
    if model.allowed_sha256 is None:
        return
    found = artifact_digest(folder)
    if found not in model.allowed_sha256:
        raise ModelRefusedError(
            f"the files of {version.uri} have the SHA-256 {found}, which is not in model.allowed_sha256. Add it there "
            f"if you trust them; if it was allowed before, the copy in {folder} was changed: remove that folder"
        )


def artifact_digest(folder: Path) -> str:
    """SHA-256, in hex, of a model version's files: of the output of `sha256sum` for them, sorted by path.

    Raises ModelRefusedError for a link, whose target could change.
    """
    digest = hashlib.sha256()
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    for name, path in sorted(paths.items()):
        if path.is_symlink():
            raise ModelRefusedError(f"{path} is a link; a model's files are its own: remove {folder}")
        if path.is_file() and name != FETCH_NOTE:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{content}  {name}\n".encode())
    return digest.hexdigest()


def load_failure(error: Exception) -> str | None:
    """Why a worker could not load the model, if that is what made a Spark job fail."""
    found = re.search(rf"{ModelLoadError.__name__}: (.+)", str(error))
    return f"it can't be loaded: {found[1]}" if found else None

"""The MLflow registry: resolves aliases to versions, and downloads versions."""

import errno
import hashlib
import os
import re
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import mlflow
import yaml
from botocore.exceptions import BotoCoreError, ClientError
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from requests import RequestException

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ModelRefusedError, RegistryUnavailableError
from penstock.redaction import without_credentials
from penstock.storage.files import trouble_with

# MLflow's default retries block for 246 s when the server is unavailable.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")

#: Error codes for a model, version or file that does not exist.
NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
#: Error codes of a server that answers, and refuses this user.
NO_RIGHT = ("PERMISSION_DENIED", "UNAUTHENTICATED")
#: Exceptions of boto3, by which MLflow reads a model's files on S3, that MLflow does not wrap.
STORE_ERRORS = (BotoCoreError, ClientError)
NOT_IN_STORE = ("NoSuchKey", "NoSuchBucket", "404")
#: Exceptions of reading an MLmodel file: the first five if it is missing or not YAML, the others if the YAML has a
#: structure that MLflow does not expect. Other OSErrors come from the disk and say nothing about the model.
UNREADABLE = (
    MlflowException,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    yaml.YAMLError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    RecursionError,
)
#: Errors of a download that the local disk makes.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
CACHE_VARIABLE = "PENSTOCK_MODEL_CACHE"
#: Local copies of a model: the last ones stay, and any that was used within a week.
KEPT_COPIES = 3
UNUSED_SECONDS = 7 * 86400


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """An immutable registered version. source and created_milliseconds distinguish it from one of another registry."""

    name: str
    version: str
    source: str
    created_milliseconds: int

    @property
    def uri(self) -> str:
        return f"models:/{self.name}/{self.version}"


@dataclass(frozen=True, kw_only=True)
class Registry:
    """Client of one MLflow registry."""

    tracking_uri: str

    @classmethod
    def of(cls, config: PipelineConfig) -> "Registry":
        return cls(tracking_uri=config.the_mlflow.tracking_uri)

    @property
    def client(self) -> mlflow.MlflowClient:
        return mlflow.MlflowClient(tracking_uri=self.tracking_uri, registry_uri=self.tracking_uri)

    def version_of_alias(self, name: str, alias: str) -> ModelVersion:
        """Raises RegistryUnavailableError, or ModelRefusedError if there is no such model or alias."""
        try:
            found = self.client.get_model_version_by_alias(name, alias)
        except MlflowException as error:
            if error.error_code in NOT_THERE:
                raise ModelRefusedError(
                    f"the registry {without_credentials(self.tracking_uri)} has no model {name!r} with the alias "
                    f"{alias!r}; register a version and set the alias (train jobs do with --promote)"
                ) from None
            raise self.unavailable(error) from None
        except OSError as error:
            raise self.unavailable(error) from None
        return as_version(found)

    def version(self, name: str, version: str) -> ModelVersion:
        """Raises RegistryUnavailableError, or ModelRefusedError if there is no such version."""
        try:
            return as_version(self.client.get_model_version(name, version))
        except MlflowException as error:
            if error.error_code in NOT_THERE:
                raise ModelRefusedError(f"the registry has no version {version} of {name!r}") from None
            raise self.unavailable(error) from None
        except OSError as error:
            raise self.unavailable(error) from None

    def unavailable(self, error: Exception, *, right: str = "READ") -> RegistryUnavailableError:
        """right: on the registered model, which the request needs; MLflow's own names."""
        reason = without_credentials(" ".join(str(error).split())[:300])
        if isinstance(error, MlflowException) and error.error_code in NO_RIGHT:
            return RegistryUnavailableError(
                f"the registry {without_credentials(self.tracking_uri)} refused it: {reason}; give the user of "
                f"MLFLOW_TRACKING_USERNAME or MLFLOW_TRACKING_TOKEN the right {right} on the registered model"
            )
        return RegistryUnavailableError(
            f"the registry {without_credentials(self.tracking_uri)} did not answer: {reason}; "
            "check mlflow.tracking_uri and that the server runs"
        )

    def local_copy(self, version: ModelVersion) -> Path:
        """The version's files on this machine, downloaded once.

        Raises ModelRefusedError if there are none, RegistryUnavailableError if registry or artifact store is down,
        StorageError if the disk can't take them.
        """
        folder = self.cache_folder(version) / "model"
        if folder.exists():
            mark_used(folder.parent)
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        fetched = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".fetch."))
        try:
            mlflow.set_tracking_uri(self.tracking_uri)
            mlflow.set_registry_uri(self.tracking_uri)
            copied = mlflow.artifacts.download_artifacts(artifact_uri=version.uri, dst_path=str(fetched / "model"))
            move_into_place(Path(copied), folder)
        except (MlflowException, OSError, *STORE_ERRORS) as error:
            if is_away(error):
                raise self.unavailable(error) from None
            if isinstance(error, OSError) and error.errno in FULL:
                raise trouble_with(str(folder), error) from None
            reason = without_credentials(" ".join(str(error).split())[:300])
            raise ModelRefusedError(f"the files of {version.uri} can't be fetched: {reason}") from None
        finally:
            shutil.rmtree(fetched, ignore_errors=True)
        remove_unused_copies(folder.parent.parent, version.name)
        return folder

    def cache_folder(self, version: ModelVersion) -> Path:
        identity = (
            self.tracking_uri,
            version.name,
            version.version,
            version.source,
            version.created_milliseconds,
        )
        key = hashlib.sha256(repr(identity).encode()).hexdigest()[:24]
        return model_cache() / f"{version.name}-{version.version}-{key}"


def is_away(error: Exception) -> bool:
    """Whether the registry is unavailable, in contrast to a response that there is no such thing."""
    if isinstance(error, MlflowException):
        return error.error_code not in NOT_THERE
    if isinstance(error, STORE_ERRORS):
        return not isinstance(error, ClientError) or error.response["Error"]["Code"] not in NOT_IN_STORE
    return isinstance(error, RequestException | ConnectionError | TimeoutError)


def model_cache() -> Path:
    """The folder of local model copies: PENSTOCK_MODEL_CACHE, else the user's cache folder."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock" / "models"


def mark_used(folder: Path) -> None:
    """By its modification time, which nothing else depends on."""
    with suppress(OSError):  # a cache that this user can only read
        os.utime(folder)


def remove_unused_copies(cache: Path, name: str) -> None:
    """Remove local copies of the model's earlier versions; a version that is wanted again is downloaded again."""
    pattern = re.compile(rf"{re.escape(name)}-[0-9]+-[0-9a-f]{{24}}")
    times: dict[Path, float] = {}
    for folder in cache.iterdir():
        if pattern.fullmatch(folder.name):
            with suppress(FileNotFoundError):  # another process has removed it
                times[folder] = folder.stat().st_mtime
    oldest_first = sorted(times, key=lambda folder: times[folder])
    for folder in oldest_first[:-KEPT_COPIES]:
        if time.time() - times[folder] > UNUSED_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def move_into_place(fetched: Path, folder: Path) -> None:
    """Rename atomically, so that the folder is either complete or missing; another process may have been first."""
    try:
        fetched.rename(folder)
    except OSError:
        if not folder.exists():
            raise


def as_version(found: object) -> ModelVersion:
    return ModelVersion(
        name=str(getattr(found, "name")),  # noqa: B009 - MLflow's entity is untyped
        version=str(getattr(found, "version")),  # noqa: B009
        source=str(getattr(found, "source")),  # noqa: B009
        created_milliseconds=int(getattr(found, "creation_timestamp")),  # noqa: B009
    )


def model_metadata(folder: Path) -> Model:
    """The MLmodel file of a local copy: signature, flavors, requirements. Raises ModelRefusedError, StorageError."""
    try:
        model = Model.load(str(folder))
        check_sections(model)
    except UNREADABLE as error:
        reason = without_credentials(" ".join(f"{type(error).__name__}: {error}".split())[:300])
        raise ModelRefusedError(
            f"{folder} has no MLmodel file that can be read: {reason}. Expected one as MLflow's log_model writes it; "
            "log and register the model again, or, if it could be read before, remove that folder: the copy is damaged"
        ) from None
    except OSError as error:
        raise trouble_with(str(folder), error) from None
    return model


def check_sections(model: Model) -> None:
    """Raises TypeError for a malformed section, which MLflow does not validate."""
    if not isinstance(model.flavors, dict) or not all(isinstance(flavor, dict) for flavor in model.flavors.values()):
        raise TypeError("flavors is no mapping of mappings")
    if not isinstance(model.signature, ModelSignature | None):
        raise TypeError("signature is no mapping")
    if not isinstance(model.metadata, dict | None):
        raise TypeError("metadata is no mapping")

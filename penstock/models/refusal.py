"""The one boundary at which whatever goes wrong with a model version becomes a refusal of that version.

A version is foreign: its files, what MLflow makes of them, and its code may fail in any way. What else fails says
nothing about the version: the registry, a disk, Spark.
"""

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeGuard

from mlflow.exceptions import MlflowException

from penstock.errors import ModelRefusedError, PenstockError
from penstock.models.registry import ModelVersion, Registry, is_away
from penstock.redaction import without_credentials
from penstock.spark.errors import SPARK_ERRORS
from penstock.storage.files import trouble_with

SHOWN_CHARACTERS = 300
#: Errors of the system that come from what the version's files are or name; all others come from the disk or mount.
OF_THE_FILES = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL)
log = logging.getLogger(__name__)


@contextmanager
def refused_if_it_fails(version: ModelVersion, registry: Registry) -> Iterator[None]:
    """Raises ModelRefusedError in place of whatever is raised inside, with its cause in one line.

    Trouble stays trouble: PenstockErrors and Spark's own are passed on; the registry's are RegistryUnavailableError, a
    disk's StorageError.
    """
    try:
        yield
    except (PenstockError, *SPARK_ERRORS):
        raise
    except Exception as error:
        # Foreign files, and what MLflow makes of them, raise anything, and all of it refuses the version.
        raise as_error_of(version, registry, error) from error


def as_error_of(version: ModelVersion, registry: Registry, error: Exception) -> PenstockError:
    if not isinstance(error, MlflowException) and is_away(error):
        return registry.unavailable(error)
    if is_of_the_system(error):
        return trouble_with(str(error.filename or registry.cache_folder(version)), error)
    # The traceback, for those who wrote the model.
    log.debug("%s can't be used", version.uri, exc_info=error)
    return ModelRefusedError(f"{version.uri} can't be used: {one_line(error)}")


def is_of_the_system(error: BaseException) -> TypeGuard[OSError]:
    """Whether an error of the system says nothing about the model whose files were asked for."""
    return isinstance(error, OSError) and error.errno is not None and error.errno not in OF_THE_FILES


def one_line(error: BaseException) -> str:
    """The error's class and message, as a reason of a refusal."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - an exception of foreign code that can't even be shown
        message = "(its message can't be shown)"
    return without_credentials(" ".join(f"{type(error).__name__}: {message}".split())[:SHOWN_CHARACTERS])

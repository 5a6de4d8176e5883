"""Errors of requests and their HTTP status."""

from penstock.errors import (
    EnvironmentCheckError,
    ModelRefusedError,
    PenstockError,
    RegistryUnavailableError,
    StorageError,
)


class UnknownNameError(PenstockError):
    """There is no such model, alias or version."""


class NotReadyError(PenstockError):
    """No version of the model is loaded yet."""


class RequestRefusedError(PenstockError):
    """The request contradicts itself."""


class TooOftenError(PenstockError):
    """Something expensive was asked for too often. wait_seconds: when it may be asked for again."""

    def __init__(self, message: str, *, wait_seconds: float) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


STATUS: dict[type[PenstockError], int] = {
    UnknownNameError: 404,
    RequestRefusedError: 409,
    ModelRefusedError: 409,
    TooOftenError: 429,
    NotReadyError: 503,
    RegistryUnavailableError: 503,
    StorageError: 503,
    EnvironmentCheckError: 503,
}


def status_of(error: PenstockError) -> int:
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)

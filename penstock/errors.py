"""The errors that users may see. Each message says what was found, what was expected, and what to do."""


class PenstockError(Exception):
    """The root of all errors of this library; a job that ends with one exits with 1."""


class ConfigError(PenstockError):
    """The config, its overrides or the contract it names can't be used; a job exits with 2."""


class EnvironmentCheckError(PenstockError):
    """Something outside the config is missing or does not fit: Java, jars, paths, registry, tables."""


class ModelRefusedError(PenstockError):
    """A model version can't score this pipeline's rows, and there is no earlier version to fall back to."""


class CandidateRefusedError(PenstockError):
    """The candidate of an experiment can't be used beside its champion, which alone can; the message says why."""


class CandidateUnavailableError(PenstockError):
    """The candidate of an experiment can't be had now, and its champion can; that says nothing about the version."""


class RegistryUnavailableError(PenstockError):
    """The MLflow registry is unavailable."""


class PlanError(PenstockError):
    """A micro-batch can't be run as it was planned: a file is gone or changed, or the contract is another."""


class FilesChangedError(PlanError):
    """Files of a plan are gone, or are not as they were planned."""


class AccountingError(PenstockError):
    """Row counts of a batch's output do not match its input; no commit marker is written."""


class LeaseError(PenstockError):
    """Another process writes this pipeline's tables, or this process has lost its lease."""


class LedgerError(PenstockError):
    """Checkpoint and tables don't belong together."""


class RescoreError(PenstockError):
    """A rescore can't be begun, finished or given up: another one is unfinished, or the tables changed under it."""


class DecisionError(PenstockError):
    """Nothing can be decided as it was asked for, or a person moved an alias first, whose version stays."""


class EvaluationFailedError(PenstockError):
    """What has come true could not be evaluated before its answers would be replaced; nothing is replaced."""


class TableConflictError(PenstockError):
    """All attempts of a write conflicted with other commits; nothing of it is in the table."""


class ExogenousError(PenstockError):
    """The values of the exogenous variables are missing, can't be read, or contradict themselves."""


class AnswerNotFoundError(PenstockError):
    """No prediction or forecast is the one that was asked for, or there are none that can be compared."""


class FitError(PenstockError):
    """No model could be fitted: no data, no series that can be fitted, or settings that can't be."""


class ServerError(PenstockError):
    """A server of this machine (penstock.interfaces.local_servers.servers) can't be started, or stopped."""


class StorageError(PenstockError, OSError):
    """The store of a file (S3, a disk or a mount) failed, which says nothing about the file.

    Arguments as of any OSError: errno, message and path.
    """

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}"

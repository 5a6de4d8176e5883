"""Spark settings that decide what a value means, which rows are read, or whether a commit is one.

With another value of one of them the same file would give other rows or predictions, or none and no message: they are
the same in every pipeline. Another value is an error that names its source.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from penstock.errors import EnvironmentCheckError
from penstock.spark.settings import SETTINGS

#: Settings of ours that are no matter of taste or of speed.
OF_OURS = (
    "spark.sql.extensions",
    "spark.sql.catalog.spark_catalog",
    "spark.delta.logStore.file.impl",
    "spark.delta.logStore.s3a.impl",
    "spark.sql.streaming.checkpointFileManagerClass",
    "spark.sql.session.timeZone",
    "spark.sql.ansi.enabled",
    "spark.sql.csv.parser.columnPruning.enabled",
    "spark.sql.optimizer.enableCsvExpressionOptimization",
    "spark.sql.parquet.outputTimestampType",
    "spark.sql.execution.pythonUDF.pandas.preferIntExtensionDtype",
    "spark.executorEnv.MLFLOW_ALLOW_PICKLE_DESERIALIZATION",
)
#: Spark's and Delta's own defaults that the code relies on.
DEFAULTS: dict[str, str] = {
    # A damaged or missing file would be read as one without rows.
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.files.ignoreCorruptFiles": "false",
    "spark.files.ignoreMissingFiles": "false",
    # What a text, a timestamp or a decimal is.
    "spark.sql.caseSensitive": "false",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    "spark.sql.columnNameOfCorruptRecord": "_corrupt_record",
    "spark.sql.csv.filterPushdown.enabled": "true",
    "spark.sql.json.filterPushdown.enabled": "true",
    "spark.sql.json.enablePartialResults": "true",
    "spark.sql.decimalOperations.allowPrecisionLoss": "true",
    "spark.sql.storeAssignmentPolicy": "ANSI",
    "spark.sql.mapKeyDedupPolicy": "EXCEPTION",
    "spark.sql.parquet.binaryAsString": "false",
    "spark.sql.parquet.int96AsTimestamp": "true",
    "spark.sql.parquet.int96TimestampConversion": "false",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInWrite": "CORRECTED",
    "spark.sql.execution.pandas.convertToArrowArraySafely": "true",
    # Files that a replay reads, and rows of a batch, would be removed or added beside the plan.
    "spark.databricks.delta.retentionDurationCheck.enabled": "true",
    "spark.databricks.delta.schema.autoMerge.enabled": "false",
    "spark.databricks.delta.stalenessLimit": "0",
}
#: Not to be set at all: other keys for what is fixed above.
UNSET = (
    "spark.delta.logStore.class",
    "spark.databricks.delta.write.txnAppId",
    "spark.databricks.delta.write.txnVersion",
    "spark.databricks.delta.write.txnVersion.autoReset.enabled",
)
#: Whatever Spark still does in its old way: each of them changes results.
LEGACY = "spark.sql.legacy."
FIXED: Mapping[str, str] = (
    DEFAULTS
    | {key: SETTINGS[key] for key in OF_OURS}
    | {key: value for key, value in SETTINGS.items() if key.startswith(LEGACY)}
)
UTC_NAMES = {"utc", "etc/utc", "z", "utc+0", "+00:00"}


@dataclass(frozen=True, kw_only=True)
class SettingsSource:
    """place: where a user finds these settings, as a message says it. remedy: what to do there."""

    place: str
    remedy: str
    settings: Mapping[str, str]


def check_fixed_settings(*sources: SettingsSource) -> None:
    """sources: the first that has a key decides. Raises EnvironmentCheckError, with every wrong value."""
    seen: set[str] = set()
    problems = []
    for source in sources:
        problems += [
            f"{key} is {value!r} in {source.place}, expected {expected_text(key)}: {source.remedy}"
            for key, value in sorted(wrong_values(source.settings))
            if key not in seen
        ]
        seen |= source.settings.keys()
    if problems:
        raise EnvironmentCheckError(
            "Spark settings that decide what values mean can't be changed, or the same files would give other rows: "
            + "; ".join(problems)
        )


def wrong_values(settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key, value in settings.items():
        is_wrong = not is_same(key, value, FIXED[key]) if key in FIXED else key in UNSET or key.startswith(LEGACY)
        if is_wrong:
            yield key, value


def is_same(key: str, value: str, expected: str) -> bool:
    if key == "spark.sql.session.timeZone":
        return value.strip().lower() in UTC_NAMES
    if key == "spark.sql.extensions":
        # Others beside Delta's are the user's own affair.
        return expected in {part.strip() for part in value.split(",")}
    # Names of Java classes have a case; `TRUE` and `corrected` mean what they say.
    return value.strip() == expected if expected.startswith(("io.", "org.", "_")) else matches(value, expected)


def matches(value: str, expected: str) -> bool:
    return value.strip().lower() == expected.lower()


def expected_text(key: str) -> str:
    return repr(FIXED[key]) if key in FIXED else "that it is not set"

"""What MLflow's spark_udf leaves on the driver for each model version: a folder, and on a cluster an archive of it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from penstock.spark.added_files import remove_added_file


@dataclass(frozen=True, kw_only=True)
class DriverCopies:
    """folder: from which a local master's workers load. archive: what the executors of a cluster get; '' if none."""

    folder: str
    archive: str

    @classmethod
    def of(cls, udf: Callable[..., Any]) -> "DriverCopies":
        """udf: of spark_udf, which tells of its files only by the variables of its function."""
        function: Any = udf.__wrapped__.func  # type: ignore[attr-defined]
        names = function.__code__.co_freevars
        cells = dict(zip(names, function.__closure__, strict=True))
        return cls(folder=content_of(cells.get("local_model_path")), archive=content_of(cells.get("archive_path")))

    def remove(self, spark: SparkSession) -> None:
        """For a UDF that is used no more."""
        if self.folder:
            # Made for this folder alone (mkdtemp).
            shutil.rmtree(Path(self.folder).parent, ignore_errors=True)
        if self.archive:
            archive = Path(self.archive)
            remove_added_file(spark, archive.name)
            for path in (archive, archive.with_suffix("")):
                path.unlink(missing_ok=True)


def content_of(cell: Any) -> str:
    """'' for a variable that was not set."""
    try:
        return str(cell.cell_contents) if cell is not None else ""
    except ValueError:
        return ""

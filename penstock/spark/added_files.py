"""Takes back files that were given to the executors."""

from pathlib import Path
from typing import Any

from pyspark import SparkFiles
from pyspark.sql import SparkSession


def remove_added_file(spark: SparkSession, name: str) -> None:
    """Undo `SparkContext.addFile` on the driver, which Spark has no method for: executors that start later don't fetch
    the file, and its copy is removed. name: without folders."""
    java: Any = spark.sparkContext._jsc
    sessions = java.sc().addedFiles().valuesIterator()
    while sessions.hasNext():
        added = sessions.next()
        for url in urls(added):
            if url.rsplit("/", 1)[-1] == name:
                added.remove(url)
    java.sc().env().rpcEnv().fileServer().removeFile(name)
    (Path(SparkFiles.getRootDirectory()) / name).unlink(missing_ok=True)


def urls(added: Any) -> list[str]:
    found, keys = [], added.keysIterator()
    while keys.hasNext():
        found.append(str(keys.next()))
    return found

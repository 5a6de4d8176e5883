"""What Spark's JVMs are started with so that they start soon: the class-data archive, and when which compiler runs.

Java's second compiler (C2) takes most of the processor time of a start, for code that runs a few hundred times: Spark's
planner, Delta's log. A setting `spark.driver.extraJavaOptions` comes after these and overrides them.
"""

import os
import re
from enum import Enum
from pathlib import Path

import pyspark

from penstock.spark.class_archive import archive_settings, this_archive

#: A line of a properties file: a key, and its value after `=`, `:` or blanks.
PROPERTY = re.compile(r"\s*([^\s#!=:][^\s=:]*)(?:\s*[=:]\s*|\s+)(\S.*)")
DRIVER_OPTIONS = "spark.driver.defaultJavaOptions"
#: C1 alone, and the simplest collector, which is not named: a JVM with two collectors does not start, and the user's
#: own options may name one.
C1_ONLY = "-XX:TieredStopAtLevel=1 -XX:+NeverActAsServerClassMachine"


class Jit(Enum):
    """By how long the job's code runs hot."""

    #: A JVM that ends after some small queries never earns back what C2 takes. Without C2 Java has room for 48 MB of
    #: compiled code only.
    SHORT = f"{C1_ONLY} -XX:ReservedCodeCacheSize=192m"
    #: C2 for what runs ten times as often as Java would ask for: the loops over many rows are there at once, by their
    #: back edges, and what every micro-batch does once is not.
    BATCHES = (
        "-XX:Tier4InvocationThreshold=50000 -XX:Tier4MinInvocationThreshold=6000 "
        "-XX:Tier4CompileThreshold=150000 -XX:Tier4BackEdgeThreshold=400000"
    )


def jvm_settings(jit: Jit) -> dict[str, str]:
    """Spark settings for a JVM that is still to be started.

    They would take precedence over a site's spark-defaults.conf: what it says of its own is kept. The JVM takes no
    archive with another class path.
    """
    ours = submitted_settings(Jit.BATCHES)
    of_site = {key: value for key, value in site_defaults().items() if key in ours and value != ours[key]}
    has_class_path = any(key.endswith(".extraClassPath") for key in of_site)
    settings = with_compiler({} if has_class_path else archive_settings(), jit)
    for key, value in of_site.items():
        if key == DRIVER_OPTIONS:
            settings[key] = f"{settings[key]} {value}"
        else:
            settings.pop(key, None)
    return settings


def site_defaults() -> dict[str, str]:
    """What site_defaults_file() says; empty where it can't be read."""
    try:
        lines = site_defaults_file().read_text().splitlines()
    except OSError:
        return {}
    return {pair[1]: pair[2].strip() for pair in map(PROPERTY.match, lines) if pair}


def site_defaults_file() -> Path:
    """The spark-defaults.conf of the Spark that would be started here."""
    home = os.environ.get("SPARK_HOME") or str(Path(pyspark.__file__).parent)
    return Path(os.environ.get("SPARK_CONF_DIR") or f"{home}/conf") / "spark-defaults.conf"


def submitted_settings(jit: Jit) -> dict[str, str]:
    """The same for spark-submit, which has them from a file that is written once: the archive may still come."""
    archive = this_archive()
    settings = archive.settings() if archive else {}
    return with_compiler(settings, jit)


def with_compiler(settings: dict[str, str], jit: Jit) -> dict[str, str]:
    return settings | {DRIVER_OPTIONS: f"{settings.get(DRIVER_OPTIONS, '')} {jit.value}".strip()}


def as_properties() -> str:
    """For the end of spark-defaults.conf."""
    return "".join(f"{key} {value}\n" for key, value in submitted_settings(Jit.BATCHES).items())


if __name__ == "__main__":
    print(as_properties(), end="")

"""The one place that makes a Spark session."""

import os
import re
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

import penstock.udfs.scoring.daemon
from penstock.errors import EnvironmentCheckError
from penstock.spark.class_archive import make_in_background
from penstock.spark.environment import java_command
from penstock.spark.fixed_settings import FIXED, SettingsSource, check_fixed_settings
from penstock.spark.jvm_options import C1_ONLY, Jit, jvm_settings, site_defaults, site_defaults_file
from penstock.spark.settings import APPENDER, FILE_MANAGER, LINE_SPLITTER, OWN_JAR, SETTINGS
from penstock.tcp_ports import LOOPBACK
from penstock.udfs.scoring.pickled import VARIABLE

LOCAL_MASTER = re.compile(r"local(\[.*\])?")
MASTER_OPTION = re.compile(r"(?:--master[ =]|spark\.master=)(\S+)")
#: Names of settings whose values are secrets: Spark's own default for spark.redaction.regex.
SECRET_NAMES = re.compile(r"(?i)secret|password|token|access[.]?key")


def build_session(name: str, *, settings: dict[str, str] | None = None, jit: Jit = Jit.BATCHES) -> SparkSession:
    """A session for the job `name`, with the project's settings and then `settings` on top.

    Under spark-submit the JVM runs already: what was given there (`--conf`, a spark-defaults.conf of one's own) is
    kept, and only what it leaves open is filled in.

    Raises EnvironmentCheckError where it was given another master than `settings`, or one of the settings that decide
    what values mean (penstock.spark.fixed_settings) has another value, wherever that comes from.
    """
    # Without it the workers start the system's python3, which lacks pandas.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    # Whatever the shell says: only the config may let a model be unpickled, and it says so of one model.
    os.environ[VARIABLE] = "false"
    builder = SparkSession.builder.appName(name)
    settings = settings or {}
    start_jvm(settings, jit)
    given = submitted_settings()
    check_master(given, settings)
    check_given(given, settings)
    # On a terminal the progress of long steps is shown.
    shown = {"spark.ui.showConsoleProgress": str(sys.stderr.isatty()).lower()}
    wanted = {**SETTINGS, **shown, **local_settings(settings), **settings}
    for key, value in wanted.items():
        # The project's own default is there too, by conf/spark-defaults.conf: nobody asked for it.
        if given.get(key) in (None, SETTINGS.get(key)):
            builder = builder.config(key, value)
    session = builder.getOrCreate()
    check_session(session)
    for name in (FILE_MANAGER, APPENDER, LINE_SPLITTER):
        require_class(session, name)
    return session


def check_given(given: Mapping[str, str], settings: Mapping[str, str]) -> None:
    """Raises EnvironmentCheckError. given: by spark-submit, with the site's defaults; empty without it."""
    file, site = site_defaults_file(), site_defaults()
    of_config = SettingsSource(place="the config, section spark", remedy="remove it there", settings=settings)
    of_site = SettingsSource(
        place=str(file),
        remedy="remove it there, or give the expected value in the config, section spark",
        settings=site,
    )
    if not given:
        check_fixed_settings(of_config, of_site)
        return
    # Of these one does not replace the other: each is applied where the one before has left our value.
    check_fixed_settings(of_config)
    by_site = {key: value for key, value in given.items() if site.get(key) == value}
    by_command = {key: value for key, value in given.items() if key not in by_site}
    check_fixed_settings(
        SettingsSource(place="--conf or --properties-file of spark-submit", remedy="leave it out", settings=by_command),
        SettingsSource(place=str(file), remedy="remove it there, or submit with --conf and this", settings=by_site),
    )


def check_session(session: SparkSession) -> None:
    """What the session has in the end: it may be older than this, as in a notebook. Raises EnvironmentCheckError."""
    found = {key: session.conf.get(key, None) for key in FIXED}
    known = {key: value for key, value in found.items() if value is not None}
    remedy = "end that session, or leave this setting to penstock"
    check_fixed_settings(SettingsSource(place="the Spark session that runs here", remedy=remedy, settings=known))


def require_class(session: SparkSession, name: str) -> None:
    """Raises EnvironmentCheckError where Spark can't load the class, which else only its first use would say."""
    jvm: Any = session._jvm
    loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
    if loader.getResource(name.replace(".", "/") + ".class") is None:
        raise EnvironmentCheckError(
            f"Spark does not find {name}, expected in {OWN_JAR}: run make jars, and with a Spark of your own "
            "(SPARK_HOME) copy the file into its jars/"
        )


def local_settings(settings: Mapping[str, str]) -> dict[str, str]:
    """With a local master: Python workers are forked from a process that has MLflow imported. The executors of a
    cluster get this code with each task, too late for that.

    Nobody else needs to reach this driver, and Spark's page could end its jobs.
    """
    master = settings.get("spark.master") or SparkConf().get("spark.master", "local[*]")
    if not is_local(str(master)):
        return {}
    # The folder of this package, or the zip that it came in.
    home = str(Path(penstock.udfs.scoring.daemon.__file__).parents[3])
    return {
        "spark.python.daemon.module": penstock.udfs.scoring.daemon.__name__,
        "spark.executorEnv.PYTHONPATH": home,
        "spark.ui.killEnabled": "false",
        **own_address(settings),
    }


def own_address(settings: Mapping[str, str]) -> dict[str, str]:
    """Where the driver of a local master listens, and under which address its own tasks ask it for files; empty where
    the user has said something of it."""
    keys = ("spark.driver.bindAddress", "spark.driver.host")
    known = SparkConf()
    if "SPARK_LOCAL_IP" in os.environ or any(key in settings or known.contains(key) for key in keys):
        return {}
    return dict.fromkeys(keys, LOOPBACK)


def master_to_start(settings: Mapping[str, str]) -> str:
    """The master of a JVM that is not there to be asked yet."""
    submitted = MASTER_OPTION.search(os.environ.get("PYSPARK_SUBMIT_ARGS", ""))
    asked = settings.get("spark.master") or (submitted and submitted[1])
    return asked or site_defaults().get("spark.master", "local[*]")


@contextmanager
def local_address(settings: Mapping[str, str]) -> Iterator[None]:
    """Meanwhile, a JVM that is started for a local master takes its address from the settings, or is 127.0.0.1. Spark
    has no setting for the address of its page, only this variable; one that the user has set is kept."""
    if not is_local(master_to_start(settings)) or "SPARK_LOCAL_IP" in os.environ:
        yield
        return
    os.environ["SPARK_LOCAL_IP"] = settings.get("spark.driver.bindAddress", LOOPBACK)
    try:
        yield
    finally:
        del os.environ["SPARK_LOCAL_IP"]


def is_local(master: str) -> bool:
    return LOCAL_MASTER.fullmatch(master) is not None


def begin_jvm(settings: Mapping[str, str], jit: Jit = Jit.BATCHES) -> None:
    """Start the JVM in the background, for a `build_session` with the same settings, which waits for it."""
    if shutil.which(java_command() or "") is not None:
        threading.Thread(target=start_jvm, args=(settings, jit), daemon=True).start()
        make_in_background()


def start_jvm(settings: Mapping[str, str] | None, jit: Jit = Jit.BATCHES) -> None:
    """Start the JVM, if none runs, with all but the secrets: its command line is shown to everyone on the machine. The
    session sets those later, through a socket."""
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        return
    public = SparkConf(loadDefaults=False)
    for key, value in {**SETTINGS, **jvm_settings(jit), **(settings or {})}.items():
        if not SECRET_NAMES.search(key):
            public.set(key, value)
    # The JVM that only puts the command together, of half a second.
    os.environ.setdefault("SPARK_LAUNCHER_OPTS", C1_ONLY)
    with local_address(settings or {}):
        SparkContext._ensure_initialized(conf=public)


def submitted_settings() -> dict[str, str]:
    """What spark-submit was given; empty where python itself starts the JVM."""
    if "PYSPARK_GATEWAY_PORT" not in os.environ:
        return {}
    SparkContext._ensure_initialized()  # connects to the JVM that spark-submit started
    return dict(SparkConf().getAll())


def check_master(given: Mapping[str, str], settings: Mapping[str, str]) -> None:
    """spark-submit always has a master, and it can't be changed any more. Raises EnvironmentCheckError."""
    submitted, wanted = given.get("spark.master"), settings.get("spark.master")
    if submitted and wanted and submitted != wanted:
        raise EnvironmentCheckError(
            f"spark.master is {wanted} in the config, and spark-submit runs with {submitted} (its default is "
            f"local[*]): submit with --master '{wanted}', or remove it from the config"
        )

"""Spark's Thrift server over the tables of pipelines, in this process: SQL for clients of the HiveServer2 protocol.

Each pipeline is a schema with its tables and views, in an in-memory catalog that is created at each start.
"""

import logging
import os
import signal
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import PySparkException, UnsupportedOperationException
from pyspark.sql import SparkSession

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError, EnvironmentCheckError, ServerError
from penstock.interfaces.sql.spark_queries import existing_tables, make_schema
from penstock.interfaces.sql.views import possible_tables, require_own_schemas, schema_name
from penstock.spark.pipeline_settings import s3_settings
from penstock.spark.session import build_session, require_class
from penstock.spark.settings import SETTINGS
from penstock.tcp_ports import LOOPBACK, holder_of, is_free

AUTHENTICATOR = "io.penstock.thrift.HashedPasswords"
READ_ONLY = "io.penstock.thrift.ReadOnly"
EXTENSIONS = f"{SETTINGS['spark.sql.extensions']},{READ_ONLY}"
LOOK_SECONDS = 30.0
OWN_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.sql.extensions": EXTENSIONS,
    # Otherwise the whole result of a `SELECT *` has to fit into the driver's memory.
    "spark.sql.thriftServer.incrementalCollect": "true",
    # BI tools list columns from the catalog, which has none for Delta tables by default.
    "spark.databricks.delta.catalog.update.enabled": "true",
}
SCHEMA_ERRORS = (PySparkException, Py4JJavaError)
log = logging.getLogger(__name__)


def serve(configs: Sequence[PipelineConfig], *, port: int, users: Path) -> None:
    """Serve until SIGTERM or SIGINT. users: the file written by penstock.interfaces.sql.users.

    Raises ConfigError, ServerError, EnvironmentCheckError.
    """
    require_own_schemas(configs)
    if not users.exists():
        raise ServerError(
            f"there is no file of users {users}; make one with jobs/set_sql_password.py NAME --users FILE"
        )
    if not is_free(port):
        raise ServerError(f"port {port} of {LOOPBACK} is in use by {holder_of(port)}; choose another one (--port)")
    spark = build_session("penstock-sql", settings=settings_for(configs))
    require_class(spark, AUTHENTICATOR)
    require_read_only(spark)
    jvm: Any = spark._jvm
    jvm.io.penstock.thrift.ReadOnly.exempt(spark._jsparkSession)
    known = make_schemas(spark, configs)
    server = listen(spark, port=port, users=users)
    log.info("sql: ready at %s:%d with the schemas %s", LOOPBACK, port, ", ".join(map(schema_name, configs)))
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    while not stopped.wait(LOOK_SECONDS):
        require_life(server)
        known |= make_schemas(spark, [config for config in configs if has_new_tables(spark, config, known)])


def require_read_only(spark: SparkSession) -> None:
    """Raises EnvironmentCheckError if a session could write: Spark continues without an extension that it can't load,
    and spark-submit's settings override ours."""
    try:
        spark.newSession().sql("DROP VIEW IF EXISTS there_is_no_such_view")
    except UnsupportedOperationException:
        return
    raise EnvironmentCheckError(
        f"sql: Spark has no {READ_ONLY}, without which every user could change the tables; with spark-submit give "
        f"--conf spark.sql.extensions={EXTENSIONS}, and penstock.jar as docs/bi.md says"
    )


def require_life(server: Any) -> None:
    """Raises ServerError if the JVM has died."""
    try:
        server.getServiceState()
    except (Py4JError, OSError):
        raise ServerError(
            "sql: Spark's JVM has ended; its log says why, or the system's where it was killed for its memory "
            "(spark.driver.memory in a config's section spark gives it more). Start it again"
        ) from None


def settings_for(configs: Iterable[PipelineConfig]) -> dict[str, str]:
    """The merged Spark settings of the pipelines. Raises ConfigError if they contradict each other."""
    merged: dict[str, str] = {}
    for config in configs:
        own = {**(s3_settings(config.s3) if config.uses_s3 else {}), **config.spark}
        for key, value in own.items():
            if merged.setdefault(key, value) != value:
                raise ConfigError(
                    f"the pipeline {config.pipeline} has another value for {key} than one before it, and one server "
                    "has one Spark; give them one value, or start a server for each on a port of its own"
                )
    return {**OWN_SETTINGS, **merged}


def make_schemas(spark: SparkSession, configs: Iterable[PipelineConfig]) -> dict[str, frozenset[str]]:
    """Create or complete the schemas; returns by pipeline the tables that each has now."""
    known = {}
    for config in configs:
        try:
            known[config.pipeline] = make_schema(spark, config)
        except SCHEMA_ERRORS as error:
            log.warning("sql: the schema of %s is not complete: %s", config.pipeline, str(error).splitlines()[0])
            known[config.pipeline] = frozenset()
    return known


def has_new_tables(spark: SparkSession, config: PipelineConfig, known: Mapping[str, frozenset[str]]) -> bool:
    """Whether the schema is to be completed. Nobody waits for tables that may never come (evaluations, rescores), but
    they are shown once they are there."""
    before = known[config.pipeline]
    if before >= set(possible_tables(config)):
        return False
    try:
        return bool(existing_tables(spark, config) - before)
    except SCHEMA_ERRORS as error:
        log.warning("sql: the tables of %s can't be looked for: %s", config.pipeline, str(error).splitlines()[0])
        return False


def listen(spark: SparkSession, *, port: int, users: Path) -> Any:
    """Start the service in Spark's JVM, on loopback, read-only, with password authentication."""
    jvm: Any = spark._jvm
    for name, value in {
        "hive.server2.thrift.bind.host": LOOPBACK,
        "hive.server2.thrift.port": str(port),
        "hive.server2.authentication": "CUSTOM",
        "hive.server2.custom.authentication.class": AUTHENTICATOR,
        "hive.server2.logging.operation.enabled": "false",
        # Hive reads this folder at the end of each session; the default exists only in a Hive installation.
        "hive.exec.local.scratchdir": tempfile.gettempdir(),
        # The default is a file in the current directory.
        "derby.stream.error.file": os.devnull,
        "penstock.thrift.users": str(users.resolve()),
    }.items():
        # Hive reads its authentication settings only from here.
        jvm.java.lang.System.setProperty(name, value)
    thrift = jvm.org.apache.spark.sql.hive.thriftserver.HiveThriftServer2
    return thrift.startWithSparkSession(spark._jsparkSession, False)

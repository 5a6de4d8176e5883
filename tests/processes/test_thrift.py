"""SQL over the tables as BI tools ask it: the real server with one pipeline here and one on S3, asked by PyHive and
beeline."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from dashboard_tables import (
    MACRO_CONF,
    START,
    WINE_CONF,
    WrittenTables,
    batch,
    forecast,
    observed,
    quarter,
    rejected,
    scored,
)
from faults.bench import wait_until
from free_ports import free_port
from job_processes import PROJECT
from pyhive import hive
from pyhive.exc import OperationalError
from TCLIService import ttypes
from thrift.transport.TTransport import TTransportException

from penstock.interfaces.local_servers.process import clean_environment
from penstock.interfaces.local_servers.s3 import S3Server
from penstock.interfaces.local_servers.servers import start_s3, stop_all
from penstock.interfaces.local_servers.thrift import ThriftServer, running_thrift
from penstock.tcp_ports import LOOPBACK, listeners_of

#: Views that a schema can have once all its tables are there.
ROWS_VIEWS = {"predictions_ok", "quarantine_by_reason", "batch_health"}
SERIES_VIEWS = {"latest_forecast", "forecast_vs_actual", "batch_health"}


def naive(moment: datetime) -> datetime:
    """As clients see it: in UTC."""
    return moment.replace(tzinfo=None)


def upload(s3: S3Server, folder: Path, *, to: str) -> None:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        s3.client().upload_file(str(path), s3.bucket, f"{to}/{path.relative_to(folder)}")


@dataclass(frozen=True)
class Served:
    state: Path
    s3: S3Server
    wine: WrittenTables
    macro: WrittenTables
    started: subprocess.CompletedProcess[str]

    @property
    def server(self) -> ThriftServer:
        found = running_thrift(self.state)
        assert found
        return found

    def job(self, name: str, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return run_job(name, *arguments, typed=typed, environment=self.s3.environment())

    def up(self, *confs: Path) -> subprocess.CompletedProcess[str]:
        files = [text for conf in confs for text in ("--conf", str(conf))]
        options = ("--thrift-port", str(self.server.port), *files)
        return self.job("servers", "--state", str(self.state), "up", "thrift", *options)

    def connect(self, user: str = "", password: str = "", *, schema: str = "default") -> hive.Connection:
        """As the user of the first start, unless another one is given."""
        variables = self.server.environment()
        return hive.connect(
            host=LOOPBACK,
            port=self.server.port,
            username=user or variables["PENSTOCK_THRIFT_USER"],
            password=password or variables["PENSTOCK_THRIFT_PASSWORD"],
            auth="CUSTOM",
            database=schema,
        )

    def ask(self, sql: str, *, schema: str = "default") -> list[dict[str, Any]]:
        with self.connect(schema=schema) as connection:
            cursor = connection.cursor()
            cursor.execute(sql)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def run_job(
    name: str, *arguments: str, typed: str = "", environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, f"jobs/{name}.py", *arguments],
        cwd=PROJECT,
        env={**clean_environment(), **environment},
        input=typed,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """wine is here; macro is on S3, and has no quarantine yet."""
    folder = tmp_path_factory.mktemp("thrift")
    state = folder / "state"
    wine, macro = (WrittenTables(folder / name, conf) for name, conf in (("wine", WINE_CONF), ("macro", MACRO_CONF)))
    for tables in (wine, macro):
        tables.root.mkdir()
        tables.append("batches", batch(0, at=START, seconds=2.5))
    wine.append("predictions", scored(5.5, at=START, alcohol=9.4), scored(None, at=START, error="no wine"))
    wine.append("quarantine", rejected("alcohol: 'abc' is not a double", "ph: '7,4' is not a double", at=START))
    macro.append("observations", *[observed(100.0 + at, at=at) for at in range(4)], observed(1.0, at=3, error="late"))
    macro.append("forecasts", forecast(102, cutoff=1, step=1), forecast(120, cutoff=2, step=1))
    try:
        s3 = start_s3(state, port=free_port())
        upload(s3, macro.root / "tables", to="macro/tables")
        conf = macro.conf
        conf.write_text(conf.read_text().replace(f"root: {macro.root}/tables", "root: s3a://penstock/macro/tables"))
        files = [text for one in (wine.conf, conf) for text in ("--conf", str(one))]
        options = ("--state", str(state), "up", "thrift", "--thrift-port", str(free_port()), *files)
        started = run_job("servers", *options, environment=s3.environment())
        yield Served(state=state, s3=s3, wine=wine, macro=macro, started=started)
    finally:
        stop_all(state)


def test_up_says_where_it_is_once_it_has_answered(served: Served) -> None:
    assert served.started.returncode == 0, served.started.stderr
    server = served.server
    ready = f"jdbc:hive2://127.0.0.1:{server.port}, its password is in {server.password_file}\n"
    assert served.started.stdout == f"thrift is ready at {ready}"
    again = served.up(served.wine.conf, served.macro.conf)
    assert again.stdout == f"thrift is running already at {ready}", again.stderr


def test_one_that_serves_other_pipelines_is_not_the_one_asked_for(served: Served) -> None:
    fewer = served.up(served.wine.conf)
    assert fewer.returncode == 1
    assert "with another list of pipelines than asked for now; stop it first (make down)" in fewer.stderr


def test_each_pipeline_is_a_schema_with_its_views(served: Served) -> None:
    assert {row["namespace"] for row in served.ask("SHOW SCHEMAS")} == {"default", "wine", "macro"}
    assert {row["viewName"] for row in served.ask("SHOW VIEWS IN wine")} == ROWS_VIEWS
    assert {row["viewName"] for row in served.ask("SHOW VIEWS IN macro")} >= SERIES_VIEWS


def test_the_views_of_rows(served: Served) -> None:
    [row] = served.ask("SELECT alcohol, prediction, scored_at FROM predictions_ok", schema="wine")
    assert row == {"alcohol": 9.4, "prediction": 5.5, "scored_at": naive(START)}
    reasons = served.ask("SELECT reason, rows_quarantined FROM quarantine_by_reason ORDER BY reason", schema="wine")
    assert reasons == [
        {"reason": "alcohol: '...' is not a double", "rows_quarantined": 1},
        {"reason": "ph: '...' is not a double", "rows_quarantined": 1},
    ]
    [health] = served.ask("SELECT seconds, files, rows_in, failed, share_failed FROM wine.batch_health")
    assert health == {"seconds": 2.5, "files": 1, "rows_in": 10, "failed": 1, "share_failed": 0.125}


def test_the_views_of_series_whose_tables_are_on_s3(served: Served) -> None:
    [newest] = served.ask("SELECT cutoff, ds, forecast FROM latest_forecast", schema="macro")
    assert newest == {"cutoff": naive(quarter(2)), "ds": naive(quarter(3)), "forecast": 120.0}
    compared = served.ask("SELECT step, actual, error, is_within FROM macro.forecast_vs_actual ORDER BY cutoff")
    assert compared == [
        {"step": 1, "actual": 102.0, "error": 0.0, "is_within": True},
        {"step": 1, "actual": 103.0, "error": 17.0, "is_within": False},
    ]
    assert [row["rows_in"] for row in served.ask("SELECT rows_in FROM macro.batch_health")] == [10]


@pytest.mark.parametrize(
    ("user", "password"), [("penstock", "wrong"), ("nobody", "wrong"), ("penstock:600000", ""), ("penstock", " ")]
)
def test_nobody_else_is_let_in(served: Served, user: str, password: str) -> None:
    """An empty password here is that of the user penstock."""
    with pytest.raises(TTransportException, match="Error validating the login"):
        served.connect(user, password)


def test_a_user_can_be_added_while_it_runs(served: Served) -> None:
    with pytest.raises(TTransportException):
        served.connect("ann", "correct horse")
    answer = served.job(
        "set_sql_password", "ann", "--users", str(served.server.users), typed="correct horse\ncorrect horse\n"
    )
    assert "ann can log in now" in answer.stdout, answer.stderr
    with served.connect("ann", "correct horse") as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT count(*) FROM wine.predictions")
        assert cursor.fetchall() == [(2,)]


@pytest.mark.parametrize(("schema", "table", "count"), [("wine", "predictions", 22), ("macro", "latest_forecast", 12)])
def test_programs_find_the_columns(served: Served, schema: str, table: str, count: int) -> None:
    with served.connect() as connection:
        asked = ttypes.TGetColumnsReq(sessionHandle=connection._sessionHandle, schemaName=schema, tableName=table)
        handle = connection.client.GetColumns(asked).operationHandle
        fetch = ttypes.TFetchResultsReq(
            operationHandle=handle, orientation=ttypes.TFetchOrientation.FETCH_NEXT, maxRows=100
        )
        columns = connection.client.FetchResults(fetch).results.columns
    assert len(columns[0].stringVal.values) == count


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM wine.predictions",
        "UPDATE wine.predictions SET error = 'x'",
        "INSERT INTO wine.batches SELECT * FROM wine.batches",
        "WITH two AS (SELECT 2) INSERT INTO wine.batches SELECT * FROM wine.batches",
        "DELETE FROM delta.`{root}/tables/predictions`",
        "EXECUTE IMMEDIATE 'DELETE FROM wine.predictions'",
        "VACUUM wine.predictions",
        "OPTIMIZE wine.predictions",
        "ALTER TABLE wine.predictions ADD COLUMNS (more INT)",
        "DROP TABLE wine.predictions",
        "DROP SCHEMA wine CASCADE",
        "CREATE TABLE wine.other USING delta AS SELECT 1 AS one",
        "CREATE OR REPLACE VIEW wine.predictions_ok AS SELECT 1 AS one",
        "ADD JAR '/tmp/other.jar'",
    ],
)
def test_it_reads_only(served: Served, statement: str) -> None:
    with pytest.raises(OperationalError, match="this server only reads the tables"):
        served.ask(statement.format(root=served.wine.root))
    logs = (served.wine.root / "tables").glob("*/_delta_log/*.json")
    assert {path.name for path in logs} == {"00000000000000000000.json"}


def test_tables_that_come_later_are_found(served: Served) -> None:
    served.macro.append("quarantine", rejected("ds: '2020' is not a timestamp", at=START))
    upload(served.s3, served.macro.root / "tables" / "quarantine", to="macro/tables/quarantine")

    def is_there() -> bool:
        return "quarantine_by_reason" in {row["viewName"] for row in served.ask("SHOW VIEWS IN macro")}

    wait_until(is_there, "the view quarantine_by_reason", seconds=400)
    [row] = served.ask("SELECT reason FROM macro.quarantine_by_reason")
    assert row == {"reason": "ds: '...' is not a timestamp"}


def test_beeline_asks_too(served: Served) -> None:
    sql = "SELECT variable, ds, forecast FROM macro.latest_forecast"
    result = subprocess.run(
        served.server.beeline("--silent=true", "--outputformat=csv2", "-e", sql),
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=400,
        check=True,
    )
    # Before the answer stands the prompt.
    assert result.stdout.endswith("variable,ds,forecast\nrealgdp,2020-10-01 00:00:00.0,120.0\n")


def test_it_listens_on_this_machine_alone(served: Served) -> None:
    found = listeners_of(served.server.process.pids())
    assert served.server.port in {one.port for one in found}
    assert {str(one.address) for one in found} == {LOOPBACK}


def test_secrets_are_in_private_files_and_in_no_command_line(served: Served) -> None:
    server = served.server
    secrets = [server.password_file.read_bytes(), served.s3.credentials.secret_key.encode()]
    for pid in psutil.pids():
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        assert not [secret for secret in secrets if secret in line]
    files = [path for path in served.state.rglob("*") if path.is_file()]
    holding = {path.name for path in files for secret in secrets if secret in path.read_bytes()}
    assert holding == {"password", "credentials.json"}
    for path in (server.password_file, server.users):
        assert path.stat().st_mode & 0o777 == 0o600
    shell = served.job("servers", "--state", str(served.state), "env").stdout
    assert f"export PENSTOCK_THRIFT_URL=jdbc:hive2://127.0.0.1:{server.port}\n" in shell
    assert f"export PENSTOCK_THRIFT_PASSWORD={server.password_file.read_text()}\n" in shell


def test_what_can_t_be_started_is_reported_at_once(served: Served, tmp_path: Path) -> None:
    conf = ("--conf", str(served.wine.conf))
    cases: list[tuple[tuple[str, ...], int, str]] = [
        ((), 2, "name the pipelines to serve with --conf"),
        ((*conf, *conf), 2, "the pipelines 'wine' and 'wine' would both be the schema 'wine'"),
        (("--conf", str(tmp_path / "none.yaml")), 2, "there is no such file"),
        ((*conf, "--thrift-port", str(served.server.port)), 1, "which is not the thrift of"),
    ]
    for options, code, problem in cases:
        answer = served.job("servers", "--state", str(tmp_path), "up", "thrift", *options)
        assert (answer.returncode, answer.stdout) == (code, "")
        assert problem in answer.stderr


def test_down_ends_it(served: Served) -> None:
    """The last test of this file: nothing runs after it."""
    pids = served.server.process.pids()
    assert len(pids) >= 2
    answer = served.job("servers", "--state", str(served.state), "down")
    assert answer.stdout == "stopped: thrift, s3\n", answer.stderr
    assert not {pid for pid in pids if Path(f"/proc/{pid}/exe").exists()}

from datetime import timedelta

import duckdb
import pytest
from dashboard_tables import START, WINE_CONF, WrittenTables, batch

from penstock.errors import EnvironmentCheckError
from penstock.interfaces.dashboard import reading
from penstock.interfaces.dashboard.queries import batches
from penstock.interfaces.dashboard.reading import MissingTableError, Tables, connected


@pytest.fixture
def written(tmp_path):
    made = WrittenTables(tmp_path, WINE_CONF)
    made.append("batches", batch(0, at=START, seconds=1))
    reading.cached.clear()
    return made


def test_an_answer_is_kept_for_the_same_question_of_the_same_tables(written):
    tables = Tables(config=written.config, names=("batches",))
    since = START - timedelta(days=1)
    assert tables.query(batches.totals, since=since).batches == 1
    written.append("batches", batch(1, at=START, seconds=1))
    assert tables.query(batches.totals, since=since).batches == 1
    assert tables.query(batches.totals, since=since - timedelta(days=1)).batches == 2
    reading.cached.clear()
    assert tables.query(batches.totals, since=since).batches == 2


def test_a_table_that_is_not_there_is_named_with_what_makes_it(written):
    tables = Tables(config=written.config, names=("batches", "quarantine"))
    with pytest.raises(MissingTableError, match=r"no table `quarantine` at .*/tables/quarantine yet.*backfill"):
        tables.query(batches.totals, since=START)


def test_a_table_whose_log_is_damaged_is_one_sentence(written):
    log = written.root / "tables" / "batches" / "_delta_log"
    (log / "00000000000000000000.json").write_text("{ this is no log")
    with pytest.raises(EnvironmentCheckError, match="can't be read") as caught:
        Tables(config=written.config, names=("batches",)).query(batches.totals, since=START)
    assert "\n" not in str(caught.value)
    assert str(written.root / "tables") in str(caught.value)


def test_a_table_without_the_columns_is_one_sentence(written):
    with pytest.raises(EnvironmentCheckError, match="can't be read"), connected(written.config, ("batches",)) as duck:
        duck.execute("SELECT no_such_column FROM batches")


def test_duckdb_keeps_to_its_memory(written):
    with connected(written.config, ("batches",)) as duck:
        limit = duck.execute("SELECT current_setting('memory_limit')").fetchone()
    assert limit == ("953.6 MiB",)


def test_sql_reads_the_tables_and_no_files(written, tmp_path):
    content = tmp_path / "some.csv"
    content.write_text("a\n1\n")
    with connected(written.config, ("batches",)) as connection:
        for sql in (f"SELECT * FROM '{content}'", f"COPY batches TO '{content}'", f"ATTACH '{tmp_path}/x.db'"):
            with pytest.raises(duckdb.Error):
                connection.execute(sql)
        with pytest.raises(duckdb.Error, match="locked"):
            connection.execute("SET enable_external_access = true")
    assert content.read_text() == "a\n1\n"


def test_what_s3_answers_is_told_by_its_code_and_without_keys():
    answer = (
        'Generic S3 error: \x1b[31mClient\x1b[0m error with status 403 Forbidden: <?xml version="1.0"?>\n<Error>'
        "<Code>AccessDenied</Code><AWSAccessKeyId>AKIAEXAMPLE</AWSAccessKeyId></Error>"
    )
    assert reading.reason(OSError(answer)) == ("Generic S3 error: Client error with status 403 Forbidden: AccessDenied")
    assert "secret" not in reading.reason(duckdb.IOException("can't reach http://me:secret@host/bucket"))


def test_the_time_stands_still_for_as_long_as_answers_are_kept():
    assert reading.just_now().timestamp() % reading.CACHE_SECONDS == 0

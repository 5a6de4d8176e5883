"""What an S3 server in trouble means for the files that arrived: nothing. Only a file that is gone is refused."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from s3_proxy import Answer, Fault, Forward, Request, S3Proxy, break_off, outage, refuse

from penstock.config.pipeline import S3Config, SourceConfig
from penstock.errors import StorageError
from penstock.schemas.contract import Contract, Field
from penstock.sources.admission import admit_files
from penstock.sources.checkpoint import Arrival
from penstock.sources.verification import without_damage
from penstock.storage.s3 import S3Storage

CONTRACT = Contract(fields=(Field(name="x", type="double"),))
FOR_EVER = 3600.0


def parquet_bytes() -> bytes:
    """Some row groups, so that the pages come in several requests."""
    content = io.BytesIO()
    pq.write_table(pa.table({"x": [number / 7 for number in range(200_000)]}), content, row_group_size=20_000)
    return content.getvalue()


def admit(storage: S3Storage, *paths: str) -> list[Any]:
    arrived = [Arrival(path=path, modified_milliseconds=0) for path in paths]
    source = SourceConfig(path="s3a://proxied/files", settle=0)
    return admit_files(arrived, storage=storage, source=source, contract=CONTRACT)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (503, "ServiceUnavailable"), (503, "SlowDown"), (500, "InternalError")]
)
def test_a_file_is_not_judged_by_an_answer_that_is_not_about_it(
    hasty: S3Storage, proxy: S3Proxy, path: str, ending: str, status: int, code: str
) -> None:
    good, other = f"{path}.{ending}", f"{path}.b.csv"
    hasty.replace(good, b"x\n1\n" if ending == "csv" else parquet_bytes())
    hasty.replace(other, b"x\n1\n")
    # Listings, by which files are looked at, go on.
    proxy.fault = refuse(f"{good.rsplit('/', 1)[1]}$", status=status, code=code, method="GET", times=10_000)
    with pytest.raises(StorageError, match=f"^{good}: S3 .*{code}"):
        admit(hasty, other, good)


def test_a_file_that_vanished_is_refused(hasty: S3Storage, proxy: S3Proxy, path: str) -> None:
    gone = f"{path}.csv"
    hasty.replace(gone, b"x\n1\n")

    def vanishing(request: Request, forward: Forward) -> Answer:
        if request.matches("GET", f"{gone.rsplit('/', 1)[1]}$"):
            direct.delete(gone)
        return forward(request)

    direct = S3Storage(S3Config(endpoint=f"http://{proxy.address}"))
    proxy.fault = vanishing
    [file] = admit(hasty, gone)
    assert (file.verdict, file.reasons) == ("refused", ("file: vanished between listing and reading",))


@pytest.mark.parametrize("fault", [outage(FOR_EVER), outage(FOR_EVER, 403, "AccessDenied")], ids=["away", "denied"])
def test_an_outage_while_pages_are_read_is_no_damage(hasty: S3Storage, proxy: S3Proxy, path: str, fault: Fault) -> None:
    good = f"{path}.parquet"
    hasty.replace(good, parquet_bytes())
    [file] = admit(hasty, good)
    seen = len(proxy.requests)

    def after_the_footer(request: Request, forward: Forward) -> Answer | None:
        return forward(request) if len(proxy.requests) < seen + 4 else fault(request, forward)

    proxy.fault = after_the_footer
    with pytest.raises(StorageError, match=f"^{good}: S3 "):
        without_damage([file], storage=hasty, contract=CONTRACT)
    proxy.fault = break_off(good.rsplit("/", 1)[1])
    assert without_damage([file], storage=hasty, contract=CONTRACT) is None

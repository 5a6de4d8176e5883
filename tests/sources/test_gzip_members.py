import io

import pytest
from gzip_cases import LINES, REFUSED, TAKEN
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from penstock.sources.formats.compression import DAMAGED_GZIP, unpacked


class Trickle(io.RawIOBase):
    """Gives a byte at a time, as a slow network may."""

    def __init__(self, content):
        self.content = io.BytesIO(content)

    def read(self, size=-1):
        return self.content.read(min(size, 1))


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.parametrize("opened", [io.BytesIO, Trickle])
def test_what_hadoop_takes_is_unpacked(name, opened):
    content, expected = TAKEN[name]
    assert unpacked(opened(content)).read() == expected


@pytest.mark.parametrize("name", REFUSED)
def test_what_hadoop_refuses_is_refused(name):
    content, reason = REFUSED[name]
    with pytest.raises(DAMAGED_GZIP, match=reason):
        unpacked(io.BytesIO(content)).read()


def test_many_members_are_unpacked_in_pieces():
    file = unpacked(io.BytesIO(TAKEN["plain"][0] * 20_000))
    assert file.read(10) == (LINES * 3)[:10]
    assert sum(len(piece) for piece in iter(lambda: file.read(1 << 20), b"")) == len(LINES) * 20_000 - 10


def test_hadoop_agrees(spark, tmp_path):
    for number, (content, expected) in enumerate(TAKEN.values()):
        path = tmp_path / f"{number}.csv.gz"
        path.write_bytes(content)
        assert [row.value.encode() for row in spark.read.text(str(path)).collect()] == expected.splitlines()
    for number, (name, (content, _)) in enumerate(REFUSED.items()):
        path = tmp_path / f"refused{number}.csv.gz"
        path.write_bytes(content)
        with pytest.raises((PySparkException, Py4JJavaError), match=r"gzip|Unexpected end|CRC"):
            print(name, spark.read.text(str(path)).collect())

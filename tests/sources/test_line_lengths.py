"""A line that is too long is found wherever it is, and none that is not."""

import io
import random

import pytest

from penstock.sources.formats import compression, line_lengths
from penstock.sources.formats.line_lengths import TOO_LONG, LineLengths, long_line_reasons

LIMIT = 4_000


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The limit stays above a chunk, as it is."""
    monkeypatch.setattr(line_lengths, "MAX_LINE_BYTES", LIMIT)
    monkeypatch.setattr(line_lengths, "CHUNK_BYTES", 1_000)
    monkeypatch.setattr(line_lengths, "FIRST_BYTES", 100)
    assert line_lengths.CHUNK_BYTES < LIMIT


def in_chunks(content, size):
    lengths = LineLengths()
    for at in range(0, len(content), size):
        lengths.add(content[at : at + size])
    return lengths.reasons


def longest(content):
    return max(map(len, content.replace(b"\r", b"\n").split(b"\n")))


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("length", [LIMIT - 1, LIMIT, LIMIT + 1, 3 * LIMIT])
@pytest.mark.parametrize("before", [0, 1, 999, LIMIT // 2, LIMIT])
@pytest.mark.parametrize("after", [0, 10, 5_000])
def test_a_line_at_the_limit(end, length, before, after):
    content = b"a" * before + end + b"b" * length + end + b"c" * after + end
    expected = [TOO_LONG] if max(before, length, after) > LIMIT else []
    assert long_line_reasons(io.BytesIO(content), len(content)) == expected
    assert in_chunks(content, 1_000) == expected


def test_random_texts():
    chance = random.Random(7)
    for _ in range(300):
        lines = [b"x" * chance.choice((0, 5, 900, 2_500, LIMIT, LIMIT + 1, 9_000)) for _ in range(chance.randint(1, 9))]
        content = chance.choice((b"\n", b"\r", b"\r\n")).join(lines)
        expected = [TOO_LONG] if longest(content) > LIMIT else []
        assert long_line_reasons(io.BytesIO(content), len(content)) == expected
        assert in_chunks(content, chance.randint(1, 1_000)) == expected


def test_little_of_a_file_with_short_lines_is_read():
    read = []

    class Counting(io.BytesIO):
        def read(self, size=-1):
            read.append(size)
            return super().read(size)

    content = b"12345,6789\n" * 20_000
    assert long_line_reasons(Counting(content), len(content)) == []
    assert sum(read) < len(content) / 10


def test_the_limit_is_above_what_is_read_at_once():
    assert compression.CHUNK_BYTES < 16 << 20

"""Damage: to the bytes of a line or a file by a seeded generator, to the texts in a row by hypothesis."""

import csv
import io
import random

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

#: What has a meaning to some parser on the way.
NASTY = [
    b",", b'"', b'""', b"'", b"\\", b"\n", b"\r", b"\r\n", b"\t", b" ", b";", b"#", b"\x00", b"\x1a", b"\x85", b"\xff",
    b"\xc3", b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\xef\xbf\xbd", b"-", b"+", b"e", b".", b"NaN", b"null", b"1e400",
    b"0x1p3", b"9223372036854775808", "é".encode(), "٣".encode(), "１".encode(), b"row_id,name,x,n,note",
    b"," * 21_000, b"9999-12-31", b"0001-01-01",
]  # fmt: skip


def damaged(content: bytes, chance: random.Random) -> bytes:
    """One to three changes of a few bytes."""
    for _ in range(chance.randint(1, 3)):
        place, length = chance.randrange(len(content) + 1), chance.choice((1, 1, 1, 2, 8))
        kind = chance.randrange(6)
        if kind == 0:
            content = content[:place] + chance.choice(NASTY) + content[place:]
        elif kind == 1:
            content = content[:place] + content[place + length :]
        elif kind == 2:
            content = content[:place] + chance.randbytes(length) + content[place + length :]
        elif kind == 3 and place < len(content):
            flipped = content[place] ^ (1 << chance.randrange(8))
            content = content[:place] + bytes([flipped]) + content[place + 1 :]
        elif kind == 4:
            content = content[:place] + content[place : place + length] * 2 + content[place + length :]
        else:
            content = content[:place] + chance.choice(NASTY) + content[place + length :]
    return content


def damaged_file(content: bytes, chance: random.Random) -> bytes:
    """As above, or cut off, or a piece gone, zeroed, doubled or moved."""
    kind, length = chance.randrange(8), len(content)
    start = chance.randrange(length + 1)
    end = min(length, start + chance.choice((1, 7, 64, 512, 4096)))
    if kind == 0:
        return content[:start]
    if kind == 1:
        return content[:start] + content[end:]
    if kind == 2:
        return content[:start] + bytes(end - start) + content[end:]
    if kind == 3:
        return content[:end] + content[start:]
    if kind == 4:
        return content[end:] + content[:end]
    return damaged(content, chance)


def odd_lines(count: int, number: int, first_id: int) -> list[bytes]:
    """CSV lines of rows whose texts hypothesis makes up; `number` is the seed.

    Hypothesis also draws from constants of the modules that are imported: a seed gives the same lines only in the same
    process. The files themselves stay in the inbox of the fault's folder.
    """
    texts = st.text(max_size=12) | st.sampled_from([text.decode(errors="replace") for text in NASTY])
    numbers = st.floats().map(repr) | st.integers().map(str) | texts
    rows: list[list[str]] = []

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(name=texts, x=numbers, n=numbers | st.just(""), note=texts)
    def collect(name: str, x: str, n: str, note: str) -> None:
        rows.append([str(first_id + len(rows)), name, x, n, note])

    collect()
    quoting = random.Random(number)
    return [as_line(row, quoting.random() < 0.7) for row in rows[:count]]


def as_line(row: list[str], is_quoted: bool) -> bytes:
    if not is_quoted:
        return ",".join(row).encode(errors="replace")
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(row)
    return line.getvalue().encode(errors="replace")

"""What `init` finds in a sample, `train` learns from it and the stream reads of it is the same, row by row."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from drawing import drawn
from hypothesis import strategies as st
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import SourceConfig
from penstock.interfaces.scaffold.contract import fields_of
from penstock.interfaces.scaffold.naming import column_names
from penstock.models.training.rows_data import input_column
from penstock.schemas.contract import Contract, Field
from penstock.sources.admission import admit_files
from penstock.sources.casts import ACCEPTED, REASONS
from penstock.sources.checkpoint import Arrival
from penstock.sources.inference.sample import Sample, read_sample
from penstock.sources.inference.types import kind_of, read_boolean, read_iso
from penstock.sources.reading import checked_rows
from penstock.sources.row_checks import check_rows
from penstock.sources.row_columns import HEADER, IS_HEADER, RAW, ROW_REASON, SOURCE_FILE
from penstock.storage.files import LocalStorage

NUMBERS = ["5.0", "5.", "-7.000", "+3", "5.5", "1e-07", "-2.5E-3", "1E+5", "1,5", "1.001,50", "1,234", "1,234.5", "٣"]
NUMBERS += ["0,5", ",5", "5,", "1,5e3", "+,5", "1 234", "0x1p3", "1e5", "12E", "1.2.3", "1,2,3", "2147483648.0", "NaN"]
NUMBERS += ["3000000000", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1.00000000001"]
NUMBERS += [".5e-9", "1e-11", "123456789012e-2", "1e10", "9e9", "0e99", "-0", "1e-100", "5.0\n", "true\n", "1\n"]
WORDS = ["t", "F", "Yes", "no", "y", "N", "ON", "off", "1", "0", "true", "FALSE", "ja", "2", "tr", "1.0", ""]
TIMES = ["2024-03-02 10:00:00+00", "2024-03-02 10:00:00 UTC", "2024-03-02T10:00Z", "2024-03-02 10:00:00.5+0530"]
TIMES += ["2024-03-02 10:00:00-03", "2024-03-02 10:00:00 +01:00", "2024-03-02 10:00 GMT", "2024-03-02", "24-03-02"]
TIMES += ["2024-03-02 UTC", "2024-02-30 10:00:00+00", "2024-03-02 10:00:00+19", "2024-03-02 10:00:00+18:30", "10:00"]
TIMES += ["2024-03-02 10:00:00 Z", "2024-03-02 10:00:00 CET", "2024-03-02 25:00:00", "2024-03-02 10:00:00+05:60"]
DRAWN = (
    st.text(alphabet="0123456789+-.,eE ", max_size=7)
    | st.decimals(allow_nan=False, allow_infinity=False, places=4).map(str)
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.builds(
        "{}{}{}".format,
        st.datetimes(min_value=datetime(1, 1, 1)).map(lambda at: at.isoformat(" ")),
        st.sampled_from(["", " "]),
        st.sampled_from(["", "Z", "UTC", "+00", "-0330", "+14:00", "+1", "z"]),
    )
)
TYPES = {
    "integer": Field(name="integer", type="integer"),
    "long": Field(name="long", type="long"),
    "double": Field(name="double", type="double"),
    "comma": Field(name="comma", type="double", decimal=","),
    "whole_comma": Field(name="whole_comma", type="long", decimal=","),
    "money": Field(name="money", type="decimal(20,10)"),
    "flag": Field(name="flag", type="boolean"),
    "at": Field(name="at", type="timestamp"),
}
Texts = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return list(dict.fromkeys([*NUMBERS, *WORDS, *TIMES, *drawn(DRAWN, 1500)]))


@pytest.fixture(scope="module")
def taken(spark: SparkSession, texts: list[str]) -> Texts:
    """By type and text: the values of those texts that a contract takes. One query."""
    rows = spark.createDataFrame([(text, number) for number, text in enumerate(texts)], "x string, number int")
    found: list[DataFrame] = []
    for name, field in TYPES.items():
        nothing = {column: F.lit(None).cast("string") for column in (RAW, HEADER, ROW_REASON)}
        frame = rows.select(
            F.col("x").alias(field.name), F.col("number").cast("string").alias(SOURCE_FILE)
        ).withColumns({**nothing, IS_HEADER: F.lit(False)})
        checked = check_rows(frame, Contract(fields=(field,))).where(ACCEPTED)
        value = F.unix_micros(field.name) if field.type == "timestamp" else F.col(field.name)
        found.append(checked.select(F.lit(name).alias("type"), SOURCE_FILE, value.cast("string").alias("value")))
    taken: Texts = {name: {} for name in TYPES}
    for row in reduce(DataFrame.unionByName, found).collect():
        taken[row["type"]][texts[int(row[SOURCE_FILE])]] = row["value"]
    return taken


@pytest.mark.parametrize("name", ["integer", "long", "double", "comma", "whole_comma", "money", "flag"])
def test_train_reads_what_the_stream_takes(taken: Texts, texts: list[str], name: str) -> None:
    import pandas as pd

    field = TYPES[name]
    column = input_column(pd.Series(texts, dtype="object"), field)
    mine = {text: value for text, value in zip(texts, column, strict=True) if value == value}
    flags = {"true": 1.0, "false": 0.0}
    theirs = {text: flags[value] if name == "flag" else float(value) for text, value in taken[name].items()}
    assert mine == theirs


def test_a_time_is_the_same_for_init(taken: Texts, texts: list[str]) -> None:
    """But for the year 0, which Python has not."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    mine = {text: found - epoch for text in texts if (found := read_iso(text)) is not None}
    theirs = {text: int(value) for text, value in taken["at"].items() if not text.startswith("0000")}
    assert {text: delta.days * 86_400_000_000 + delta.seconds * 10**6 + delta.microseconds
            for text, delta in mine.items()} == theirs  # fmt: skip


def test_a_decimal_is_exact_or_none(taken: Texts, texts: list[str]) -> None:
    """Python's decimals are the truth: as many digits before and behind the point as the type has."""
    mine = {}
    for text in texts:
        try:
            value = Decimal(text) if set(text) <= set("0123456789+-.eE") else None
        except InvalidOperation:
            continue
        exponent = text.lower().partition("e")[2].lstrip("+-")
        if value is not None and len(exponent) <= 2 and abs(value) < 10**10 and value % Decimal("1e-10") == 0:
            mine[text] = value
    assert {text: Decimal(value) for text, value in taken["money"].items()} == mine


def test_by_hand(taken: Texts) -> None:
    wholes = ("5.0", "-7.000", "5.", "+3", "5.5", "1e5", "2147483648.0")
    assert {text: taken["integer"].get(text) for text in wholes} == {
        "5.0": "5", "-7.000": "-7", "5.": "5", "+3": "3", "5.5": None, "1e5": None, "2147483648.0": None,
    }  # fmt: skip
    assert {text: taken["comma"].get(text) for text in ("1,5", "0,5", "5", "1.5", "1.001,50", "1,5e3")} == {
        "1,5": "1.5", "0,5": "0.5", "5": "5.0", "1.5": None, "1.001,50": None, "1,5e3": "1500.0",
    }  # fmt: skip
    assert Decimal(taken["money"]["1e-07"]) == Decimal("0.0000001")
    assert {word: taken["flag"].get(word) for word in ("t", "F", "Yes", "N", "ON", "0", "ja", "1.0")} == {
        "t": "true", "F": "false", "Yes": "true", "N": "false", "ON": "true", "0": "false", "ja": None, "1.0": None,
    }  # fmt: skip
    ten = str(1_709_373_600_000_000)
    same = ("2024-03-02 10:00:00+00", "2024-03-02 10:00:00 UTC", "2024-03-02T10:00Z", "2024-03-02 10:00 GMT")
    assert {taken["at"][text] for text in same} == {ten}
    assert taken["at"]["2024-03-02 10:00:00-03"] == str(1_709_373_600_000_000 + 3 * 3_600_000_000)


def test_the_type_that_init_gives_takes_the_text(taken: Texts, texts: list[str]) -> None:
    names = {"double": "double", "integer": "integer", "long": "long", "boolean": "flag", "timestamp": "at"}
    for text in texts:
        kind = kind_of([text], commas=True)
        if kind.type in names and not kind.format and kind.nan == "reject":
            name = "comma" if kind.decimal == "," else names[kind.type]
            assert text in taken[name], text
    assert all((read_boolean(text) is not None) == (text in taken["flag"]) for text in texts)


NAMES = ["id", "Größe (cm)", "Temp\n(°C)", "t", "Preis €", "flag", "a b", "x"]
BLANKS = ["", " ", "\t", "\u00a0", "\u3000", " \u2009", "\u200b"]
COLUMNS: list[Callable[[random.Random], str]] = [
    lambda draw: str(draw.randrange(-50, 5000)),
    lambda draw: f"{draw.uniform(-9, 9):.3f}",
    lambda draw: f"{draw.uniform(-9, 9):.{draw.randrange(1, 4)}f}".replace(".", ","),
    lambda draw: f"{draw.randrange(1, 9)}.{draw.randrange(100, 999)},50",
    lambda draw: f"{draw.randrange(1, 9)}.0",
    lambda draw: draw.choice(["t", "f"]),
    lambda draw: draw.choice(["Yes", "no"]),
    lambda draw: draw.choice(["ja", "nein", "vielleicht"]),
    lambda draw: f"2024-0{draw.randrange(1, 9)}-1{draw.randrange(9)} 10:00:00+00",
    lambda draw: f"1{draw.randrange(9)}.0{draw.randrange(1, 9)}.2024",
    lambda draw: draw.choice(["1e-07", "2.5", "-3E+2"]),
    lambda draw: draw.choice(['5" pipe', "it's", "a\\b", "", "C:\\new", "ü", "NA"]),
]

#: With these alone no line is known to be the header but the first.
COLUMNS_OF_WORDS = [*COLUMNS[5:8], COLUMNS[-1]]


def ugly_sample(draw: random.Random) -> bytes:
    """A CSV file as some program may write it, with a few broken lines."""
    separator, quote = draw.choice([",", ";", ";", "\t", "|"]), draw.choice(['"', '"', "'"])
    count = draw.randrange(2, 6)
    columns = draw.sample(COLUMNS, count)
    pads = draw.choice([[""], [""], [blank for blank in BLANKS if separator not in blank]])
    end = draw.choice(["\n", "\r\n"])

    def cell(text: str) -> str:
        needs = any(character in text for character in (separator, quote, "\n", "\r"))
        padded = draw.choice(pads) + text + draw.choice(pads)
        if not needs and draw.random() < 0.9:
            return padded
        before = " " if pads != [""] and draw.random() < 0.3 else ""
        return before + quote + padded.replace(quote, quote * 2) + quote

    names = draw.sample(NAMES, count)
    if draw.random() < 0.7:
        names = [name.replace("\n", " ") for name in names]
    above = draw.choice([[], [], [], [f"sep={separator}"], ["Report", "", "made today"], ["Title" + separator * 9]])
    if any("\n" in name for name in names) or all(column in COLUMNS_OF_WORDS for column in columns):
        above = []
    lines = [*above, separator.join(cell(name) for name in names)]
    marker = draw.choice(["", "", "NA", "-"])
    for _ in range(draw.randrange(5, 40)):
        texts = [marker if draw.random() < 0.1 else column(draw) for column in columns]
        lines.append(separator.join(map(cell, texts)))
    if draw.random() < 0.3:
        lines.insert(draw.randrange(len(above) + 3, len(lines)), separator.join(["1"] * (count + 1)))
    text = end.join([*lines, ""])
    return draw.choice([b"", b"\xef\xbb\xbf"]) + text.encode()


def contract_of_sample(sample: Sample) -> Contract:
    return Contract(fields=fields_of(sample.kinds, column_names(list(sample.kinds))))


def by_python(text: str | None, field: Field) -> Any:
    """A value of the sample, read by Python under the type that `init` gave the column."""
    if text is None or field.type == "string":
        return text
    if field.type == "boolean":
        return read_boolean(text)
    if field.type == "timestamp" and not field.format:
        return read_iso(text)
    if field.format:
        return datetime.strptime(text, "%d.%m.%Y").date()
    if field.type == "date":
        return date.fromisoformat(text)
    number = float(text.replace(",", ".") if field.decimal == "," else text)
    return int(number) if field.facts.is_whole else number


def as_read(text: str | None, field: Field) -> Any:
    """The same of the text that Spark makes of its value."""
    if text is None or field.type == "string":
        return text
    if field.type == "boolean":
        return text == "true"
    if field.type == "date":
        return date.fromisoformat(text)
    if field.type == "timestamp":
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    return int(text) if field.facts.is_whole else float(text)


def test_a_sample_is_read_row_for_row_by_what_init_wrote(spark: SparkSession, tmp_path: Path) -> None:
    """Twenty-five samples, other ones in each run. Rows that `init` counts as broken may be read all the same."""
    seed = random.randrange(2**32)
    draw = random.Random(seed)
    samples, parts = [], []
    for number in range(25):
        path = tmp_path / f"{number}.csv"
        path.write_bytes(ugly_sample(draw))
        sample = read_sample(path)
        contract = contract_of_sample(sample)
        source = SourceConfig(path=str(tmp_path), csv=sample.dialect)
        arrival = Arrival(path=str(path), modified_milliseconds=path.stat().st_mtime_ns // 1_000_000)
        [file] = admit_files([arrival], storage=LocalStorage(), source=source, contract=contract)
        assert file.verdict == "accepted", (seed, number, file.reasons, path.read_bytes())
        rows = checked_rows(spark, [file], contract=contract, source=source)
        assert rows is not None
        values = F.array(*[F.col(field.name).cast("string") for field in contract.fields])
        parts.append(
            rows.where(~F.col(IS_HEADER)).select(
                F.lit(number).alias("sample"), values.alias("values"), ACCEPTED, REASONS
            )
        )
        samples.append((sample, contract))
    found: dict[int, list[Row]] = {number: [] for number in range(len(samples))}
    for row in reduce(DataFrame.unionByName, parts).collect():
        found[row["sample"]].append(row)
    for number, (sample, contract) in enumerate(samples):
        by_init = [
            tuple(by_python(sample.frame[field.source][row], field) for field in contract.fields)
            for row in range(len(sample.frame))
        ]
        read = [tuple(map(as_read, row["values"], contract.fields)) for row in found[number] if row[ACCEPTED]]
        context = (seed, number, sample.dialect, contract, sample.path.read_bytes())
        assert not [one for one in by_init if one not in read], (context, [row[REASONS] for row in found[number]])
        assert len(read) - len(by_init) <= sum("do not have" in note for note in sample.notes) * 2, context

"""Validates the name of a new pipeline, and derives the names of its table columns."""

import keyword
import re
import unicodedata
from collections.abc import Collection, Sequence
from pathlib import Path

import penstock.schemas
from penstock.errors import ConfigError
from penstock.schemas.contract import RESERVED_NAMES
from penstock.sources.inference.headers import refuse_doubled_headers

#: Modules of Penstock's own schemas/ that are no pipeline's contract; not even --force may overwrite them.
OWN_MODULES = frozenset({"catalog", "contract", "judgement_tables", "table_types", "tables", "types"})
OWN_FOLDER = Path(penstock.schemas.__file__).resolve().parent
PIPELINE_NAME = re.compile(r"[a-z][a-z0-9_]*")
GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})
#: Word boundaries in camel case: in sepalLength, but not in pH.
WORD_STARTS = re.compile(r"(?<=[a-z0-9]{2})(?=[A-Z])")


def check_pipeline_name(name: str) -> None:
    """Raises ConfigError, with a name near to it, unless it can be a pipeline and a Python module."""
    if PIPELINE_NAME.fullmatch(name) and not keyword.iskeyword(name):
        return
    snake = snake_case(name) or "my_pipeline"
    suggestion = f"pipeline_{snake}" if keyword.iskeyword(snake) or not snake[0].isalpha() else snake
    raise ConfigError(
        f"NAME: {name!r} can't be a Python module; use small letters, digits and '_', for example {suggestion}"
    )


def refuse_own_module(name: str, folder: Path) -> None:
    """Raises ConfigError where the folder is Penstock's and a part of it would be written over. In a project of one's
    own such a name is as good as any."""
    if name in OWN_MODULES and (folder / "schemas").resolve() == OWN_FOLDER:
        raise ConfigError(f"NAME: schemas/{name}.py is Penstock's own; choose another name, for example {name}_data")


def column_names(headers: Sequence[str], *, taken: Collection[str] = ()) -> list[str]:
    """A unique snake_case table column for each header, in the same order.

    taken: names not to use, beside those that every table uses. Raises ConfigError if two headers can't be
    in one contract.
    """
    refuse_doubled_headers(headers)
    used = {*RESERVED_NAMES, *taken}
    names = []
    for number, header in enumerate(headers, start=1):
        name = free_name(table_name(header, number), used)
        used.add(name)
        names.append(name)
    return names


def table_name(header: str, number: int) -> str:
    """number: the column's position in the file, for a header without usable letters."""
    snake = snake_case(header)
    if not snake:
        return f"column_{number}"
    return snake if snake[0].isalpha() else f"column_{snake}"


def free_name(name: str, used: Collection[str]) -> str:
    if name not in used:
        return name
    if name in RESERVED_NAMES and f"{name}_value" not in used:
        return f"{name}_value"
    number = 2
    while f"{name}_{number}" in used:
        number += 1
    return f"{name}_{number}"


def snake_case(text: str) -> str:
    """The letters a-z and digits of a text, with '_' between words; empty if it has none."""
    latin = unicodedata.normalize("NFKD", unicodedata.normalize("NFC", text).translate(GERMAN))
    plain = latin.encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[^a-z0-9]+", "_", WORD_STARTS.sub("_", plain).lower()).strip("_")

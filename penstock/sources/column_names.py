"""Columns that are missing under one name and there under one that looks like it."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from difflib import get_close_matches

#: How much alike two names are where one is a misspelling of the other.
ALIKE = 0.8
#: Misspellings are looked for in as many missing columns, and among fewer other ones: each pair of names is compared.
MAX_MISSPELT, MAX_OTHERS = 20, 200


def column_hint(missing: str, others: Sequence[str]) -> str:
    """Words to put behind "column 'id' is missing"; empty if none of the other columns looks like it."""
    return column_hints([missing], others)[missing]


def column_hints(missing: Sequence[str], others: Sequence[str]) -> dict[str, str]:
    """The words for each of the missing columns."""
    spellings = [(plain, first_of_each(plain, others)) for plain in (letters_of, words_of)]
    hints = {}
    for number, name in enumerate(missing):
        found = [first[plain(name)] for plain, first in spellings if plain(name) in first]
        if not found and number < MAX_MISSPELT and len(others) < MAX_OTHERS:
            found = get_close_matches(name, others, n=1, cutoff=ALIKE)
        hints[name] = f"; is {found[0]!r} meant?" if found else ""
    return hints


def first_of_each(plain: Callable[[str], str], names: Sequence[str]) -> dict[str, str]:
    """The first name of each plain spelling, without the empty one."""
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(plain(name), name)
    first.pop("", None)
    return first


def letters_of(name: str) -> str:
    """Without what is not seen: case, blanks and marks at the ends, two ways to write an umlaut."""
    return unicodedata.normalize("NFKC", name.replace("\ufeff", "")).strip().casefold()


def words_of(name: str) -> str:
    """Only letters and digits: without blanks, quotes, underscores and the like."""
    return re.sub(r"[\W_]", "", letters_of(name))

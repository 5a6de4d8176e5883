"""Columns that are missing under one name and there under one that looks like it."""

import re
import unicodedata
from collections.abc import Sequence
from difflib import get_close_matches

#: How much alike two names are where one is a misspelling of the other.
ALIKE = 0.8


def column_hint(missing: str, others: Sequence[str]) -> str:
    """Words to put behind "column 'id' is missing"; empty if none of the other columns looks like it."""
    for plain in (letters_of, words_of):
        same = next((name for name in others if plain(name) == plain(missing) != ""), None)
        if same is not None:
            return f"; is {same!r} meant?"
    near = get_close_matches(missing, others, n=1, cutoff=ALIKE)
    return f"; is {near[0]!r} meant?" if near else ""


def letters_of(name: str) -> str:
    """Without what is not seen: case, blanks and marks at the ends, two ways to write an umlaut."""
    return unicodedata.normalize("NFKC", name.replace("\ufeff", "")).strip().casefold()


def words_of(name: str) -> str:
    """Only letters and digits: without blanks, quotes, underscores and the like."""
    return re.sub(r"[\W_]", "", letters_of(name))

"""Removes credentials from output."""

import re

CREDENTIALS = re.compile(r"(?<=://)\S+@")


def without_credentials(text: str) -> str:
    """`text` with user and password of any URI in it replaced: `postgresql://me:pw@host/db` -> `postgresql://***@host/db`."""
    return CREDENTIALS.sub("***@", text)

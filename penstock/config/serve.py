"""The config section `serve`."""

from typing import Annotated

from pydantic import AfterValidator

from penstock.config.locations import absolute_location
from penstock.config.sections import Section


class ServeConfig(Section):
    """The REST service. tokens_file: a local file of bearer tokens, one a line; without it, nobody is asked for one."""

    tokens_file: Annotated[str, AfterValidator(absolute_location)] | None = None

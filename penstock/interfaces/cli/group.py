"""A click group that imports the module of a command only when it is run: some need Spark and MLflow, some don't."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import click


@dataclass(frozen=True)
class Listed:
    """A command: the module with its `command`, a one-line help, and example options."""

    name: str
    module: str
    summary: str
    example: str

    def load(self) -> click.Command:
        return cast(click.Command, importlib.import_module(f"penstock.jobs.{self.module}").command)


class CommandGroup(click.Group):
    """Lists the commands in the given order, in which a new user needs them."""

    def __init__(self, *arguments: Any, listed: Sequence[Listed], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.listed = {command.name: command for command in listed}

    def list_commands(self, context: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.listed)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        found = self.listed.get(name)
        if found is None:
            return None
        command = found.load()
        command.epilog = f"Example: {context.info_name} {name} {found.example}".rstrip()
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Uses the listed help texts; click's implementation would import every job."""
        with formatter.section("Commands"):
            formatter.write_dl([(command.name, command.summary) for command in self.listed.values()])

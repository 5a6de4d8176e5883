"""A click group whose commands are other modules, imported when they are run: some need Spark and MLflow, some not."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import click


@dataclass(frozen=True)
class Listed:
    """A command, the module that has it as `command`, a line on it, and an example of its options."""

    name: str
    module: str
    summary: str
    example: str

    def load(self) -> click.Command:
        return cast(click.Command, importlib.import_module(f"penstock.jobs.{self.module}").command)


class CommandGroup(click.Group):
    """The commands in the order in which they are listed, which is that in which a newcomer meets them."""

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
        """From the list: click's own would import every job for its one line."""
        with formatter.section("Commands"):
            formatter.write_dl([(command.name, command.summary) for command in self.listed.values()])

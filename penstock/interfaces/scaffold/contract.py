"""Generates a contract as a Python module."""

from collections.abc import Mapping, Sequence

from penstock.schemas.contract import Contract, Field
from penstock.sources.inference.types import Kind

LONGEST_LINE = 120
INDENT = "    "


def fields_of(kinds: Mapping[str, Kind], names: Sequence[str]) -> tuple[Field, ...]:
    """A field for each header; names: what the columns are called in the tables."""
    return tuple(
        Field(
            name=name,
            type=kind.type,
            source=source,
            nullable=kind.nullable,
            format=kind.format,
            nan=kind.nan,
            decimal=kind.decimal,
        )
        for name, (source, kind) in zip(names, kinds.items(), strict=True)
    )


def contract_text(contract: Contract, *, about: str, notes: Mapping[str, str]) -> str:
    """The module, formatted as ruff would. about: the docstring. notes: comments by the fields' sources."""
    head = [f'"""{about}"""', "", "from penstock import Contract, Field", ""]
    lines = []
    for field in contract.fields:
        if notes.get(field.source):
            lines.append(f"{INDENT * 2}# {notes[field.source]}")
        lines += field_lines(field)
    return "\n".join([*head, *shortest(lines), ""])


def shortest(lines: Sequence[str]) -> list[str]:
    """The statement around the lines of the fields. A single field is put on one line if it fits."""
    alone = lines[0].strip()
    if len(lines) == 1 and len(f"CONTRACT = Contract(fields=({alone}))") <= LONGEST_LINE:
        return [f"CONTRACT = Contract(fields=({alone}))"]
    if len(lines) == 1 and len(f"{INDENT}fields=({alone})") <= LONGEST_LINE:
        return ["CONTRACT = Contract(", f"{INDENT}fields=({alone})", ")"]
    return ["CONTRACT = Contract(", f"{INDENT}fields=(", *lines, f"{INDENT})", ")"]


def field_lines(field: Field) -> list[str]:
    arguments = field_arguments(field)
    line = f"{INDENT * 2}Field({', '.join(arguments)}),"
    if len(line) <= LONGEST_LINE:
        return [line]
    inner = f"{INDENT * 3}{', '.join(arguments)}"
    between = [inner] if len(inner) <= LONGEST_LINE else [argument_line(argument) for argument in arguments]
    return [f"{INDENT * 2}Field(", *between, f"{INDENT * 2}),"]


def argument_line(argument: str) -> str:
    """ruff's E501 ignores lines that are a single long word."""
    line = f"{INDENT * 3}{argument},"
    return f"{line}  # noqa: E501" if len(line) > LONGEST_LINE and " " in argument else line


def field_arguments(field: Field) -> list[str]:
    """Arguments that differ from the defaults of Field."""
    arguments = [f"name={python_text(field.name)}", f"type={python_text(field.type)}"]
    if field.source != field.name:
        arguments.append(f"source={python_text(field.source)}")
    if field.nullable:
        arguments.append("nullable=True")
    if field.format:
        arguments.append(f"format={python_text(field.format)}")
    if field.nan != "reject":
        arguments.append(f"nan={python_text(field.nan)}")
    if field.decimal != ".":
        arguments.append(f"decimal={python_text(field.decimal)}")
    return arguments


def python_text(text: str) -> str:
    """A literal with the quotes that need fewer escapes, preferring double quotes."""
    inner = repr('"' + text)[2:-1].replace("\\'", "'")
    double, single = inner.replace('"', '\\"'), inner.replace("'", "\\'")
    return f"'{single}'" if len(single) < len(double) else f'"{double}"'

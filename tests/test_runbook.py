"""docs/runbook.md has every error and warning of the jobs, as the code prints them."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
#: Stands for a value: on the page, and here for what an f-string or a %-format is filled with.
VALUE = "…"
PERCENT = re.compile(r"%[-+#0]*\d*(?:\.\d+)?[sdrfgx]")
#: A quote with less fixed text than this would be found nearly anywhere.
MIN_CHARACTERS = 10
#: Documented on other pages: REST, dashboard, SQL server, metrics; `penstock init` reports to its user at once.
ELSEWHERE = (
    "penstock/interfaces/dashboard/",
    "penstock/interfaces/rest/",
    "penstock/interfaces/scaffold/",
    "penstock/interfaces/sql/server",
    "penstock/interfaces/sql/users",
    "penstock/interfaces/local_servers/thrift",
    "penstock/operations/monitoring/metrics",
    "penstock/config/metrics",
    "penstock/sources/inference/",
)


def messages(page):
    """A bullet that begins with code is about messages: one, or several with `or` between them."""
    bullets = re.findall(r"^- ((?:`[^`\n]+`(?:\s+or\s+)?)+)", page, re.MULTILINE)
    return [code for bullet in bullets for code in re.findall(r"`([^`]+)`", bullet)]


def template(node):
    """The text of an expression, with VALUE for whatever is not written there."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(map(template, parts))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return template(left) + template(right)
        case _:
            return VALUE


def texts(tree):
    """Every text that a module has, without docstrings."""
    docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp))
    return {PERCENT.sub(VALUE, template(node)) for node in nodes if node not in docstrings}


def reported(tree, errors):
    """What a module reports to users: the texts of the errors that it raises, and of its warnings."""
    for node in ast.walk(tree):
        match node:
            case ast.Raise(exc=ast.Call(func=ast.Name(id=name), args=[text, *_])) if name in errors:
                yield template(text)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "_log"), attr="warning"), args=[text, *_]):
                yield PERCENT.sub(VALUE, template(text))


def is_telling(text):
    return max(map(len, text.split(VALUE))) >= MIN_CHARACTERS


def is_quoted(message, text):
    """Whether the fixed parts of a message stand in a text, in their order; a VALUE is anything."""
    return re.search(".*".join(map(re.escape, message.split(VALUE))), text, re.DOTALL) is not None


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


MODULES = {
    path.relative_to(ROOT).as_posix(): parsed(path)
    for package in ("schemas", "udfs", "penstock", "jobs")
    for path in sorted((ROOT / package).rglob("*.py"))
}
ERRORS = [node.name for node in MODULES["penstock/errors.py"].body if isinstance(node, ast.ClassDef)]
MESSAGES = messages(PAGE)
TEXTS = {text for tree in MODULES.values() for text in texts(tree) if is_telling(text)}
REPORTED = sorted(
    {
        text
        for name, tree in MODULES.items()
        if not name.startswith(ELSEWHERE)
        for text in reported(tree, ERRORS)
        if is_telling(text)
    }
)
SOURCE = '''
"""A docstring."""
raise SomeError(f"{path}: has {count!r} rows, " "expected " + wanted)
raise ValueError("not for a person")
log.warning("took %s, %.1f s", what, seconds)
'''


def test_texts_are_taken_from_the_code_without_their_values():
    tree = ast.parse(SOURCE)
    assert list(reported(tree, ["SomeError"])) == ["…: has … rows, expected …", "took …, … s"]
    assert {"…: has … rows, expected …", "not for a person"} <= texts(tree)
    assert "A docstring." not in texts(tree)


def test_a_message_is_quoted_by_its_fixed_parts_in_their_order():
    assert is_quoted("has … rows", "…: has … rows, expected …")
    assert not is_quoted("has rows", "…: has … rows, expected …")
    assert not is_quoted("expected … rows", "…: has … rows, expected …")


def test_bullets_that_begin_with_code_are_messages():
    page = "Take `this`.\n\n- `one …` or\n  `two`: see `three`.\n- Not `four`.\n- `five`, or `six`.\n"
    assert messages(page) == ["one …", "two", "five"]


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_is_named(name):
    assert re.search(rf"\b{name}\b", PAGE)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_of_the_page_is_one_of_the_code(message):
    assert is_telling(message), "too little fixed text to find it by"
    assert any(is_quoted(message, text) for text in TEXTS), "no module has this text (any more)"


@pytest.mark.parametrize("text", REPORTED)
def test_what_the_code_reports_is_on_the_page(text):
    assert any(is_quoted(message, text) for message in MESSAGES), "docs/runbook.md does not say what it means"

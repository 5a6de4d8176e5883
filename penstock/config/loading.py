"""Loads a PipelineConfig from YAML files, overlays, `--set` and `${ENV}`, with actionable errors."""

import difflib
import importlib
import importlib.util
import os
import re
import sys
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError
from penstock.schemas.contract import Contract, ContractDefinitionError

OWN_CONTRACT = re.compile(r"schemas\.\w+")
WRITTEN_NAME = re.compile(r"\$\{(\w+)\}")


def load_config(
    paths: Sequence[Path], *, overrides: Iterable[str] = (), further: Iterable[Mapping[str, Any]] = ()
) -> PipelineConfig:
    """Read `paths` in order (a later file overrides an earlier one, key by key), then `key.sub=value` overrides.
    further: the contents of more overlays, before the overrides.

    Raises ConfigError with every problem, one line each, and the nearest known key for an unknown one.
    """
    if not paths:
        raise ConfigError("no config: name a pipeline's YAML file with --conf, for example --conf conf/wine.yaml")
    documents = [read_yaml(path) for path in paths]
    merged: dict[str, Any] = {}
    for document in (*documents, *further, *map(parse_override, overrides)):
        merged = overlay(merged, document)
    try:
        config = PipelineConfig.model_validate(
            expand_names(merged, {**os.environ, "pipeline": str(merged.get("pipeline"))})
        )
        return config.overlaid_by([places_of(document) for document in documents[1:]])
    except ValidationError as error:
        lines = [describe(detail) for detail in error.errors(include_url=False, include_input=False)]
        raise ConfigError(f"{', '.join(map(str, paths))}: " + "; ".join(lines)) from None


def load_contract(config: PipelineConfig) -> Contract:
    """The Contract that `contract: module:NAME` names. Raises ConfigError."""
    module_name, _, attribute = config.contract.partition(":")
    try:
        module = import_contract_module(module_name)
    except ModuleNotFoundError as error:
        if not is_missing(module_name, error):
            raise
        raise ConfigError(
            f"contract: there is no module {module_name!r} in {Path.cwd()}; start in the project's folder, and write "
            "schemas.<module>:CONTRACT"
        ) from None
    except (ContractDefinitionError, SyntaxError, TypeError) as error:
        raise ConfigError(f"contract {config.contract}: {error}") from None
    contract = getattr(module, attribute, None)
    if contract is None:
        raise ConfigError(f"contract: module {module_name!r} has no {attribute!r}")
    if not isinstance(contract, Contract):
        kind = f"{type(contract).__module__}.{type(contract).__name__}"
        raise ConfigError(
            f"contract: {config.contract} is a {kind}, not a Contract; write: from penstock import Contract"
        )
    return contract


def import_contract_module(name: str) -> types.ModuleType:
    """The module from the working folder, else from elsewhere on Python's path, else the one of Penstock's schemas.

    A project has folders schemas/ and udfs/ of its own. They are on Python's path only under `python -m`.
    """
    project = Path.cwd()
    if str(project) not in sys.path:
        sys.path.insert(0, str(project))
    prefer_folder(project / name.partition(".")[0])
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not is_missing(name, error) or not OWN_CONTRACT.fullmatch(name):
            raise
        own = f"penstock.{name}"
        if importlib.util.find_spec(own) is None:
            raise
        return importlib.import_module(own)


def is_missing(name: str, error: ModuleNotFoundError) -> bool:
    """Whether it is the module itself or its package that is not there, and nothing that it imports."""
    return error.name is not None and f"{name}.".startswith(f"{error.name}.")


def prefer_folder(folder: Path) -> None:
    """Let modules of the folder be found before those of an installed package with its name. To Python such a package
    goes first wherever it is, unless the folder has an __init__.py."""
    if folder.is_dir() and not (folder / "__init__.py").exists():
        package = importlib.import_module(folder.name)
        if isinstance(package.__path__, list) and str(folder) not in package.__path__:
            package.__path__.insert(0, str(folder))


def read_yaml(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; --conf takes a pipeline's YAML file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read: {error}") from None
    except yaml.YAMLError as error:
        # Only the problem and its position: the line itself may contain a secret.
        problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(f"{path}: is not YAML: {problem or 'it has unreadable characters'}{place}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected keys and values, found {type(document).__name__}")
    return document


def places_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Of an overlay what says where the tables of any pipeline are, by its name."""
    tables = document.get("tables")
    root = tables.get("root") if isinstance(tables, dict) else None
    return {"tables": tables} if isinstance(root, str) and "${pipeline}" in root else {}


def overlay(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in top.items():
        below = merged.get(key)
        merged[key] = overlay(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def parse_override(text: str) -> dict[str, Any]:
    """`key.sub=value` as nested keys. All that follows `spark.` is one key: names of Spark settings contain dots."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(
            "--set: expected key.sub=value, for example --set trigger.every='1 minute'; "
            f"found no '=' after {key.strip()[:20]!r}"
        )
    parts = key.strip().split(".", 1) if key.strip().startswith("spark.") else key.strip().split(".")
    nested = override_value(value)
    for part in reversed(parts):
        nested = {part: nested}
    return typing.cast(dict[str, Any], nested)


def override_value(text: str) -> Any:
    """Numbers, booleans, lists and quoted strings as in YAML; anything else is taken literally (`|`, `#`)."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    is_plain_text = isinstance(value, str) and not text.strip().startswith(("'", '"'))
    is_no_null = value is None and text.strip() not in ("null", "~")
    return text if is_plain_text or is_no_null else value


def expand_names(value: Any, names: Mapping[str, str], where: str = "") -> Any:
    """Replace `${NAME}` in every string: `${pipeline}` by the pipeline's name, so that one overlay serves several, and
    others by the environment's value. Raises ConfigError for one that is not set."""
    if isinstance(value, dict):
        return {key: expand_names(inner, names, f"{where}.{key}".lstrip(".")) for key, inner in value.items()}
    if isinstance(value, list):
        return [expand_names(inner, names, where) for inner in value]
    if not isinstance(value, str):
        return value

    def replacement(match: re.Match[str]) -> str:
        if match[1] not in names:
            raise ConfigError(f"{where}: the environment variable {match[1]} is not set; set it or change the config")
        return names[match[1]]

    return WRITTEN_NAME.sub(replacement, value)


def describe(detail: ErrorDetails) -> str:
    """One pydantic error as a sentence, without the value, which may be a secret."""
    location = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        known = known_keys(detail["loc"][:-1])
        nearest = difflib.get_close_matches(str(detail["loc"][-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean {nearest[0]!r}?" if nearest else f"known keys here: {', '.join(sorted(known))}"
        return f"{location}: unknown key; {hint}"
    if detail["type"] == "missing":
        return f"{location}: is missing"
    return f"{location}: {detail['msg'].removeprefix('Value error, ')}"


def known_keys(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = PipelineConfig
    for part in location:
        model = section_of(model.model_fields[str(part)].annotation)
    return list(model.model_fields)


def section_of(annotation: Any) -> type[BaseModel]:
    """The section class inside an annotation such as `SeriesConfig | None`."""
    if isinstance(annotation, types.UnionType):
        annotation = next(option for option in typing.get_args(annotation) if option is not type(None))
    return typing.cast(type[BaseModel], annotation)

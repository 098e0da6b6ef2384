"""The files of a configuration, looked at for what Snakemake passes over, or answers with a traceback."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from lightsheet.system import InputError
from lightsheet.workflow.run_error import RunError

DEFAULT = "config/config.yaml"
"""What the Snakefile reads where no other file is named."""


def check_config_files(workflow: Any) -> None:
    """Refuse files of a configuration that are not UTF-8, are no YAML, or say a key twice, of which one would count.

    Those of `--configfile` have been read by Snakemake when this can look at them; it does not tell of keys alone.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow, as the Snakefile has it
    """
    for name in workflow.overwrite_configfiles or workflow.configfiles or [DEFAULT]:
        try:
            _check_file(Path(name))
        except InputError as error:
            raise RunError(str(error)) from None


def describe_default(workflow: Any) -> str:
    """Name, for the end of a sentence on a mistake, the configuration that counts where a person has named none."""
    if workflow.overwrite_configfiles or not workflow.configfiles:
        return ""
    names = ", ".join(map(str, workflow.configfiles))
    return f" (the configuration is {names}, as no other was named: --configfile my.yaml)"


def _check_file(path: Path) -> None:
    if not path.is_file():  # Snakemake says so itself
        return
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path}, line {line}: this is not UTF-8, as a configuration must be; save it so, or convert "
            f"it: iconv -f latin1 -t utf8 {path} > new.yaml"
        ) from None
    try:
        repeated = _list_repeated_json(text)
    except ValueError:  # no JSON
        repeated = _list_repeated_yaml(path, text)
    if key := next(iter(repeated), None):
        raise InputError(f"{path}: config key {key} stands there twice, and only one can count; remove the other")


def _list_repeated_json(text: str) -> Iterable[str]:
    repeated: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
        repeated.extend(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        return dict(pairs)

    json.loads(text, object_pairs_hook=note)
    return repeated


def _list_repeated_yaml(path: Path, text: str) -> Iterable[str]:
    try:
        content = yaml.compose(text, yaml.SafeLoader)
        for key, value in _list_sexagesimal("", content):
            raise InputError(
                f"{path}: config key {key}: YAML takes {value} for minutes and seconds, and makes one number of them; "
                f'write it in quotes: "{value}"'
            )
        return list(_walk("", content))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        hint = "; indent with spaces, not with tabs" if "'\\t'" in str(error.problem) else ""
        raise InputError(f"{path}{place}: this is not YAML: {error.problem}{hint}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: this is not YAML: {' '.join(str(error).split())}") from None


def _list_sexagesimal(prefix: str, node: yaml.Node | None) -> Iterator[tuple[str, str]]:
    """Yield each key, and its value, that YAML takes for a number of minutes and seconds: `1:30` for 90."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _list_sexagesimal(prefix, item)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _list_sexagesimal(f"{prefix}.{key.value}" if prefix else str(key.value), value)
    elif isinstance(node, yaml.ScalarNode) and ":" in node.value and node.tag.endswith((":int", ":float")):
        yield prefix, node.value


def _walk(prefix: str, node: yaml.Node | None) -> Iterator[str]:
    """Yield each key that a mapping has twice, from the top."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _walk(prefix, item)
    elif isinstance(node, yaml.MappingNode):
        names = [str(key.value) for key, _ in node.value]
        yield from (f"{prefix}{name}" for name, count in Counter(names).items() if count > 1 and name != "<<")
        for name, (_, value) in zip(names, node.value, strict=True):
            yield from _walk(f"{prefix}{name}.", value)

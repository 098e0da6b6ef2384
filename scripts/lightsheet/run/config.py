"""What the user asked for: the configuration checked against its schema, defaults filled in, errors in words."""

import copy
import difflib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, ValidationError

from lightsheet.deconvolution import Method, check_method as check_method
from lightsheet.system import InputError

SCHEMA = Path(__file__).parents[3] / "config" / "schema.yaml"


def check_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Check a configuration and fill in the defaults.

    Parameters
    ----------
    config : mapping
        What the user's YAML file says.

    Returns
    -------
    dict
        A copy with every optional key present.

    Raises
    ------
    InputError
        One line per mistake: the key, what is wrong with it, what it may be.
    """
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    errors = sorted(Draft202012Validator(schema).iter_errors(config), key=lambda error: list(map(str, error.path)))
    if errors:
        raise InputError("\n".join(line for error in errors for line in _sentences(error)))
    for key, value in _numbers("", config):
        if not math.isfinite(value):  # which JSON schema lets pass as a number
            raise InputError(f"config key {key}: {value} is not a number to compute with")
    filled: dict[str, Any] = _with_defaults(copy.deepcopy(dict(config)), schema, schema)
    for key, asked in list_pilot_methods(filled).items():
        method = Method(asked["iterations"], boundary=asked["boundary"], acceleration=asked["acceleration"])
        try:
            check_method(method, asked["engine"])
        except InputError as error:
            raise InputError(f"config key {key}.{error}") from None
    return filled


def check_channels(config: Mapping[str, Any], channels: tuple[str, ...]) -> None:
    """Compare the channels that the configuration names with those that the folder holds.

    Parameters
    ----------
    config : mapping
        A checked configuration.
    channels : tuple of str
        The acquisition's channels.

    Raises
    ------
    InputError
        If a channel has no PSF, or `psf.files` or `deconvolution.background` names a channel that is not there.
    """
    background = config["deconvolution"]["background"]
    for key, named in {"psf.files": config["psf"]["files"], "deconvolution.background": background}.items():
        if not isinstance(named, Mapping):
            continue
        for channel in sorted(set(named) - set(channels)):
            raise InputError(
                f"config key {key}: the folder has no channel {channel!r}{_nearest(channel, channels)}; "
                f"its channels are {', '.join(channels)}"
            )
        for channel in sorted(set(channels) - set(named)):
            raise InputError(f"config key {key}: nothing is given for channel {channel}; add `{channel}: ...`")


def _sentences(error: ValidationError) -> Iterator[str]:
    """Say one schema error as a user would want to hear it."""
    key = ".".join(map(str, error.absolute_path))
    prefix = f"config key {key}" if key else "config"
    schema: Any = error.schema
    asked: Any = error.validator_value
    instance: Any = error.instance
    properties = schema.get("properties", {})
    match error.validator:
        case "additionalProperties":
            for name in sorted(set(map(str, instance)) - set(properties)):
                full = f"{key}.{name}" if key else name
                yield f"config key {full} is unknown{_nearest(name, properties)}; known here: {', '.join(properties)}"
        case "required":
            missing = error.message.split("'")[1]  # jsonschema reports each missing key by itself
            yield f"{prefix}: {missing} is missing; see config/README.md"
        case "enum":
            known = [str(value) for value in asked]
            yield f"{prefix}: {instance!r} is not one of {', '.join(known)}{_nearest(str(instance), known)}"
        case "type":
            yield f"{prefix}: {instance!r} is not {_kind(asked)}"
        case "minimum" | "maximum" | "exclusiveMinimum":
            bound = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "more than"}[error.validator]
            yield f"{prefix}: {instance!r} must be {bound} {asked}"
        case _:
            expected = schema.get("description", "")
            yield (f"{prefix}: {instance!r} is not {expected}" if expected else f"{prefix}: {error.message}")


def _numbers(key: str, value: Any) -> Iterator[tuple[str, float]]:
    """Yield every number of a configuration with its key."""
    if isinstance(value, Mapping):
        for name, below in value.items():
            yield from _numbers(f"{key}.{name}" if key else str(name), below)
    elif isinstance(value, int | float):
        yield key, value


def _kind(name: str) -> str:
    return {
        "object": "a section with keys",
        "array": "a list",
        "integer": "a whole number",
        "number": "a number",
        "string": "text",
    }.get(name, f"a {name}")


def _nearest(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, [str(value) for value in known], n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _with_defaults(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """Fill the defaults of `schema` into `value`, at every depth."""
    if "$ref" in schema:
        schema = {**root["$defs"][schema["$ref"].rsplit("/", 1)[1]], **schema}
    if isinstance(value, dict):
        for name, below in schema.get("properties", {}).items():
            if name not in value and "default" in below:
                value[name] = copy.deepcopy(below["default"])
            if name in value:
                value[name] = _with_defaults(value[name], below, root)
    return value


def list_pilot_methods(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the settings of each method as section `deconvolution` would say them, by the key that asks for it.

    Parameters
    ----------
    config : mapping
        Defaults filled in.

    Returns
    -------
    dict
        The first is the configuration's own; how many iterations the others do, the pilot's sweep says.
    """
    own = config["deconvolution"]
    others = config["pilot"]["methods"]
    return {"deconvolution": own} | {
        f"pilot.methods.{number}": {**own, "iterations": 1, **other} for number, other in enumerate(others)
    }

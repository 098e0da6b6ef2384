"""The user's configuration: checked against its schema, defaults filled in, mistakes said in sentences."""

import copy
import math
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.validators import extend

from lightsheet.deconvolution import Method, check_method
from lightsheet.run.open_keys import lacks_psfs, leave_out_psfs, refuse_open_keys
from lightsheet.run.schema_errors import describe_error
from lightsheet.run.suggestions import suggest
from lightsheet.store import ALL_BITS
from lightsheet.system import RENAME, InputError, escape_name, find_name_fault

SCHEMA = Path(__file__).parents[3] / "config" / "schema.yaml"

STAGE_EXAMPLE = "{kind: stage, angle: 31.8, step: 0.4, axis: x, direction: 1}"

EXACT = 2.0**53
"""Below it each whole number is a float of its own."""

_Validator = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)
"""Takes no float for a whole number: those that are exact have been made whole before."""


def check_config(config: Mapping[str, Any], *, needs_psfs: bool = True) -> dict[str, Any]:
    """Check a configuration, and fill in the defaults.

    Parameters
    ----------
    config : mapping, what the user's YAML file says
    needs_psfs : bool, whether `psf` must be there, and nothing in it TODO

    Returns
    -------
    dict, a copy with every optional key; `psf.files` is empty where some of them are not named yet and none is needed

    Raises
    ------
    InputError
        Has one line per mistake: the key, what is wrong with it, what it may be.
    """
    config = _write_whole_numbers(config)
    schema = _read_schema()
    if not needs_psfs and lacks_psfs(config):
        config, schema = leave_out_psfs(config, schema)
    refuse_open_keys(config)
    errors = sorted(_Validator(schema).iter_errors(config), key=lambda error: list(map(str, error.path)))
    if errors:
        raise InputError("\n".join(line for error in errors for line in describe_error(error)))
    _check_values(config)
    complete_config: dict[str, Any] = _fill_defaults(copy.deepcopy(dict(config)), schema, schema)
    _expand_homes(complete_config)
    _check_output(complete_config["output"])
    _check_geometry(complete_config["input"]["scan"], complete_config["output"]["geometry"])
    _check_methods(complete_config)
    return complete_config


@cache
def _read_schema() -> dict[str, Any]:
    schema: dict[str, Any] = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    return schema


def _check_values(config: Mapping[str, Any]) -> None:
    """Refuse numbers and texts that a schema lets pass, and of which nothing can be made."""
    for key, value in _list_numbers("", config):
        if not math.isfinite(value):
            raise InputError(f"config key {key}: {value} is not a number to compute with")
    for key, text in _list_texts("", config):
        if fault := find_name_fault(text):
            raise InputError(f"config key {escape_name(key)}: '{escape_name(text)}' {fault}; {RENAME}")


def _check_methods(config: Mapping[str, Any]) -> None:
    """Refuse methods, that of the run and those of the pilot, which the engine does not have."""
    for key, section in list_pilot_methods(config).items():
        iterations = "auto" if isinstance(section["iterations"], str) else section["iterations"]
        method = Method(iterations, boundary=section["boundary"], acceleration=section["acceleration"])
        try:
            check_method(method, section["engine"])
        except InputError as error:
            raise InputError(f"config key {key}.{error}") from None


def _check_geometry(scan: str | Mapping[str, Any], geometry: str) -> None:
    """Refuse a geometry of the result that only a stage scan can have."""
    if isinstance(scan, str) and geometry != "deskewed":
        raise InputError(
            f"config key output.geometry: {geometry} is a geometry of results of a stage scan, but input.scan is "
            f"{scan}; say there how the stage moved, e.g. {STAGE_EXAMPLE}, or "
            "leave output.geometry out: results of straight images lie as these do"
        )


def _check_output(output: Mapping[str, Any]) -> None:
    """Refuse a precision that the dtype of results has not."""
    precision, dtype = output["precision"], output["dtype"]
    if precision == "auto" and dtype != "float32":
        raise InputError(
            f"config key output.precision: auto is for output.dtype: float32; {dtype} is rounded as noise allows with "
            "output.scale: auto. Leave output.precision out, or set output.dtype to float32"
        )
    if isinstance(precision, int) and precision > ALL_BITS[dtype]:
        raise InputError(f"config key output.precision: {precision} must be at most {ALL_BITS[dtype]} with {dtype}")


def check_channels(config: Mapping[str, Any], channels: tuple[str, ...], whole: tuple[str, ...] | None = None) -> None:
    """Refuse a checked configuration that names other channels than the acquisition has, or not all that are selected.

    Those of the `whole` acquisition that are not selected may be named.
    """
    background = config["deconvolution"]["background"]
    for key, section in {"psf.files": config["psf"]["files"], "deconvolution.background": background}.items():
        if not isinstance(section, Mapping) or not (section or key != "psf.files"):  # PSFs need not be named yet
            continue
        for channel in sorted(set(section) - set(whole or channels), key=str):
            quotes = "" if isinstance(channel, str) else " (to YAML this is no text: write it in quotes if it is)"
            raise InputError(
                f"config key {key}: the folder has no channel {channel!r}{quotes}{suggest(str(channel), channels)}; "
                f"its channels are {', '.join(whole or channels)}"
            )
        for channel in sorted(set(channels) - set(section)):
            raise InputError(f"config key {key}: nothing is given for channel {channel}; add `{channel}: ...`")


def list_pilot_methods(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the settings of each method that a pilot tries, by config key; `deconvolution` itself is the first.

    The iterations of the others come from the pilot's sweep, so here they are 1.
    """
    settings = config["deconvolution"]
    return {"deconvolution": settings} | {
        f"pilot.methods.{number}": {**settings, "iterations": 1, **method}
        for number, method in enumerate(config["pilot"]["methods"])
    }


def _write_whole_numbers(value: Any) -> Any:
    """Return a configuration with 100 for 100.0, at every depth: the same number must have the same digest."""
    if isinstance(value, Mapping):
        return {name: _write_whole_numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_write_whole_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < EXACT else value


def _list_numbers(key: str, value: Any) -> Iterator[tuple[str, float]]:
    """Yield every number of a configuration with its key."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _list_numbers(f"{key}.{name}" if key else str(name), item)
    elif isinstance(value, int | float):
        yield key, value


def _list_texts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield every text of a configuration with its key, and every key that a user chooses."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield key, str(name)
            yield from _list_texts(f"{key}.{name}" if key else str(name), item)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _list_texts(f"{key}.{number}", item)
    elif isinstance(value, str):
        yield key, value


def _expand_homes(config: dict[str, Any]) -> None:
    """Replace `~` in all paths of a configuration."""
    for key in ("input", "output"):
        config[key]["folder"] = _expand_home(f"{key}.folder", config[key]["folder"])
    files = config["psf"].setdefault("files", {})
    for channel, entry in files.items():
        key = f"psf.files.{channel}"
        if isinstance(entry, str):
            files[channel] = _expand_home(key, entry)
        else:
            entry["path"] = _expand_home(f"{key}.path", entry["path"])


def _expand_home(key: str, path: str) -> str:
    """Return a path with a home folder for the `~` or `~user` at its beginning, as a shell would have it."""
    if not path.startswith("~"):
        return path
    try:
        return str(Path(path).expanduser())
    except RuntimeError:
        user = Path(path).parts[0]
        raise InputError(
            f"config key {key}: {path}: there is no home folder {user} here; write the whole path, or ./{path} for "
            "what is called so"
        ) from None


def _fill_defaults(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """Fill the defaults of `schema` into `value`, at every depth."""
    if "$ref" in schema:
        schema = {**root["$defs"][schema["$ref"].rsplit("/", 1)[1]], **schema}
    if isinstance(value, dict):
        for name, item in schema.get("properties", {}).items():
            if name not in value and "default" in item:
                value[name] = copy.deepcopy(item["default"])
            if name in value:
                value[name] = _fill_defaults(value[name], item, root)
    return value

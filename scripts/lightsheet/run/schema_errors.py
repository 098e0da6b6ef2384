"""What a schema finds wrong with a configuration, in a user's words."""

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import ValidationError

from lightsheet.run.suggestions import suggest

TYPES = {
    "object": "a section with keys",
    "array": "a list",
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
}
"""JSON schema's types in a user's words."""

BOUNDS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
}


def describe_error(error: ValidationError) -> Iterator[str]:
    """Yield sentences on one error of the schema: the key, what is wrong with it, and what it may be."""
    key = ".".join(map(str, error.absolute_path))
    prefix = f"config key {key}" if key else "config"
    schema: Any = error.schema
    limit: Any = error.validator_value
    value: Any = error.instance
    properties = schema.get("properties", {})
    match error.validator:
        case "additionalProperties":
            for name in sorted(set(map(str, value)) - set(properties)):
                path = f"{key}.{name}" if key else name
                space = "; after a colon stands a space" if name.partition(":")[0] in properties else ""
                hint = space or suggest(name, properties)
                yield f"config key {path} is unknown{hint}; known here: {', '.join(properties)}"
        case "required":
            missing = error.message.split("'")[1]  # jsonschema reports each missing key by itself
            yield f"{prefix}: {missing} is missing; see config/README.md"
        case "enum":
            choices = [str(choice) for choice in limit]
            yield f"{prefix}: {value!r} is not one of {', '.join(choices)}{suggest(str(value), choices)}"
        case "type":
            yield f"{prefix}: {value!r} is not {TYPES.get(limit, f'a {limit}')}{_explain_yaml(value, limit)}"
        case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
            meaning = f" ({schema['description']})" if "description" in schema else ""
            yield f"{prefix}: {value!r} must be {BOUNDS[error.validator]} {limit}{meaning}"
        case _:
            expected = schema.get("description", "")
            yield (f"{prefix}: {value!r} is not {expected}" if expected else f"{prefix}: {error.message}")


def _explain_yaml(value: Any, kind: str) -> str:
    """Say how to write in YAML what it has read as something else."""
    if kind == "string" and not isinstance(value, Mapping | list | None):
        return "; write it in quotes"
    if kind == "object" and isinstance(value, str):
        return ", but text; a section is written {key: value, ...}, with a space after each colon"
    try:
        is_number = isinstance(value, str) and kind == "number"
        return f"; write it as {float(value):.12f}".rstrip("0") if is_number else ""
    except ValueError:
        return ""

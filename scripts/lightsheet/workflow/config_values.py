"""Values of `--config SECTION="{key: value}"`: Snakemake makes text of them, here they are what a file would make."""

from collections.abc import Mapping
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """What reads a file, but times and dates are text: `0:10` is a slice, and no command line has a line to name."""

    def construct_number(self, node: yaml.ScalarNode) -> Any:
        """Return a number, or the text of minutes and seconds."""
        if ":" in node.value:
            return node.value
        is_whole = node.tag.endswith(":int")
        return (self.construct_yaml_int if is_whole else self.construct_yaml_float)(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)


def type_config_values(config: dict[str, Any], workflow: Any) -> None:
    """Give the values of sections from the command line their types, where they stand in the configuration.

    Snakemake reads `deconvolution="{iterations: 3}"` by a YAML of which all values are text. It is safe to read it
    once more: both see the same sections and keys, and only what still is that text is replaced.

    Parameters
    ----------
    config : dict, of the Snakefile; its values are replaced
    workflow : snakemake.workflow.Workflow, as the Snakefile has it
    """
    for argument in workflow.config_settings.config_args or ():
        key, _, text = argument.partition("=")
        try:
            texts, values = yaml.load(text, yaml.BaseLoader), yaml.load(text, _Loader)
        except (yaml.YAMLError, ValueError):  # for Snakemake it is text, too
            continue
        if isinstance(texts, Mapping | list) and key in config:
            config[key] = _type(config[key], texts, values)


def _type(current: Any, texts: Any, values: Any) -> Any:
    """Return a part of the configuration with values for their texts; keys stay text."""
    if isinstance(current, Mapping) and isinstance(values, Mapping):
        names = {str(name): item for name, item in values.items() if str(name) in texts}
        return {n: _type(item, texts[n], names[n]) if n in names else item for n, item in current.items()}
    return values if current == texts else current

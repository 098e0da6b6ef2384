"""What options of sbatch mean: the partitions, cores, memory, GPUs and time of a job."""

import argparse
import re
import shlex
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from lightsheet.cluster.slurm import parse_walltime

UNITS = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}
"""Units of sbatch's memory, in MiB."""


class Amounts(NamedTuple):
    """What one job asks for; None or 0: nothing is known of it."""

    partitions: tuple[str, ...]  # none: the default one
    account: str
    qos: str
    cores: int
    memory: float  # MiB
    gpus: int
    seconds: float
    whole_node: bool
    clusters: str = ""  # others than this one


def read_amounts(words: Sequence[str]) -> Amounts:
    """Return what options mean; those that repeat an earlier one replace it, as sbatch reads them."""
    options = read_options(words)
    tasks = _count(options.ntasks, 1)
    cores = max(1, tasks * _count(options.cpus_per_task, 1))
    memory = cores * read_memory(options.mem_per_cpu) if options.mem_per_cpu else read_memory(options.mem)
    gpus = [count_gpus(options.gres), *(_count_last(text) for text in (options.gpus, options.gpus_per_node))]
    try:
        seconds = float(parse_walltime(options.time_min or options.time or ""))
    except ValueError:
        seconds = 0.0
    partitions = tuple(filter(None, (options.partition or "").split(",")))
    return Amounts(
        partitions,
        *(options.account or "", options.qos or "", cores, memory, max(gpus), seconds),
        options.exclusive is None,  # `--exclusive=user` lets a user's jobs share a node
        options.clusters or "",
    )


def read_options(words: Sequence[str]) -> argparse.Namespace:
    """Return options by their long names; all others are passed over."""
    try:
        return PARSER.parse_known_args(words)[0]
    except argparse.ArgumentError:  # an option without its value, of which sbatch will tell
        return PARSER.parse_args([])


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for names in (
        *("-p --partition", "-A --account", "-q --qos", "-M --clusters --cluster", "-t --time", "--time-min"),
        *("-n --ntasks", "-c --cpus-per-task", "--mem", "--mem-per-cpu", "-G --gpus", "--gpus-per-node", "--gres"),
    ):
        parser.add_argument(*names.split())
    parser.add_argument("--exclusive", nargs="?", default=False)
    return parser


PARSER = _make_parser()


def split_directive(line: str) -> list[str]:
    """Split the options of a `#SBATCH` line, after which a comment may stand."""
    return list(takewhile(lambda word: not word.startswith("#"), split_words(line)))


def split_words(text: str) -> list[str]:
    """Split options as a shell does; none of those that it could not read."""
    try:
        return shlex.split(text)
    except ValueError:
        return []


def _count(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() else default


def _count_last(text: str | None) -> int:
    """Return the number at the end of `4` or `a100:4`."""
    return _count((text or "").rpartition(":")[2], 0)


def count_gpus(gres: str | None) -> int:
    """Count the GPUs of a list such as `gpu:a100:2(S:0-1),nvme:1`; some versions write `gpu:(null):2`."""
    kinds = re.findall(r"(?:^|,)(?:gres[:/])?gpu((?::(?:\(null\)|[^:,()]+))*)(?=[,(]|$)", gres or "")
    return sum(_count(kind.rpartition(":")[2], 1) for kind in kinds)


def read_memory(text: str | None) -> float:
    """Return the MiB of `4000`, `4G`, `4GiB`; 0 if it is something else, or all that a node has."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)i?B?[cn]?", text or "", re.IGNORECASE)
    return float(match[1]) * UNITS[match[2].upper() or "M"] if match else 0.0

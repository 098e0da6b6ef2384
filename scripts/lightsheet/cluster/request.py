"""What the jobs of one kind ask of SLURM: the options that sbatch will get, and what they mean in cores and bytes."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lightsheet.cluster.rule_options import RULE_OPTIONS
from lightsheet.cluster.sbatch_options import Amounts, read_amounts, read_options, split_directive, split_words
from lightsheet.cluster.section import Section, find_sections_file
from lightsheet.cluster.slurm import OUTER_JOB
from lightsheet.system import format_size

ACCOUNT = "SLURM_JOB_ACCOUNT"
"""Variable of a job of SLURM's that names its account."""

SBATCH_ACCOUNT = "SBATCH_ACCOUNT"
"""Variable by which a person gives all jobs an account; the workers' sbatch gets none of these variables."""

RULE_KEYS = {
    "account": "slurm_account",
    "partition": "slurm_partition",
    "time": "runtime",
    "memory": "mem_mb",
    "cores": "set-threads",
    "gpus": "gres",
    "constraint": "constraint",
    "qos": "qos",
    "other": "slurm_extra",
}
OVERRIDES = {"runtime": "MINUTES", "mem_mb": "MB"}
"""Keys of which a profile's default does not count, as the Snakefile says them of each rule; and their unit."""

DIRECTIVES = "job-extra-directives"
"""The key of options that come last, and so count instead of what other keys say."""

SECTION_KEYS = {
    "account": "account",
    "partition": "queue",
    "time": "walltime",
    "memory": "memory",
    "cores": "cores",
    "gpus": DIRECTIVES,
    "constraint": DIRECTIVES,
    "qos": DIRECTIVES,
    "other": DIRECTIVES,
}
"""The keys that a person changes, by what is wrong with a request."""

OPTIONS = {
    "account": ("account",),
    "partition": ("partition",),
    "time": ("time", "time_min"),
    "memory": ("mem", "mem_per_cpu"),
    "cores": ("cpus_per_task", "ntasks"),
}
"""Options of sbatch for which sections have other keys, by what may be wrong with them."""


@dataclass(frozen=True)
class Request:
    """The jobs of one kind: a rule, or the workers of a section of jobqueue.yaml."""

    owner: str  # `rule ingest`, `workers`
    file: str  # where a person changes the keys
    keys: Mapping[str, str]  # the keys by what is wrong
    words: tuple[str, ...]  # options of sbatch
    is_worker: bool = False
    account_giver: "Request | None" = None  # whose account these jobs have, where they name none

    @cached_property
    def amounts(self) -> Amounts:
        """What the options mean."""
        return read_amounts(self.words)

    def describe(self, kind: str) -> str:
        """Name the key and the file to change; of what each rule says itself, how that is overridden."""
        if kind == "account" and self.account_giver:
            return self.account_giver.describe(kind)
        key = self.keys[kind]
        if unit := OVERRIDES.get(key):
            return f"change `{key}` under `set-resources` in {self.file} (`--set-resources RULE:{key}={unit}`)"
        return f"change `{key}` in {self.file}"


def request_rule(rule: str, file: str, resources: Mapping[str, Any], threads: int) -> Request:
    """Return the request of a rule's jobs, as Snakemake's SLURM plugin would make it.

    Parameters
    ----------
    rule : str, its name
    file : str, the profile, for sentences
    resources : mapping, the rule's resources as far as they are known, by their names
    threads : int, cores of a job
    """
    values = {key: value for key, value in resources.items() if value not in (None, "") and "<TBD>" not in str(value)}
    for key in ("runtime", "mem_mb", "mem_mb_per_cpu"):  # the plugin leaves out a 0
        if str(values.get(key)) == "0":
            del values[key]
    if "slurm_account" in values:  # the plugin takes the first of several
        values["slurm_account"] = re.split(r"[,\s]+", str(values["slurm_account"]).strip())[0]
    if "mem_mb_per_cpu" in values:
        values.pop("mem_mb", None)
    words = [word for key, option in RULE_OPTIONS.items() if key in values for word in (option, str(values[key]))]
    if "mem_mb_per_cpu" in values:
        words += ["--mem-per-cpu", str(values["mem_mb_per_cpu"])]
    cores = int(values.get("cpus_per_task", threads))
    words += ["--ntasks=1"] * ("gpu" not in str(values.get("gres", ""))) + [f"--cpus-per-task={cores}"] * (cores > 0)
    extra = split_words(str(values.get("slurm_extra", "")))
    return Request(f"rule {rule}", file, RULE_KEYS, (*words, *extra))


def request_workers(section: Section, memory: int, cores: int, coordinator: Request | None = None) -> Request:
    """Return the request of a section's workers, as dask-jobqueue would make it.

    Parameters
    ----------
    section : Section, from `read_section`
    memory : int, bytes that a job asks for unless the section says
    cores : int, of a job unless the section says
    coordinator : Request or None, of the job that will submit them; None outside of SLURM
    """
    from dask import config  # imported here because runs without workers in SLURM's jobs need none of it

    keys = config.get(f"jobqueue.{section.name}")
    account = find_account(keys, coordinator)
    mib = -(-(section.memory or memory) // 2**20)
    size = f"{mib}M" if mib < 10 * 1024 else f"{-(-mib // 1024)}G"  # as dask-jobqueue rounds it
    lines = [
        *([f"-p {keys['queue']}"] if keys.get("queue") else []),
        *([f"-A {account}"] if account else []),
        "-n 1",
        f"--cpus-per-task={keys.get('job-cpu') or section.cores or cores}",
        f"--mem={size if keys['job-mem'] is None else keys['job-mem']}",
        f"-t {keys['walltime']}",
    ]
    skip = keys.get("job-directives-skip") or []
    lines = [line for line in lines if not any(word in f"#SBATCH {line}" for word in skip)]
    words, last = ([word for line in part for word in split_directive(line)] for part in (lines, keys[DIRECTIVES]))
    file = f"section {section.name} of {find_sections_file()}"
    names = _name_keys(keys, last)
    giver = None if keys["account"] or names["account"] == DIRECTIVES else coordinator
    return Request("workers", file, names, (*words, *last), is_worker=True, account_giver=giver)


def _name_keys(section: Mapping[str, Any], last: Sequence[str]) -> dict[str, str]:
    """Return the keys of a section that decide, by what may be wrong; `last` are the options of its directives."""
    options = read_options(last)
    return {
        **SECTION_KEYS,
        **({"memory": "job-mem"} if section["job-mem"] is not None else {}),
        **({"cores": "job-cpu"} if section["job-cpu"] else {}),
        **{kind: DIRECTIVES for kind, names in OPTIONS.items() if any(getattr(options, name) for name in names)},
    }


def find_account(keys: Mapping[str, Any], coordinator: Request | None = None) -> str:
    """Return the account of the workers of a section, or else of the job that submits them, as most have one for all.

    Empty: SLURM's default.
    """
    account = keys["account"] or (coordinator.amounts.account if coordinator else "")
    return str(account or os.environ.get(ACCOUNT) or os.environ.get(SBATCH_ACCOUNT) or "")


def request_this_job() -> Request | None:
    """Return the request of the SLURM job in which this process runs, as its variables say; None outside of one."""
    if "SLURM_JOB_ID" not in os.environ:
        return None
    options = {"-p": "SLURM_JOB_PARTITION", "-A": ACCOUNT, "--qos": "SLURM_JOB_QOS"}
    words = [word for option, name in options.items() if name in os.environ for word in (option, os.environ[name])]
    words += [f"--cpus-per-task={os.environ.get('SLURM_CPUS_ON_NODE', 1)}"]
    words += [f"--mem={os.environ.get('SLURM_MEM_PER_NODE', 0)}M"]
    return Request("this job", "", RULE_KEYS, tuple(words))


def choose_environment(environment: Mapping[str, str], is_worker: bool) -> dict[str, str]:
    """Return the variables with which a request's sbatch is called: none that describe the job we may be in.

    The workers' sbatch gets no SBATCH_* either (see `jobqueue`).
    """
    pattern = re.compile(f"{OUTER_JOB}|SINFO_{'|SBATCH_' if is_worker else ''}")
    return {key: value for key, value in environment.items() if not pattern.match(key)}


def names_clusters(requests: Iterable[Request], environment: Mapping[str, str]) -> bool:
    """Tell whether jobs may go to another cluster than the one whose commands are here."""
    clusters = environment.get("SLURM_CLUSTERS", "")
    is_plural = "," in clusters or clusters.lower() == "all"
    return is_plural or "SBATCH_CLUSTERS" in environment or any(request.amounts.clusters for request in requests)


def join_owners(requests: Iterable[Request]) -> str:
    """Name those who make some requests: `rules ingest, consolidate`, `workers`."""
    owners = dict.fromkeys(request.owner for request in requests)
    rules = [owner.removeprefix("rule ") for owner in owners if owner.startswith("rule ")]
    sections = [owner for owner in owners if not owner.startswith("rule ")]
    return ", ".join([*([f"rule{'s' * (len(rules) > 1)} {', '.join(rules)}"] if rules else []), *sections])


def format_amount(kind: str, amount: float) -> str:
    """Write an amount of cores, memory (MiB) or GPUs."""
    if kind == "memory":
        return f"{format_size(amount * 2**20)} of memory"
    name = {"cores": "core", "gpus": "GPU"}[kind]
    return f"{amount:.0f} {name}{'s' * (amount != 1)}"

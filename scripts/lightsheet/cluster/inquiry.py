"""Ask SLURM before a run whether its jobs can start: what cannot ends the run, what is doubtful is said."""

import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from lightsheet.cluster.limits import Accounting
from lightsheet.cluster.questions import COMMANDS, Answer, ask_site, shorten, try_requests
from lightsheet.cluster.request import SBATCH_ACCOUNT, Request, format_amount, join_owners
from lightsheet.cluster.room import Team, find_room, has_node_for, list_limits
from lightsheet.cluster.site import Partition, Site
from lightsheet.cluster.survey import read_survey
from lightsheet.system import format_duration, write_number

REFUSALS = {
    "partition": "Invalid partition name|invalid partition specified|No partition specified|group not permitted",
    "account": "Invalid account",
    "qos": "Invalid qos",
    "constraint": "Invalid feature specification",
    "time": "Invalid --time|time limit is invalid|(QOS|Assoc)MaxWall",
    "gpus": "Invalid generic resource|Invalid GRES|(QOS|Assoc)(Max|Grp)GRES(?!Min|Run)",
    "memory": "Invalid --mem|Memory required by task is not available|(QOS|Assoc)(Max|Grp)Mem(?!Min|Run)",
    "cores": "More processors requested|CPU count specification invalid|(QOS|Assoc)(Max|Grp)Cpu(?!Min|Run)",
    "other": "reservation is invalid|Access denied to requested reservation|Invalid license specification"
    "|unrecognized option|requires an argument|Invalid --",
}
"""What sbatch says of a request that it will never take, by what is wrong.

A maintenance, a busy controller, a budget that is used up, and too many jobs in the queue pass; what a site's own
filter says, nobody can know.
"""

HARMLESS = {"SBATCH_OPEN_MODE"}
"""Variables of sbatch by which no job starts sooner or elsewhere; Snakemake's jobs have this one from us."""

TOO_LARGE = re.compile("Requested node configuration is not available|Requested partition configuration")
"""It says so as well while nodes are reserved or down."""


class Inquiry(NamedTuple):
    """What SLURM says of a run before its first job."""

    refusals: list[str]  # why it cannot run
    remarks: list[str]  # what a person should know
    doubts: list[str]  # what could not be asked
    workers: float  # the most at a time; infinite where it is not known
    jobs: float = math.inf  # the most that the user may have in the queue, running or waiting; likewise


SUBJECTS = {
    "sinfo": "its nodes",
    "scontrol": "its partitions",
    "sacctmgr": "the limits of your account",
    "sbatch": "whether it would take the jobs",
}


def ask_slurm(requests: Sequence[Request], team: Team | None, answers: Mapping[str, Answer] | None = None) -> Inquiry:
    """Ask SLURM about a run's jobs; it takes some seconds at most, and submits none.

    Parameters
    ----------
    requests : sequence of Request, one for each kind of job, the workers' included
    team : Team or None, the coordinators and their workers, if these are SLURM jobs
    answers : mapping or None, from `ask_site`, if it has been asked already
    """
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(try_requests, requests)
        answers, trials = answers or ask_site(), future.result()
    answers, site, accounting = read_survey(answers, requests)
    variables = {name for name in os.environ if name.startswith("SBATCH_")} - HARMLESS
    is_certain = not (site.changes_jobs or variables)
    faults, doubts = _Sentences(), _Sentences()
    for request, trial in zip(requests, trials, strict=True):
        fault = _find_fault(request, trial, site, accounting)
        if fault and (is_certain or (trial.code and _find_kind(trial))):
            faults.add(fault, request)
        elif fault:
            doubts.add(f"unless this site or a variable SBATCH_* changes them, {fault}", request)
        elif trial.code:
            doubts.add(f"sbatch would not take jobs now ({shorten(trial.errors)}); that may pass", request)
    silence = _describe_silence(answers, trials, site)
    places = [partition.name for request in requests for partition in site.list_partitions(request.amounts)]
    is_moved = any(trial.partition not in {"", *places} for trial in trials)
    if is_moved:  # a site that chooses partitions itself cannot be foreseen
        return Inquiry(faults.format(), doubts.format(), silence, math.inf)
    limits = [limit for request in requests for limit in list_limits(site, accounting, request)]
    jobs = min((limit.amount for limit in limits if limit.kind == "submitted jobs"), default=math.inf)
    if not team or faults:
        return Inquiry(faults.format(), doubts.format(), silence, math.inf, jobs)
    refusals, remarks, workers = _judge_room(site, accounting, team, is_certain)
    return Inquiry(refusals, [*doubts.format(), *remarks], silence, workers, jobs)


class _Sentences(dict[str, list[Request]]):
    """Sentences, and whose requests each is about."""

    def add(self, sentence: str, request: Request) -> None:
        self.setdefault(sentence, []).append(request)

    def format(self) -> list[str]:
        return [f"{sentence} ({join_owners(requests)})" for sentence, requests in self.items()]


def _find_fault(request: Request, trial: Answer, site: Site, accounting: Accounting) -> str:
    """Say why jobs of a request can never run; nothing unless that is certain."""
    amounts, words = request.amounts, shorten(trial.errors)
    if trial.code == 0:
        partitions = [site.partitions[trial.partition]] if trial.partition in site.partitions else []
        if trial.partition in amounts.partitions:  # a job that names several waits for any of them
            partitions = site.list_partitions(amounts)
        return _find_excess_time(request, partitions, accounting) or _find_ban(request, partitions, accounting)
    if trial.code is None:
        return ""
    kind = _find_kind(trial)
    if kind == "partition" and (missing := [name for name in amounts.partitions if name not in site.partitions]):
        has = f"; it has {', '.join(sorted(site.partitions))}" if site.partitions else ""
        return f"SLURM has no partition {_quote(missing)}: {request.describe(kind)}{has}"
    if kind == "account":
        owner = f"of account {_quote([amounts.account])}" if amounts.account else "that name no account"
        alternatives = f"; yours: {', '.join(accounting.names)}" if accounting.names else ""
        return f"SLURM takes no jobs {owner} from you here: {request.describe(kind)}{alternatives}"
    sentence, partitions = "", site.list_partitions(amounts)
    if kind == "time" or TOO_LARGE.search(words):
        sentence = _find_excess_time(request, partitions, accounting) or _find_excess_size(request, partitions)
    if kind and not sentence:
        return f"SLURM refuses the jobs ({words}): {request.describe(kind)}"
    return sentence


def _find_kind(trial: Answer) -> str:
    """Return what is wrong with a request that sbatch will never take; nothing if it does not say so."""
    words = shorten(trial.errors)
    return next((kind for kind, pattern in REFUSALS.items() if re.search(pattern, words)), "")


def _find_excess_time(request: Request, partitions: Sequence[Partition], accounting: Accounting) -> str:
    """Say that jobs are longer than their partition allows: sbatch may take them, and they wait for ever."""
    seconds = request.amounts.seconds
    limit = max((partition.limit for partition in partitions), default=math.inf)
    if accounting.may_exceed_time or seconds <= limit:
        return ""
    names = _quote([partition.name for partition in partitions])
    return (
        f"jobs that may take longer than the {format_duration(limit)} of partition {names} can never start: "
        f"{request.describe('time')}"
    )


def _find_ban(request: Request, partitions: Sequence[Partition], accounting: Accounting) -> str:
    """Say that a partition is not for jobs of their account: sbatch may take them, and they wait for ever."""
    account = request.amounts.account or os.environ.get(SBATCH_ACCOUNT) or accounting.default_account
    lineage = accounting.list_lineage(account)  # newer versions let in those below an account
    if not (accounting.default_account and partitions) or any(partition.admits(lineage) for partition in partitions):
        return ""
    allowed = sorted({name for partition in partitions for name in partition.accounts})
    welcome = f" (it takes those of {', '.join(allowed)})" if allowed else ""
    return (
        f"jobs of account `{account}` can never start in partition {_quote(p.name for p in partitions)}{welcome}: "
        f"{request.describe('account')}; yours: {', '.join(accounting.names)}"
    )


def _find_excess_size(request: Request, partitions: Sequence[Partition]) -> str:
    """Say that jobs are larger than any node of their partition, if that is why sbatch refuses them."""
    names = _quote([partition.name for partition in partitions])
    for kind in ("cores", "gpus", "memory"):
        amount = getattr(request.amounts, kind)
        largest = max((partition.find_most(kind) for partition in partitions), default=math.inf)
        if amount > largest:
            return (
                f"a job that wants {format_amount(kind, amount)} can never start, as the largest node of partition "
                f"{names} has {format_amount(kind, largest)}: {request.describe(kind)}"
            )
    return ""


def _judge_room(site: Site, accounting: Accounting, team: Team, is_certain: bool) -> tuple[list[str], list[str], float]:
    """Say why the workers cannot run beside their coordinators, or may not; and how many can at a time."""
    single = team._replace(coordinators=min(1, team.coordinators))
    single_room = find_room(site, accounting, single)
    is_certain = is_certain and has_node_for(site, team)  # else sbatch, which took such a job, knows more of nodes
    worker = f"worker of {_describe_size(team.worker)}"
    if single_room.workers < 1:
        beside = f" beside its coordinator of {_describe_size(team.coordinator)}" if team.coordinator else ""
        remedy = "use an account or QOS that allows more"
        if single_room.kind == "cores" and team.worker.amounts.cores == 1:
            remedy = "use a partition, an account or a QOS that allows more"
        elif not single_room.kind.endswith("jobs"):
            remedy = team.worker.describe(single_room.kind)
        sentence = (
            f"no {worker} can run{beside}: {single_room.cause} leaves no room; {remedy}, or set dask_cluster: local in "
            "the profile, which needs no jobs for workers"
        )
        return ([sentence], [], 0) if is_certain and single_room.is_certain else ([], [sentence], 0)
    room = find_room(site, accounting, team, is_worst=True)
    if room.workers < 1:
        number = write_number(team.coordinators, "`deconvolve` job")
        sentence = (
            f"{number} at a time may wait for workers for ever: {room.cause} may leave no room for a {worker} beside "
            f"them; {team.worker.describe('cores')}, or have fewer at a time (`--resources coordinators=1`)"
        )
        return [], [sentence], 0
    usable = find_room(site, accounting, team, only_usable=True)
    if usable.workers < 1:
        return [], [f"no {worker} can start at this moment: nodes of its partition are down or drained"], 0
    return [], [], usable.workers


def _describe_size(request: Request) -> str:
    """Write what a job takes of a node: `8 cores, 2.1 GB of memory`."""
    kinds = [kind for kind in ("cores", "memory", "gpus") if getattr(request.amounts, kind)]
    return ", ".join(format_amount(kind, getattr(request.amounts, kind)) for kind in kinds)


def _describe_silence(answers: Mapping[str, Answer], trials: Iterable[Answer], site: Site) -> list[str]:
    """Say in a sentence what could not be asked, and why."""
    silent = [(COMMANDS[name][0], answer) for name, answer in answers.items()]
    if "none" in site.settings.get("AccountingStorageType", ""):  # then there are no limits
        silent = [(name, answer) for name, answer in silent if name != "sacctmgr"]
    silent += [("sbatch", answer) for answer in trials if answer.code is None]
    reasons: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for name, answer in silent if answer.code != 0):
        answer = next(answer for command, answer in silent if command == name and answer.code != 0)
        reason = answer.text if answer.code is None else shorten(answer.errors)
        reasons.setdefault(" ".join(reason.split()), []).append(name)
    parts = [
        f"{', '.join(SUBJECTS[name] for name in names)} ({', '.join(names)}: {reason})"
        for reason, names in reasons.items()
    ]
    return [f"SLURM could not be asked about {'; '.join(parts)}"] if parts else []


def _quote(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)

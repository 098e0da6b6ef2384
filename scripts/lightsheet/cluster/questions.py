"""Questions to SLURM's commands before a run: all at once, each for some seconds at most, and none needs a job."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from lightsheet.cluster.request import Request, choose_environment
from lightsheet.system import name_user

SECONDS = 6.0
"""Time that an answer is waited for: a controller may be busy, and the run shall begin."""

ASSOCIATION = "Cluster,Account,User,Partition,ParentName,MaxJobs,MaxSubmit,GrpJobs,GrpSubmit,GrpTRES,QOS,DefaultQOS"
QOS = "Name,MaxJobsPU,MaxSubmitPU,MaxTRESPU,GrpJobs,GrpSubmit,GrpTRES,Flags"
_SACCTMGR = ("sacctmgr", "--noheader", "--parsable2", "show")

NODE = "Partition Available Time Nodes CPUs Memory Gres StateLong CPUsState AllocMem GresUsed SocketCoreThread"

COMMANDS = {
    "nodes": ("sinfo", "--noheader", "--exact", "--Node", f"--Format={','.join(f'{word}:|' for word in NODE.split())}"),
    "partitions": ("scontrol", "--oneliner", "show", "partition"),
    "settings": ("scontrol", "show", "config"),
    "user": (*_SACCTMGR, "user", "{user}", "format=DefaultAccount"),
    "associations": (*_SACCTMGR, "assoc", "where", "user={user}", f"format={ASSOCIATION}"),
    "accounts": (*_SACCTMGR, "assoc", "where", "user=", f"format={ASSOCIATION}"),
    "qos": (*_SACCTMGR, "qos", f"format={QOS}"),
}


class Answer(NamedTuple):
    """What a command printed; `code` is None if there was no answer, and `text` is why."""

    code: int | None
    text: str
    errors: str = ""

    @property
    def partition(self) -> str:
        """The partition in which sbatch would start a job: a site may choose another than the one asked for."""
        return next(iter(re.findall(r" to start at .* in partition (\S+)$", self.errors, re.MULTILINE)), "")


def ask_site() -> dict[str, Answer]:
    """Ask for nodes and partitions, and for the limits of this user."""
    user = name_user()
    commands = {name: [word.format(user=user) for word in words] for name, words in COMMANDS.items()}
    environment = choose_environment(os.environ, is_worker=False)
    with ThreadPoolExecutor(len(commands)) as pool:
        answers = pool.map(lambda command: _call(command, environment), commands.values())
    return dict(zip(commands, answers, strict=True))


def try_requests(requests: Sequence[Request]) -> list[Answer]:
    """Ask sbatch whether it would take jobs, without submitting any; requests that are alike are one question."""
    questions = dict.fromkeys((request.words, request.is_worker) for request in requests)
    with ThreadPoolExecutor(max(1, len(questions))) as pool:
        answers = dict(zip(questions, pool.map(lambda question: _try(*question), questions), strict=True))
    return [answers[request.words, request.is_worker] for request in requests]


def _try(words: Sequence[str], is_worker: bool) -> Answer:
    command = ("sbatch", "--test-only", "--output=/dev/null", *words)
    return _call(command, choose_environment(os.environ, is_worker), "#!/bin/sh\nexit 0\n")


def _call(command: Sequence[str], environment: Mapping[str, str], script: str = "") -> Answer:
    try:
        process = subprocess.run(
            command,
            input=script,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except FileNotFoundError:
        return Answer(None, "there is no such command here")
    except subprocess.TimeoutExpired:
        return Answer(None, f"no answer in {SECONDS:.0f} s")
    except OSError as error:
        return Answer(None, error.strerror or str(error))
    return Answer(process.returncode, process.stdout, process.stderr)


def shorten(errors: str) -> str:
    """Return what a command says of its failure, without banners, in one line."""
    lines = re.findall(r"^(?:\w+: error|allocation failure): (.*)", errors, re.MULTILINE) or errors.split("\n")[-4:]
    words = dict.fromkeys(line.strip() for line in lines if line.strip())
    if len(words) > 1:  # then SLURM has said which
        words = {word: None for word in words if not word.startswith("Job violates accounting/QOS policy")}
    return ": ".join(words)[:300]

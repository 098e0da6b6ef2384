"""Limits of a user's account and QOS on the jobs that run or wait at a time, as SLURM's accounting knows them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from lightsheet.cluster.questions import ASSOCIATION, QOS, Answer
from lightsheet.cluster.sbatch_options import Amounts, read_memory
from lightsheet.cluster.site import Site

Row = dict[str, str]

COUNTS = {
    "QOS": {"jobs": ("MaxJobsPU", "GrpJobs"), "submitted jobs": ("MaxSubmitPU", "GrpSubmit")},
    "account": {"jobs": ("MaxJobs", "GrpJobs"), "submitted jobs": ("MaxSubmit", "GrpSubmit")},
}
RESOURCES = {"QOS": ("MaxTRESPU", "GrpTRES"), "account": ("GrpTRES",)}
TRES = {"cores": "cpu", "memory": "mem", "gpus": "gres/gpu"}
"""SLURM's names of what can be limited."""


class Limit(NamedTuple):
    """So much of something may the jobs have at a time that come under a QOS or an association."""

    kind: str  # jobs, submitted jobs, cores, memory (MiB), gpus
    amount: float
    name: str  # `MaxJobs of account lab`
    key: str  # the same for two jobs that share the limit


@dataclass
class Accounting:
    """What sacctmgr says; empty where it says nothing, or SLURM enforces no limits."""

    default_account: str
    user: list[Row]
    accounts: dict[str, Row]
    qos: dict[str, Row]
    may_exceed_time: bool = True  # whether a QOS may allow more time than the partition does

    @property
    def names(self) -> list[str]:
        """The user's accounts."""
        return sorted({row["Account"] for row in self.user})

    def list_lineage(self, account: str) -> list[str]:
        """Return an account and those above it, in small letters."""
        names = [account.lower()]
        while (row := self.accounts.get(names[-1])) and (parent := row["ParentName"].lower()) not in {"", *names}:
            names.append(parent)
        return names

    def list_limits(self, amounts: Amounts, partition_qos: str) -> list[Limit]:
        """Return the limits that bear on a job: of partition QOS, QOS, user, account and its parents the first each."""
        limits: dict[str, Limit] = {}
        for title, name, row in self._list_sources(amounts, partition_qos):
            for field, kind, amount in _read_row("QOS" if title == "QOS" else "account", row):
                key = f"{'Max' if field.startswith('Max') else 'Grp'} {kind}"
                limits.setdefault(key, Limit(kind, amount, f"{field} of {title} {name}", f"{title} {name} {key}"))
        return list(limits.values())

    def _list_sources(self, amounts: Amounts, partition_qos: str) -> Iterator[tuple[str, str, Row]]:
        account, *parents = self.list_lineage(amounts.account or self.default_account)
        rows = [row for row in self.user if row["Account"].lower() == account]
        rows = [row for row in rows if row["Partition"] in {"", *amounts.partitions}]
        row = max(rows, key=lambda row: len(row["Partition"]), default={})
        job_qos = amounts.qos or _choose_qos(row)
        names = (partition_qos, job_qos)
        if "OverPartQOS" in self.qos.get(job_qos, {}).get("Flags", ""):
            names = (job_qos, partition_qos)
        for name in dict.fromkeys(names):
            if name in self.qos:
                yield "QOS", name, self.qos[name]
        if row:
            yield "user", f"{row['User']} in account {account}", row
        for name in (account, *parents):
            if name in self.accounts:
                yield "account", name, {**self.accounts[name], "MaxJobs": "", "MaxSubmit": ""}  # those are of each user


def _choose_qos(row: Row) -> str:
    """Return the QOS of jobs that name none: the default, the only one, or SLURM's own."""
    if name := row.get("DefaultQOS", ""):
        return name
    names = row.get("QOS", "").split(",")
    return names[0] if len(names) == 1 and names[0] else "normal"


def read_accounting(answers: Mapping[str, Answer], site: Site) -> Accounting:
    """Make sense of what sacctmgr printed; lines that are none of its rows are passed over."""
    has_limits = {"limits", "all"} & {*site.settings.get("AccountingStorageEnforce", "").lower().split(",")}
    cluster = site.settings.get("ClusterName", "")
    rows = {
        name: [row for row in _read_rows(answers[name], ASSOCIATION) if row["Cluster"] == cluster]
        for name in ("associations", "accounts")
    }
    defaults = re.findall(r"^\S+$", answers["user"].text, re.MULTILINE) if answers["user"].code == 0 else []
    qos = {row["Name"]: row for row in _read_rows(answers["qos"], QOS)}
    is_known = answers["qos"].code == 0 or "none" in site.settings.get("AccountingStorageType", "")
    may_exceed_time = not is_known or any("PartitionTimeLimit" in row["Flags"] for row in qos.values())
    if not has_limits:
        return Accounting("", rows["associations"], {}, {}, may_exceed_time)
    return Accounting(
        defaults[-1] if defaults else "",
        rows["associations"],
        {row["Account"].lower(): row for row in rows["accounts"] if not row["User"]},
        qos,
        may_exceed_time,
    )


def _read_rows(answer: Answer, columns: str) -> list[Row]:
    names = columns.split(",")
    lines = [line.split("|") for line in answer.text.split("\n")] if answer.code == 0 else []
    return [dict(zip(names, line, strict=True)) for line in lines if len(line) == len(names)]


def _read_row(title: str, row: Row) -> Iterator[tuple[str, str, float]]:
    """Yield the limits of an association or a QOS: the field's name, the kind and the amount."""
    for kind, fields in COUNTS[title].items():
        for field in fields:
            if row.get(field, "").isdecimal():
                yield field, kind, float(row[field])
    for field in RESOURCES[title]:
        amounts = dict(re.findall(r"([^=,]+)=([^,]+)", row.get(field, "")))
        for kind, name in TRES.items():
            text = amounts.get(name, "")
            if kind == "memory" and read_memory(text):
                yield f"{field}={name}", kind, read_memory(text)
            elif kind != "memory" and text.isdecimal():
                yield f"{field}={name}", kind, float(text)

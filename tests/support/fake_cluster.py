"""A SLURM whose commands answer with texts."""

from pathlib import Path

from tests.support.fake_commands import command

SINFO = "cpu*|up|1-00:00:00|1|8|16000|(null)|idle\ncpu*|up|1-00:00:00|1|4|8000|(null)|mixed\n"
SINFO += "gpu|up|infinite|1|8|16000|gpu:a100:2(S:0)|idle\n"
PARTITIONS = "PartitionName=cpu QoS=N/A OverSubscribe=NO MaxTime=1-00:00:00\nPartitionName=gpu OverSubscribe=NO\n"
SETTINGS = """Configuration data as of 2026-11-28T22:11:50
AccountingStorageEnforce = associations,limits
AccountingStorageType   = accounting_storage/slurmdbd
ClusterName             = mini
SelectType              = select/cons_tres
SelectTypeParameters    = CR_CORE_MEMORY
"""
USER = "mini|lab|me|||||||||\nother|lab|me|||1||||||\n"
ACCOUNTS = "mini|root||||||||||\nmini|lab|||root|||||cpu=64||\n"
QOS = "normal|||||||\nnight|20|||||cpu=100|DenyOnLimit\n"


def accept(partition: str = "cpu") -> str:
    """Return the script of an sbatch that takes each job."""
    start = f"sbatch: Job 7 to start at 2026-11-28T22:11:50 using 1 processors on nodes c1 in partition {partition}"
    return f"echo '{start}' >&2"


def write_cluster(folder: Path, sbatch: str = accept(), **texts: str) -> None:
    """Write commands that answer as a cluster of two nodes in `cpu` and one in `gpu` would."""
    texts = {"nodes": SINFO, "partitions": PARTITIONS, "settings": SETTINGS, **texts}
    texts = {"user": "lab\n", "associations": USER, "accounts": ACCOUNTS, "qos": QOS, **texts}
    for name, text in texts.items():
        (folder / name).write_text(text)
    command(folder, "sinfo", f"cat {folder}/nodes")
    command(folder, "scontrol", f'case "$*" in *config*) cat {folder}/settings;; *) cat {folder}/partitions;; esac')
    branches = "*user=me*|*user=root*) cat associations;; *user=*) cat accounts;; *qos*) cat qos;; *) cat user;;"
    command(folder, "sacctmgr", f'cd {folder}; case "$*" in *show?user*) cat user;; {branches} esac')
    command(folder, "sbatch", f'echo "$*" >> {folder}/trials; {sbatch}')


def refuse(words: str) -> str:
    """Return the script of an sbatch that takes no job."""
    return f"echo 'Welcome to Stampede3: error'; echo '{words}' >&2; exit 1"

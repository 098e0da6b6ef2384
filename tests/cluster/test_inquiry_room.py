"""Whether the limits of accounts, and the nodes, leave room for workers beside their coordinators."""

import math
from pathlib import Path

import pytest

from lightsheet.cluster.inquiry import Inquiry
from tests.support.cpu_time import takes_less
from tests.support.fake_cluster import ACCOUNTS, PARTITIONS, QOS, SETTINGS, SINFO, USER, accept, refuse, write_cluster
from tests.support.families import parametrize
from tests.support.inquiries import ask, rule, worker


@parametrize(
    ("user", "accounts", "qos", "cause"),
    [
        ("mini|lab|me|||1||||||", ACCOUNTS, QOS, "MaxJobs of user me in account lab (1 job)"),
        ("mini|lab|me||||||||night|", ACCOUNTS, "night|||cpu=4||||", "MaxTRESPU=cpu of QOS night (4 cores)"),
        ("mini|lab|me||||1|||||", ACCOUNTS, QOS, "MaxSubmit of user me in account lab (1 submitted job)"),
        (USER, "mini|lab|||root|||||cpu=4||", QOS, "GrpTRES=cpu of account lab (4 cores)"),
        (USER, "mini|lab|||top|||||||\nmini|top||||||||cpu=4||", QOS, "GrpTRES=cpu of account top (4 cores)"),
        (USER, ACCOUNTS, "normal|1||||||", "MaxJobsPU of QOS normal (1 job)"),
        (USER, ACCOUNTS, "normal|||mem=1500M||||", "MaxTRESPU=mem of QOS normal (1.6 GB of memory)"),
        (
            "mini|lab|me||||||||normal,night|night",
            ACCOUNTS,
            "normal|||||||\nnight|||cpu=4||||",
            "MaxTRESPU=cpu of QOS night (4 cores)",
        ),
    ],
    quick=3,
)
def test_a_limit_without_room_for_a_worker_beside_its_coordinator(
    commands: Path, user: str, accounts: str, qos: str, cause: str
) -> None:
    texts = {"associations": f"{user}\n", "accounts": f"{accounts}\n", "qos": f"{qos}\n"}
    write_cluster(commands, **texts)
    (sentence,) = ask(rule("deconvolve"), worker(4)).refusals
    assert f"can run beside its coordinator of 1 core, 1.0 GB of memory: {cause} leaves no room" in sentence
    write_cluster(commands, **texts, settings=SETTINGS.replace("associations,limits", "none"))
    assert ask(rule("deconvolve"), worker(4)).refusals == [], "nobody enforces it"


def test_a_limit_of_the_qos_stands_before_that_of_the_account(commands: Path) -> None:
    write_cluster(commands, associations="mini|lab|me|||1||||||\n", qos="normal|9||||||\n")
    assert ask(rule("deconvolve"), worker(4)) == Inquiry([], [], [], 2)


def test_a_site_that_chooses_partitions_itself_is_not_foreseen(commands: Path) -> None:
    write_cluster(commands, accept("gpu"))
    assert ask(rule("deconvolve", runtime="2880"), worker(8)) == Inquiry([], [], [], math.inf)


def test_a_partitions_qos_stands_before_the_jobs_unless_this_says_otherwise(commands: Path) -> None:
    partitions = PARTITIONS.replace("QoS=N/A", "QoS=part")
    write_cluster(commands, partitions=partitions, qos="normal|9||||||\npart|4||||||\n")
    assert ask(rule("deconvolve"), worker(1)).workers == 3
    write_cluster(commands, partitions=partitions, qos="normal|9||||||OverPartQOS\npart|4||||||\n")
    assert ask(rule("deconvolve"), worker(1)).workers == 8


def test_one_node_has_no_room_for_a_worker_of_its_size_beside_a_coordinator(commands: Path) -> None:
    one = "cpu*|up|infinite|1|8|16000|(null)|idle\n"
    write_cluster(commands, nodes=one)
    (sentence,) = ask(rule("deconvolve"), worker(8)).refusals
    assert (
        "partition cpu (1 node of 8 cores) leaves no room; change `cores` in section cpu of jobqueue.yaml" in sentence
    )
    assert ask(rule("deconvolve"), worker(7)) == Inquiry([], [], [], 1)
    assert ask(rule("deconvolve", slurm_partition="gpu"), worker(8)).workers == 1, "the coordinator is elsewhere"
    write_cluster(commands, nodes=one, partitions=PARTITIONS.replace("OverSubscribe=NO", "OverSubscribe=FORCE:4"))
    answer = ask(rule("deconvolve"), worker(8))
    assert not answer.refusals, "jobs may share cores"
    assert len(answer.remarks) == 1


def test_coordinators_that_may_leave_no_room_are_said(commands: Path) -> None:
    write_cluster(commands)
    answer = ask(rule("deconvolve"), worker(4), coordinators=12)
    assert not answer.refusals
    assert answer.remarks[0].startswith("12 `deconvolve` jobs at a time may wait for workers for ever: partition cpu ")
    assert ask(rule("deconvolve"), worker(4), coordinators=2) == Inquiry([], [], [], 2)
    assert ask(rule("deconvolve"), worker(4), coordinators=6).remarks, "five on one node, and one on the other"
    assert ask(rule("deconvolve"), worker(8)).remarks[0].startswith("1 `deconvolve` job at a time"), "on the large node"


def test_nodes_that_are_down_count_for_what_may_be_and_not_for_what_is(commands: Path) -> None:
    write_cluster(commands, nodes=SINFO.replace("idle", "drained").replace("mixed", "down*"))
    answer = ask(rule("deconvolve"), worker(4))
    assert (answer.refusals, answer.workers) == ([], 0)
    assert "nodes of its partition are down or drained" in answer.remarks[0]


def test_whole_nodes_have_room_for_one_job_each(commands: Path) -> None:
    write_cluster(commands, partitions=PARTITIONS.replace("OverSubscribe=NO", "OverSubscribe=EXCLUSIVE"))
    assert ask(rule("deconvolve"), worker(2)).workers == 1
    write_cluster(commands, settings=SETTINGS.replace("cons_tres", "linear"))
    assert ask(rule("deconvolve"), worker(2)).workers == 1


def test_nodes_that_sinfo_hides_may_be_large(commands: Path) -> None:
    """As it does of a cloud's nodes that are powered down, unless `PrivateData` says otherwise."""
    small = "cpu*|up|infinite|1|2|8000|(null)|idle\n"
    hidden = PARTITIONS.replace("PartitionName=cpu", "PartitionName=cpu TotalCPUs=66 TotalNodes=3")
    for nodes in (small, "cpu*|up|infinite|0|0|0||n/a\n"):
        write_cluster(commands, nodes=nodes, partitions=hidden)
        assert ask(rule("deconvolve"), worker(16)) == Inquiry([], [], [], 3), "of the account's 64 cores"
    write_cluster(commands, refuse("allocation failure: Requested node configuration is not available"), nodes=small)
    assert ask(rule(cores=16)).refusals
    (commands / "partitions").write_text(hidden)
    assert not ask(rule(cores=16)).refusals


def test_how_logs_are_opened_is_no_reason_to_doubt(commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBATCH_OPEN_MODE", "append")
    write_cluster(commands, qos="normal|1||||||\n")
    answer = ask(rule("deconvolve"), worker(4))
    assert len(answer.refusals) == 1
    assert "leaves no room" in answer.refusals[0]


def test_sbatch_knows_more_of_nodes_than_sinfo_prints(commands: Path) -> None:
    write_cluster(commands)
    answer = ask(rule("deconvolve"), worker(2, "--gres=gpu:1"))
    assert answer.refusals == [], "it took the job"
    assert len(answer.remarks) == 1


def test_a_cluster_of_thousands_of_nodes(commands: Path) -> None:
    nodes = "".join(f"cpu*|up|infinite|1000|{cores}|256000|(null)|idle\n" for cores in (48, 64, 96, 128, 192))
    write_cluster(commands, nodes=nodes, accounts="")
    assert ask(rule("deconvolve"), worker(8), coordinators=500).workers > 60_000
    assert takes_less(3, lambda: ask(rule("deconvolve"), worker(8), coordinators=500))

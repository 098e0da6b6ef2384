"""Accounts whose jobs a partition does not take, or that a site wants named."""

import math
from pathlib import Path

import pytest

from lightsheet.cluster.inquiry import Inquiry
from tests.support.fake_cluster import ACCOUNTS, PARTITIONS, SETTINGS, USER, refuse, write_cluster
from tests.support.families import parametrize
from tests.support.inquiries import ask, rule, worker


@parametrize(
    ("limit", "account", "is_refused"),
    [
        ("AllowAccounts=ALL", "", False),
        ("AllowAccounts=rich,dept", "", True),
        ("AllowAccounts=rich,dept", "guest", True),
        ("AllowAccounts=rich,dept", "RICH", False),
        ("AllowAccounts=lab", "guest", True),
        ("AllowAccounts=top", "guest", False),  # newer versions let in what is below an account
        ("DenyAccounts=lab,poor", "", True),
        ("DenyAccounts=lab,poor", "rich", False),
    ],
    quick=3,
)
def test_a_partition_that_is_not_for_an_account_lets_its_jobs_wait_for_ever(
    commands: Path, limit: str, account: str, is_refused: bool
) -> None:
    """SLURM takes the jobs nevertheless, unless EnforcePartLimits says otherwise."""
    partitions = PARTITIONS.replace("PartitionName=cpu", f"PartitionName=cpu {limit}")
    user = USER + "mini|guest|me|||||||||\n"
    write_cluster(commands, partitions=partitions, associations=user, accounts=ACCOUNTS + "mini|guest|||top|||||||\n")
    request_ = rule(slurm_account=account)
    refusals = ask(request_).refusals
    assert bool(refusals) == is_refused
    if limit.endswith("dept") and not account:
        assert refusals == [
            "jobs of account `lab` can never start in partition `cpu` (it takes those of dept, rich): change "
            "`slurm_account` in config.yaml; yours: guest, lab (rule ingest)"
        ]
    write_cluster(commands, partitions=partitions, settings=SETTINGS.replace("associations,limits", "none"))
    assert ask(request_).refusals == [], "nobody heeds accounts there"


def test_an_account_for_all_of_sbatchs_jobs_counts_in_place_of_the_default(
    commands: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cluster(commands, partitions=PARTITIONS.replace("PartitionName=cpu", "PartitionName=cpu AllowAccounts=guest"))
    monkeypatch.setenv("SBATCH_ACCOUNT", "guest")
    assert ask(rule()) == Inquiry([], [], [], math.inf)
    monkeypatch.setenv("SBATCH_ACCOUNT", "lab")
    assert "jobs of account `lab` can never start" in ask(rule()).remarks[0]


def test_jobs_that_name_no_account_where_slurm_wants_one(commands: Path) -> None:
    write_cluster(commands, refuse("allocation failure: Invalid account or account/partition combination specified"))
    (commands / "associations").write_text("mini|lab|me|||||||||\nmini|rich|me|||||||||\n")
    sentence = "SLURM takes no jobs that name no account from you here: change `slurm_account` in config.yaml; yours: "
    assert ask(rule()).refusals == [f"{sentence}lab, rich (rule ingest)"]
    assert ask(worker(1)).refusals

"""How many cores a worker gets: on whatever cluster one can run, and few cores stay unused."""

import math
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from lightsheet.cluster.fit import LEAST_SHARE, MOST_CORES, Bounds, fit_cores
from lightsheet.cluster.questions import Answer, ask_site
from lightsheet.cluster.request import request_rule
from lightsheet.cluster.room import Job, count_fits
from lightsheet.cluster.section import Section, read_section
from lightsheet.cluster.site import Node
from lightsheet.cluster.survey import Fit, find_most_cores, fit_workers
from tests.support.fake_cluster import PARTITIONS, SETTINGS, USER, write_cluster
from tests.support.families import parametrize

GIB = 2**30
COORDINATOR = request_rule("deconvolve", "config.yaml", {"slurm_partition": "cpu", "mem_mb": "1000"}, 1)


def nodes_of(*cores: int) -> list[Node]:
    return [Node(number, math.inf, 0) for number in cores]


def make_worker(memory: float = 0, whole: bool = False, threads: int = 1) -> object:
    return lambda cores: Job(Node(-(-cores // threads) * threads, memory, 0), whole)


@pytest.mark.parametrize(
    ("idle", "cores"),
    [
        ([7, 8], 7),
        ([7], 7),
        ([8], 8),
        ([3, 4], 3),
        ([1, 2], 1),
        ([1], 1),
        ([64], 8),
        ([12], 6),
        ([11, 12], 6),  # 16 of 23, and 14 of 23, are too few
        ([2, 2, 2, 40], 8),
        ([], 0),
    ],
)
def test_at_most_a_quarter_of_the_cores_stays_unused(idle: list[int], cores: int) -> None:
    assert fit_cores(nodes_of(*idle), make_worker(), Bounds()) == cores  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bounds", "cores"),
    [
        (Bounds(workers=1), 8),
        (Bounds(workers=2), 7),
        (Bounds(cores=3), 3),
        (Bounds(cores=11), 5),
        (Bounds(workers=1, cores=1), 1),
    ],
)
def test_limits_and_few_volumes_count(bounds: Bounds, cores: int) -> None:
    assert fit_cores(nodes_of(7, 8), make_worker(), bounds) == cores  # type: ignore[arg-type]


def test_cores_that_memory_leaves_unused_do_not_make_workers_smaller() -> None:
    assert fit_cores([Node(32, 10, 0)], make_worker(memory=6), Bounds()) == MOST_CORES  # type: ignore[arg-type]
    assert fit_cores([Node(12, 12, 0)], make_worker(memory=6), Bounds()) == 6  # type: ignore[arg-type]


def test_a_worker_that_has_its_node_for_itself_gets_all_of_it() -> None:
    assert fit_cores(nodes_of(64, 64), make_worker(whole=True), Bounds()) == 64  # type: ignore[arg-type]


def test_a_core_of_two_threads_is_never_shared() -> None:
    assert fit_cores(nodes_of(6), make_worker(threads=2), Bounds()) == 6  # type: ignore[arg-type]


NODES = st.lists(st.builds(Node, st.integers(0, 40), st.integers(0, 40), st.just(0)), max_size=5)


@given(NODES, st.integers(0, 12), st.booleans(), st.integers(1, 2), st.integers(1, 9), st.integers(1, 60))
def test_a_worker_fits_whenever_one_of_a_core_does_and_none_larger_would_do(
    nodes: list[Node], memory: int, whole: bool, threads: int, workers: int, limit: int
) -> None:
    make = make_worker(memory, whole, threads)
    bounds = Bounds(workers, limit)

    def count_used(cores: int) -> float:
        job: Job = make(cores)  # type: ignore[operator]
        return cores * min(sum(count_fits(node, job) for node in nodes), workers, limit // job.needs.cores)

    cores = fit_cores(nodes, make, bounds)  # type: ignore[arg-type]
    most = max((node.cores for node in nodes), default=0) if whole else MOST_CORES
    used = {number: count_used(number) for number in range(1, most + 1)}
    if not any(used.values()):
        assert cores == 0
        return
    assert used[cores] > 0
    if used[cores] < LEAST_SHARE * max(used.values()):
        pytest.fail("more than a quarter could be used by others")


def ask(section: Section, most: int = 100, is_seated: bool = False, memory: int = GIB) -> Fit:
    return fit_workers(section, memory, ask_site(), COORDINATOR, most, is_seated)


def line(cores: int, idle: int, state: str = "mixed", threads: int = 1, memory: int = 16000, name: str = "cpu*") -> str:
    """Return what sinfo prints of a node."""
    used = f"{cores - idle}/{idle}/0/{cores}|{1000 * (cores - idle)}|gpu:0|1:{cores // threads}:{threads}|"
    return f"{name}|up|infinite|1|{cores}|{memory}|(null)|{state}|{used}\n"


@pytest.fixture
def open_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Section:
    (tmp_path / "jobqueue.yaml").write_text("jobqueue: {cpu: {queue: cpu, cores: null, walltime: '04:00:00'}}")
    monkeypatch.setenv("LIGHTSHEET_JOBQUEUE", str(tmp_path / "jobqueue.yaml"))
    return read_section("cpu")


@parametrize("cores", [8, 4, 2], quick=2)
@pytest.mark.parametrize("number", [1, 2])
def test_the_coordinators_seat_is_left_before_and_after_it_has_taken_it(
    commands: Path, open_section: Section, cores: int, number: int
) -> None:
    write_cluster(commands, nodes=line(cores, cores, "idle") * number)
    before = ask(open_section)
    write_cluster(commands, nodes=line(cores, cores - 1) + line(cores, cores, "idle") * (number - 1))
    after = ask(open_section, is_seated=True)
    assert before == after
    assert 1 <= before.cores < cores, "it fits beside the coordinator"
    assert before.cores == {(8, 1): 7, (8, 2): 7, (4, 1): 3, (4, 2): 3, (2, 1): 1, (2, 2): 1}[cores, number]


def test_where_all_is_busy_the_whole_cluster_counts(commands: Path, open_section: Section) -> None:
    write_cluster(commands, nodes=line(8, 0, "allocated") * 2)
    assert ask(open_section, is_seated=True) == Fit(7, 2)


@pytest.mark.parametrize(("number", "cores"), [(2, 1), (100, 8)])
def test_workers_of_a_large_cluster_are_not_made_for_the_last_idle_cores(
    commands: Path, open_section: Section, number: int, cores: int
) -> None:
    write_cluster(commands, nodes=line(64, 1, memory=256000) * number)
    assert ask(open_section, is_seated=True).cores == cores


def test_a_coordinator_that_may_sit_on_the_largest_node_does_not_wait_for_it(
    commands: Path, open_section: Section
) -> None:
    write_cluster(commands, nodes=line(8, 0, "allocated", memory=32000) + line(4, 0, "allocated", memory=32000))
    assert ask(open_section, is_seated=True).cores <= 4


def test_nodes_that_are_down_or_reserved_are_not_idle(commands: Path, open_section: Section) -> None:
    write_cluster(
        commands, nodes=line(8, 3) + line(64, 64, "reserved") + line(64, 64, "drained") + line(64, 64, "idle*")
    )
    assert ask(open_section, is_seated=True).cores == 3


@pytest.mark.parametrize(
    ("user", "fit"),
    [
        ("mini|lab|me|||2||||||", Fit(8, 1)),
        ("mini|lab|me||||4|||||", Fit(7, 2)),
        ("mini|lab|me||||||||tight|tight", Fit(3, 1)),
    ],
)
def test_limits_of_the_account_leave_room_for_the_coordinator(
    commands: Path, open_section: Section, user: str, fit: Fit
) -> None:
    qos = "normal|||||||\ntight|||cpu=4||||\n"
    write_cluster(commands, nodes=line(8, 7) + line(8, 8, "idle"), associations=f"{user}\n", qos=qos)
    assert ask(open_section, is_seated=True) == fit


def test_no_job_is_larger_than_a_limit_of_the_account(commands: Path) -> None:
    write_cluster(commands, nodes=line(8, 8, "idle"))
    assert find_most_cores(ask_site(), "cpu") == 8
    write_cluster(commands, nodes=line(8, 8, "idle"), associations="mini|lab|me|||||||cpu=3||\n")
    assert find_most_cores(ask_site(), "") == 3


def test_an_explicit_number_is_kept(commands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jobqueue.yaml").write_text("jobqueue: {cpu: {queue: cpu, cores: 8, walltime: '04:00:00'}}")
    monkeypatch.setenv("LIGHTSHEET_JOBQUEUE", str(tmp_path / "jobqueue.yaml"))
    write_cluster(commands, nodes=line(4, 4, "idle"))
    assert ask(read_section("cpu")) == Fit(8, 0)


def test_memory_that_no_node_has_is_sbatchs_to_refuse(commands: Path, open_section: Section) -> None:
    write_cluster(commands, nodes=line(4, 4, "idle"))
    assert ask(open_section, memory=900 * GIB) == Fit(3, 0)


def test_hyperthreads_come_in_pairs(commands: Path, open_section: Section) -> None:
    write_cluster(commands, nodes=line(8, 8, "idle", threads=2))
    assert ask(open_section) == Fit(6, 1)


def test_a_partition_of_whole_nodes_gives_the_coordinator_one(commands: Path, open_section: Section) -> None:
    whole = PARTITIONS.replace("OverSubscribe=NO", "OverSubscribe=EXCLUSIVE")
    write_cluster(commands, nodes=line(16, 16, "idle") * 3 + line(16, 5), partitions=whole)
    assert ask(open_section) == Fit(16, 3)
    assert ask(open_section, is_seated=True, most=2) == Fit(16, 3)


def test_a_partitions_own_limits_of_a_node_count(commands: Path, open_section: Section) -> None:
    limited = PARTITIONS.replace("OverSubscribe=NO", "OverSubscribe=NO MaxCPUsPerNode=5 MaxMemPerNode=1500")
    write_cluster(commands, nodes=line(8, 8, "idle") * 2, partitions=limited)
    assert ask(open_section) == Fit(5, 1), "beside a coordinator of 1000 MB there is no memory"
    a_core = SETTINGS + "MaxMemPerCPU = 512\n"
    write_cluster(commands, nodes=line(8, 8, "idle"), settings=a_core)
    assert ask(open_section, memory=3 * GIB) == Fit(6, 1), "SLURM gives each job a core for 512 MB"


@pytest.mark.parametrize("nodes", ["", "CLUSTER: a\nCLUSTER: b\n" + line(2, 2), "welcome\n"])
def test_a_cluster_that_cannot_be_asked_gives_workers_of_eight(
    commands: Path, open_section: Section, nodes: str
) -> None:
    write_cluster(commands, nodes=nodes)
    assert ask(open_section).cores == MOST_CORES
    silent = dict.fromkeys(ask_site(), Answer(None, "no answer in 6 s"))
    assert fit_workers(open_section, GIB, silent, None, 5) == Fit(8, math.inf)


def test_ten_thousand_nodes_are_few_kinds(commands: Path, open_section: Section) -> None:
    write_cluster(commands, nodes=line(64, 64, "idle") * 9000 + line(128, 100) * 1000, associations=USER)
    assert ask(open_section).cores == 8

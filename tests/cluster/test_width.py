"""How many volumes a worker has in hand: for machines of all sizes, within the memory that is a node's share."""

import math
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from lightsheet.cluster.questions import ask_site
from lightsheet.cluster.section import read_section
from lightsheet.cluster.survey import CORE_MEMORY, UNKNOWN, Width, fit_width
from lightsheet.cluster.width import NEARLY, Needs, choose_slots, find_most_slots
from lightsheet.cluster.worker_number import MEMORY_SHARE, choose_local_slots, choose_number
from tests.cluster.test_fit import COORDINATOR, line
from tests.support.fake_cluster import write_cluster
from tests.support.families import parametrize

GB, GIB = 10**9, 2**30
UNLIMITED = "mini|root||||||||||\nmini|lab|||root|||||||\n"
SMALL, LARGE = Needs(GB // 2, GB // 5, 16), Needs(GB // 2, 5 * GB, 16)
FOREIGN = Needs(GB // 2, GB // 5)
ON_GPU = Needs(3 * GB // 2, 2 * GB, math.inf, seconds=1.1, alone=0.3, gpu_seconds=0.11)


@pytest.mark.parametrize(
    ("needs", "cores", "volumes", "slots", "threads"),
    [
        (SMALL, 1, 100, 1, 1),
        (SMALL, 2, 100, 2, 1),
        (SMALL, 8, 100, 8, 1),
        (SMALL, 8, 1, 1, 8),  # one volume gets all cores
        (SMALL, 8, 3, 3, 2),
        (SMALL, 4, 5, 2, 2),  # 3 rounds of 2 threads take less time than 2 of one
        (SMALL, 64, 1000, 16, 4),  # more threads of Python were not tried
        (FOREIGN, 8, 100, 1, 8),
        (ON_GPU, 4, 600, 3, 2),
        (ON_GPU, 8, 600, 6, 2),  # five, with twelve threads that are not always busy, feed the one that computes
        (ON_GPU, 16, 600, 6, 4),
        (ON_GPU, 8, 1, 1, 8),
        (ON_GPU._replace(gpu_seconds=1.1), 8, 600, 2, 8),  # of many iterations
    ],
)
def test_a_worker_has_as_many_volumes_in_hand_as_use_its_cores(
    needs: Needs, cores: int, volumes: int, slots: int, threads: int
) -> None:
    assert choose_slots(needs, cores, volumes) == slots
    assert needs.choose_threads(cores, slots) == threads


NEEDS = st.builds(
    Needs,
    st.just(GB),
    st.integers(1, 10 * GB),
    st.one_of(st.integers(1, 20), st.just(math.inf)),
    st.floats(0.1, 100),
    st.floats(0, 1),
    st.one_of(st.just(0.0), st.floats(0.01, 10)),
)


@given(NEEDS, st.integers(1, 70), st.integers(1, 300), st.integers(1, 12))
def test_no_other_number_is_much_faster_and_none_smaller_as_fast(
    needs: Needs, cores: int, volumes: int, workers: int
) -> None:
    slots = choose_slots(needs, cores, volumes, lambda _: workers)
    assert 1 <= slots <= max(1, min(needs.most_volumes, volumes))

    def estimate(number: int) -> float:
        rounds = volumes / (min(workers, volumes) * number)
        return (rounds if needs.gpu_seconds else math.ceil(rounds)) * needs.estimate_round(cores, number)

    same_threads = {cores // threads for threads in range(1, cores + 1)}
    others = range(1, cores + 2) if needs.gpu_seconds else same_threads
    times = [estimate(number) for number in others if number <= min(needs.most_volumes, volumes)]
    assert estimate(slots) <= NEARLY * min([estimate(1), *times]) * (1 + 1e-9)


@given(NEEDS, st.integers(1, 70), st.integers(1, 10))
def test_one_volume_alone_is_never_slower_than_with_fewer_threads(needs: Needs, cores: int, slots: int) -> None:
    threads = needs.choose_threads(cores, slots)
    assert threads >= 1
    if not needs.gpu_seconds:
        assert threads * slots <= max(cores, slots)
    assert needs.estimate_round(cores, slots) / slots >= max(needs.gpu_seconds, needs.seconds / cores) * (1 - 1e-9)


@given(NEEDS, st.integers(1, 70), st.integers(1, 300), st.integers(GB, 500 * GB), st.integers(0, 8))
def test_local_workers_take_no_more_than_their_share_of_the_memory(
    needs: Needs, cores: int, volumes: int, available: int, devices: int
) -> None:
    number = choose_number(cores, volumes, needs, available, devices)
    slots = choose_local_slots(needs, max(1, cores // number), volumes, number, available)
    assert slots == 1 or needs.gpu_seconds
    if number * slots > 1:  # one volume is cut into blocks if need be
        assert number * needs.count_bytes(slots) <= max(MEMORY_SHARE * available, number * needs.count_bytes(1))
        assert number * needs.count_bytes(1) <= MEMORY_SHARE * available or number == 1


def test_blocks_are_for_a_worker_with_one_volume_alone() -> None:
    assert find_most_slots(LARGE, GB) == 1
    assert find_most_slots(LARGE, 11 * GB) == 2


def fit(needs: Needs, volumes: int = 600, section: str = "cpu", is_known: bool = True, most: int = 100) -> Width:
    answers = ask_site() if is_known else UNKNOWN
    return fit_width(read_section(section), needs, volumes, answers, COORDINATOR, min(most, volumes))


@pytest.fixture
def sections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "jobqueue.yaml"
    path.write_text(
        "jobqueue:\n"
        "  cpu: {queue: cpu, cores: null, walltime: '04:00:00'}\n"
        "  tight: {queue: cpu, cores: 8, memory: 2GB, walltime: '04:00:00'}\n"
        "  forced: {queue: cpu, cores: 8, walltime: '04:00:00', job-extra-directives: ['--mem=2G']}\n"
        "  silent: {queue: cpu, cores: 8, walltime: '04:00:00', job-directives-skip: ['--mem=']}\n"
        "  gpu: {queue: gpu, cores: 8, walltime: '04:00:00', job-extra-directives: ['--gres=gpu:1']}\n"
    )
    monkeypatch.setenv("LIGHTSHEET_JOBQUEUE", str(path))
    return path


@pytest.mark.usefixtures("sections")
@parametrize(
    ("memory", "needs", "slots"),
    [(8000, SMALL, 8), (1500, SMALL, 4), (64000, LARGE, 8), (32000, LARGE, 4), (8000, LARGE, 1), (64000, FOREIGN, 1)],
    quick=3,
)
def test_a_worker_asks_for_no_more_memory_than_its_cores_are_of_a_node(
    memory: int, needs: Needs, slots: int, commands: Path
) -> None:
    write_cluster(commands, nodes=line(16, 16, "idle", memory=2 * memory) * 8, accounts=UNLIMITED)
    width = fit(needs)
    assert (width.cores, width.slots) == (8, slots)
    assert width.memory == needs.count_bytes(slots)
    assert width.memory <= max(memory * 2**20, needs.count_bytes(1))
    assert width.workers >= 15, "beside the coordinator"


@pytest.mark.usefixtures("sections")
def test_few_volumes_are_spread_over_the_workers_that_there_are(commands: Path) -> None:
    write_cluster(commands, nodes=line(16, 16, "idle", memory=64000) * 50, accounts=UNLIMITED)
    assert fit(SMALL, volumes=40).slots == 1, "each of 40 workers has one with all its cores"
    assert fit(SMALL, volumes=200, most=40).slots == 8, "25 workers do all in one round"


@pytest.mark.usefixtures("sections")
@pytest.mark.parametrize(("section", "most"), [("tight", 2 * GB), ("forced", 2 * GIB), ("silent", 0)])
def test_memory_that_a_section_names_holds_all_volumes_in_hand(section: str, most: int, commands: Path) -> None:
    write_cluster(commands, nodes=line(16, 16, "idle", memory=64000) * 8)
    width = fit(SMALL, section=section)
    assert width.slots == max(number for number in (8, 4, 2, 1) if SMALL.count_bytes(number) <= most or number == 1)


@pytest.mark.usefixtures("sections")
def test_of_nodes_that_nobody_knows_little_memory_is_asked(commands: Path) -> None:
    write_cluster(commands)
    assert fit(SMALL, is_known=False).slots == 8
    assert fit(LARGE, is_known=False).slots == 2
    assert 3 * LARGE.volume < 8 * CORE_MEMORY < LARGE.count_bytes(4), "and 2 threads cannot be shared by 3 volumes"
    assert fit(ON_GPU, section="gpu", is_known=False) == Width(8, math.inf, 6, ON_GPU.count_bytes(6))


@pytest.mark.usefixtures("sections")
def test_a_gpu_is_as_good_a_share_of_a_node_as_its_cores(commands: Path) -> None:
    gpu = "gpu|up|infinite|1|64|64000|gpu:h100:4(S:0-1)|idle|0/64/0/64|0|gpu:h100:0|2:32:1|\n"
    write_cluster(commands, nodes=line(8, 8, "idle") + gpu)
    assert fit(ON_GPU, section="gpu").slots == 6, "14 of 16 GB, which each of four GPUs has; of its 8 cores 8 GB"

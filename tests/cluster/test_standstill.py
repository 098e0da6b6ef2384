"""Whole runs on a simulated SLURM, with clusters and limits drawn at random: none may wait for itself."""

import dataclasses
import random
from collections import Counter
from collections.abc import Callable, Iterator

import dask
import pytest
import yaml

from lightsheet.cluster import Answer, Team, find_most_cores, request_rule, request_workers
from lightsheet.cluster.room import find_room
from lightsheet.cluster.section import Section, read_section
from lightsheet.cluster.survey import fit_workers, read_survey
from lightsheet.run.blocks import choose_sizes, cut_timepoints
from tests.support.fake_cluster import PARTITIONS, QOS, SETTINGS
from tests.support.simulated_run import Plan, Workers, make_slurm, simulate_run
from tests.support.simulated_slurm import SimulatedJob, SimulatedSlurm

pytestmark = pytest.mark.slow

RUNS = 200
CHANNELS = 2
COORDINATOR = request_rule("deconvolve", "profile", {"slurm_partition": "cpu", "mem_mb": 1000, "runtime": 1440}, 1)


@pytest.fixture(scope="module")
def section(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Section]:
    path = tmp_path_factory.mktemp("profile") / "jobqueue.yaml"
    path.write_text(yaml.safe_dump({"jobqueue": {"cpu": {"queue": "cpu", "cores": None, "walltime": "04:00:00"}}}))
    with pytest.MonkeyPatch.context() as patch, dask.config.set({}):
        patch.setenv("LIGHTSHEET_JOBQUEUE", str(path))
        yield read_section("cpu")


def draw_slurm(random: random.Random) -> SimulatedSlurm:
    kinds = [(random.choice([1, 2, 4, 8, 16]), random.choice([2000, 4000, 8000, 32000])) for _ in range(2)]
    nodes = [random.choice(kinds) for _ in range(random.randint(1, 5))]
    choices = {"MaxJobs": (1, 20), "MaxSubmitJobs": (1, 30), "GrpTRES": (1, 32)}
    limits = {name: random.randint(*bounds) for name, bounds in choices.items() if random.random() < 0.25}
    others = []
    for _ in range(random.choice([0, 0, 3, 10])):
        cores, memory = random.choice(nodes)
        seconds = random.uniform(60, 2e4)
        size = (random.randint(1, cores), random.randint(1, memory // 2))
        others.append(SimulatedJob(*size, seconds * random.uniform(1, 5), is_mine=False, seconds=seconds))
    return make_slurm(nodes, limits, others)


def describe(slurm: SimulatedSlurm) -> dict[str, Answer]:
    """Answer as SLURM's commands would."""
    nodes = [
        f"cpu*|up|infinite|1|{cores}|{memory}|(null)|mixed|{cores - idle}/{idle}/0/{cores}|{memory - rest}|gpu:0"
        f"|1:{cores}:1|"
        for (cores, memory), (idle, rest) in zip(slurm.nodes, slurm.list_free(), strict=True)
    ]
    limits = {name: str(slurm.limits.get(name, "")) for name in ("MaxJobs", "MaxSubmitJobs")}
    cores = f"cpu={slurm.limits['GrpTRES']}" if "GrpTRES" in slurm.limits else ""
    texts = {
        "nodes": "\n".join(nodes),
        "partitions": PARTITIONS,
        "settings": SETTINGS,
        "user": "lab",
        "associations": f"mini|lab|me|||{limits['MaxJobs']}|{limits['MaxSubmitJobs']}|||{cores}||",
        "accounts": "mini|lab||||||||||",
        "qos": QOS,
    }
    return {name: Answer(0, text) for name, text in texts.items()}


def plan_run(draw: random.Random, slurm: SimulatedSlurm, section: Section) -> Plan | None:
    """Plan a run as the workflow does with its defaults, or with other sizes of blocks; None if it is refused."""
    timepoints, memory = draw.randint(1, 30), draw.choice([300, 600, 1500, 4000])
    rule_jobs, most = draw.choice([1, 4, 100]), draw.choice([1, 4, 100])
    sizes = choose_sizes(draw.choice([10**6, 3 * 10**8, 10**10]), CHANNELS, timepoints)
    blocks = cut_timepoints(timepoints, draw.choice([sizes.deconvolve, 1, 6]))

    def choose(slurm: SimulatedSlurm, volumes: int, is_seated: bool = True) -> Workers:
        fit = fit_workers(section, memory * 2**20, describe(slurm), COORDINATOR, min(most, volumes), is_seated)
        return Workers(int(min(most, volumes, fit.workers)), fit.cores)

    is_refused = choose(slurm, timepoints * CHANNELS, is_seated=False).number < 1
    if is_refused or not has_room_wherever_the_coordinator_sits(slurm, section, memory):
        return None
    return Plan(
        [range(len(block) * CHANNELS) for block in blocks.values()],
        ingest_jobs=CHANNELS * len(cut_timepoints(timepoints, sizes.ingest)),
        ingest_cores=int(min(2, find_most_cores(describe(slurm), "cpu"))),
        consolidate_cores=int(min(4, find_most_cores(describe(slurm), "cpu"))),
        coordinators=1,
        rule_jobs=rule_jobs,
        worker_memory=memory,
        choose_workers=choose,
    )


def has_room_wherever_the_coordinator_sits(slurm: SimulatedSlurm, section: Section, memory: int) -> bool:
    """Tell whether the smallest worker has; a run where it has not is warned that it may wait for ever."""
    request = request_workers(section, memory * 2**20, 1)
    _, site, accounting = read_survey(describe(slurm))
    return find_room(site, accounting, Team(request, COORDINATOR, 1), is_worst=True).workers >= 1


def plan_as_before(draw: random.Random, slurm: SimulatedSlurm, section: Section) -> Plan | None:
    """Plan a run of many blocks with a coordinator each, and workers of 8 cores wherever they may be."""
    plan = plan_run(draw, slurm, section)
    if not plan or not any(cores >= 8 and memory >= plan.worker_memory for cores, memory in slurm.nodes):
        return None
    blocks = [range(CHANNELS)] * (sum(map(len, plan.blocks)) // CHANNELS)
    return dataclasses.replace(
        plan,
        blocks=blocks,
        ingest_jobs=len(blocks) * CHANNELS,
        coordinators=10**6,
        rule_jobs=100,
        choose_workers=lambda _slurm, volumes: Workers(min(4, volumes), 8),
    )


def play(make_plan: Callable[[random.Random, SimulatedSlurm, Section], Plan | None], section: Section) -> Counter[str]:
    """Count how runs end on clusters drawn at random."""
    outcomes = Counter[str]()
    for seed in range(RUNS):
        draw = random.Random(seed)
        slurm = draw_slurm(draw)
        plan = make_plan(draw, slurm, section)
        outcome = "refused" if plan is None else "ends" if simulate_run(slurm, plan, seed) else "stands still"
        if outcome == "stands still":
            print(
                f"seed {seed}: nodes {slurm.nodes}, limits {slurm.limits}", *slurm.queue, *slurm.running, sep="\n    "
            )
        outcomes[outcome] += 1
    return outcomes


def test_no_run_stands_still(section: Section) -> None:
    outcomes = play(plan_run, section)
    assert not outcomes["stands still"]
    assert outcomes["ends"] > 0.75 * RUNS, outcomes


def test_many_coordinators_with_large_workers_stand_still(section: Section) -> None:
    """So the simulation can tell."""
    assert play(plan_as_before, section)["stands still"] > 0.1 * RUNS

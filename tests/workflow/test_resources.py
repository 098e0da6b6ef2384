import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tifffile
from snakemake.cli import parse_set_threads
from snakemake.resources import Resource

from lightsheet.cluster import AUTO
from lightsheet.planning.place import describe_place
from lightsheet.run import jobs
from lightsheet.run.run import Run
from lightsheet.workflow import resources
from tests.support import tiny_run
from tests.support.fake_cluster import write_cluster
from tests.support.fake_commands import command
from tests.support.families import parametrize

REFERENCE = (201, 1024, 768)
"""Shape of the volumes that the README's memory table is about."""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    tiny_run.simulate(tmp_path / "my data")
    return tiny_run.prepare(tmp_path)


def megabytes(run: Run, rule: str, cluster: str = "local", workers: int = 1, attempt: int = 1) -> int:
    return jobs.Jobs(run, cluster, workers, cores=8).plan_memory(rule)(None, attempt)


def workflow(**fields: Any) -> Any:
    settings = SimpleNamespace(
        overwrite_resources=fields.pop("overwrite", {}),
        overwrite_threads=fields.pop("threads", {}),
        default_resources=fields.pop("default", None),
    )
    return SimpleNamespace(
        **{"nodes": None, "is_main_process": True, "cores": 64, **fields}, resource_settings=settings
    )


def test_memory_grows_with_the_volume_and_with_the_workers(run: Run) -> None:
    large = dataclasses.replace(run, shape=REFERENCE)
    one = megabytes(large, "deconvolve")
    assert 4000 < one < 7500  # the README states 5 GB for the engine, the process not included
    assert megabytes(large, "deconvolve", workers=3) == pytest.approx(3 * one, abs=2 * jobs.PROCESS_MB + 3)
    assert megabytes(large, "verify", workers=3) == one
    assert 500 < megabytes(large, "ingest") < 1000


def test_a_coordinator_needs_no_room_for_volumes(run: Run) -> None:
    large = dataclasses.replace(run, shape=REFERENCE)
    assert megabytes(large, "deconvolve", "cpu", workers=8) == jobs.COORDINATOR_MB


@pytest.mark.parametrize("rule", ["ingest", "deconvolve", "consolidate", "verify"])
def test_each_attempt_asks_for_more_and_none_for_too_little(run: Run, rule: str) -> None:
    amounts = [megabytes(run, rule, attempt=attempt) for attempt in (1, 2, 3)]
    assert amounts[0] >= jobs.LEAST_MB
    assert amounts == [amounts[0], 2 * amounts[0], 3 * amounts[0]]


def test_itk_asks_for_its_larger_memory(run: Run) -> None:
    large = dataclasses.replace(run, shape=REFERENCE)
    itk = {**run.config, "deconvolution": {**run.config["deconvolution"], "engine": "itk"}}
    assert megabytes(dataclasses.replace(large, config=itk), "deconvolve") > 3 * megabytes(large, "deconvolve")


def test_a_psf_that_cannot_be_read_is_left_to_its_rule(run: Run) -> None:
    Path(run.find_psf_file(run.channels[0])).write_bytes(b"no TIFF")
    assert megabytes(run, "deconvolve") >= jobs.LEAST_MB


def test_a_larger_psf_asks_for_more(run: Run) -> None:
    before = megabytes(run, "deconvolve")
    stack = tifffile.imread(run.find_psf_file(run.channels[0])).repeat(30, axis=0)
    tifffile.imwrite(run.find_psf_file(run.channels[0]), stack)
    assert megabytes(run, "deconvolve") > before


def test_the_command_line_overrides_the_profile_and_that_the_default(run: Run) -> None:
    profile = {"dask_cluster": "cpu", "dask_workers": "4"}
    assert dataclasses.astuple(resources.read_jobs(run, workflow()))[1:3] == ("local", AUTO)
    assert dataclasses.astuple(resources.read_jobs(run, workflow(default=profile)))[1:3] == ("cpu", 4)
    mixture = workflow(default=profile, overwrite={"deconvolve": {"dask_cluster": SimpleNamespace(raw="gpu")}})
    assert dataclasses.astuple(resources.read_jobs(run, mixture))[1:3] == ("gpu", 4)
    request = workflow(default=profile, overwrite={"deconvolve": {"dask_workers": "auto"}})
    assert resources.read_jobs(run, request).dask_workers == 100
    without_profile = workflow(overwrite={"deconvolve": {"dask_cluster": SimpleNamespace(raw="cpu")}})
    assert dataclasses.astuple(resources.read_jobs(run, without_profile))[1:3] == ("cpu", 100)


def test_cores_are_this_machines_only_if_the_jobs_run_here(run: Run) -> None:
    assert resources.read_jobs(run, workflow()).choose_threads("consolidate") == 64
    assert resources.read_jobs(run, workflow(nodes=100)).choose_threads("consolidate") == jobs.SLURM_CORES
    assert resources.read_jobs(run, workflow()).choose_threads("ingest") == 1, "beside other jobs, if it is small"
    large = dataclasses.replace(run, shape=REFERENCE)
    assert resources.read_jobs(large, workflow()).choose_threads("ingest") == jobs.INGEST_CORES
    in_job = workflow(is_main_process=False, cores=2)
    assert resources.read_jobs(run, in_job).choose_threads("consolidate") == 2
    assert resources.read_jobs(run, workflow(default={"dask_cluster": "cpu"})).choose_threads("deconvolve") == 1


@parametrize(("cores", "ingest", "consolidate"), [(1, 1, 1), (2, 2, 2), (3, 2, 3), (64, 2, 4)], quick=2)
def test_no_job_asks_for_more_cores_than_a_node_has(
    run: Run, commands: Path, cores: int, ingest: int, consolidate: int
) -> None:
    small = f"small|up|infinite|3|{cores}|16000|(null)|idle\n"
    write_cluster(commands, nodes=small + "large*|up|infinite|1|64|16000|(null)|idle\n")
    command(commands, "sinfo", f"echo called >> {commands}/calls; cat {commands}/nodes")
    site = workflow(nodes=100, default={"slurm_partition": "small", "dask_cluster": "cpu"})
    plan = resources.read_jobs(run, site)
    assert not (commands / "calls").exists(), "while the Snakefile is parsed"
    assert plan.plan_threads("ingest")(None) == ingest
    assert plan.plan_threads("consolidate")(None) == plan.plan_threads("verify")(None) == consolidate
    assert plan.plan_threads("deconvolve")(None) == 1
    assert (commands / "calls").read_text().split() == ["called"], "once"
    default = workflow(nodes=100, overwrite={"verify": {"slurm_partition": "small"}})
    assert resources.read_jobs(run, default).plan_threads("consolidate")(None) == 4, "in the default partition"
    assert resources.read_jobs(run, default).plan_threads("verify")(None) == consolidate


def test_a_cluster_that_does_not_answer_limits_no_job(run: Run, commands: Path) -> None:
    command(commands, "sinfo", "exit 1")
    plan = resources.read_jobs(run, workflow(nodes=100, default={"slurm_partition": "small"}))
    assert plan.plan_threads("ingest")(None) == jobs.INGEST_CORES
    assert plan.plan_threads("verify")(None) == jobs.SLURM_CORES


def test_workers_inside_a_job_are_no_more_than_its_cores(run: Run) -> None:
    large = dataclasses.replace(run, shape=REFERENCE)
    memory = jobs.Jobs(large, "local", 100, cores=4).plan_memory("deconvolve")
    assert memory(None, 1, 4) == memory(None, 1) == pytest.approx(4 * memory(None, 1, 1), abs=4 * jobs.PROCESS_MB)


def test_larger_blocks_may_take_longer(run: Run) -> None:
    larger = dataclasses.replace(run, shape=(2010, 1024, 768))
    assert jobs.Jobs(larger, "cpu", 4, 4).plan_runtime("ingest") > jobs.Jobs(run, "cpu", 4, 4).plan_runtime("ingest")


def test_a_plan_is_given_what_the_command_line_and_the_profile_say(run: Run) -> None:
    """As Snakemake has it: numbers of the command line are wrapped, and an expression is not known before the job."""
    snakemake = workflow(
        nodes=100,
        default={"slurm_partition": "cpu", "mem_mb": 1000},
        overwrite={"deconvolve": {"runtime": Resource("runtime", 2880), "slurm_partition": "long"}},
        threads={"ingest": parse_set_threads(["ingest=1"])["ingest"], "consolidate": Resource("_cores", lambda _: 1)},
    )
    place_arguments = resources.read_place(snakemake, resources.read_jobs(run, snakemake))
    assert place_arguments["threads"] == {"ingest": 1}
    assert place_arguments["resources"] == {
        "ingest": {"slurm_partition": "cpu"},
        "deconvolve": {"slurm_partition": "long", "runtime": "2880"},
        "consolidate": {"slurm_partition": "cpu"},
    }
    place = describe_place(run, place_arguments)
    assert (place.shares["deconvolve"].partition, place.shares["deconvolve"].limit) == ("long", 2880 * 60)
    assert place.shares["ingest"].cores == 1

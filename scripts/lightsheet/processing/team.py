"""The Dask workers of one job that deconvolves: hired when the first of them is needed, and for all that follows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from operator import attrgetter
from typing import Any, NamedTuple

from lightsheet.cluster import OutOfTimeError, WorkerPool, WorkerRequest, fit_request, start_workers
from lightsheet.processing.memory import find_available_memory
from lightsheet.processing.needs import plan_needs
from lightsheet.sources import describe_stack
from lightsheet.store import Results
from lightsheet.system import InputError


class Team(NamedTuple):
    """Workers of so many cores, with so many threads for a volume, and so much memory, or all that their jobs have."""

    pool: WorkerPool
    cores: int
    threads: int
    memory: int | None


@contextmanager
def offer_team(
    results: Results, settings: Mapping[str, Mapping[str, Any]], shape: Sequence[int], workers: WorkerRequest
) -> Iterator[Callable[[int], Team]]:
    """Yield the function that hires workers for so many volumes; from its second call on it returns the same ones.

    They leave at the end of the block, also where that is an `InputError` or `OutOfTimeError`: other errors cancel
    their jobs.

    Parameters
    ----------
    results : Results, with the PSFs
    settings : mapping, of each channel
    shape : sequence of int, (z, y, x) of raw volumes
    workers : WorkerRequest, where they run and how many there are
    """
    teams: list[Team] = []
    problem: InputError | OutOfTimeError | None = None
    with ExitStack() as stack:

        def hire(volumes: int) -> Team:
            if not teams:
                teams.append(stack.enter_context(_hire_team(results, settings, shape, workers, volumes)))
            return teams[0]

        try:
            yield hire
        except (InputError, OutOfTimeError) as error:
            problem = error
    if problem:
        raise problem


@contextmanager
def _hire_team(
    results: Results,
    settings: Mapping[str, Mapping[str, Any]],
    shape: Sequence[int],
    workers: WorkerRequest,
    volumes: int,
) -> Iterator[Team]:
    """Start the workers for some volumes of channels with these settings."""
    needs = []
    for channel, method in settings.items():
        psf = describe_stack(results.psf(channel, ".tif"))[0]
        options = {key: method[key] for key in ("iterations", "boundary", "dtype") if key in method}
        needs.append(plan_needs(shape, psf, method["engine"], method["acceleration"], "fill" in method, **options))
    engine = next(iter(settings.values()))["engine"]
    workers = fit_request(workers, max(needs, key=attrgetter("volume")), volumes, engine)
    # Workers on this machine share its memory; a worker's SLURM job has its own, which the worker finds out there.
    share = find_available_memory() // workers.number if workers.kind == "local" else None
    with start_workers(workers, engine, workers.memory) as pool:
        yield Team(pool, workers.cores, workers.volume_threads, share)

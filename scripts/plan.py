"""Say what a run will take before any pixel is computed: jobs, time, memory, disk, and what does not fit.

The command plans an acquisition that is not there, by its sizes; unless told otherwise it is the reference acquisition.
`snakemake -c all plan --configfile my.yaml` plans one that is there: on this machine, or with --profile slurm.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightsheet.cluster import JOBQUEUE
from lightsheet.deconvolution import CHOICES
from lightsheet.planning import describe_machine, imagine_run, plan_run, read_profile
from lightsheet.run import Run
from lightsheet.system import InputError, count_cores, log_job, logger, read_json, write_json, write_text


def positive(text: str) -> int:
    """Read a number that is at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    zyx, of = {"nargs": 3, "metavar": ("Z", "Y", "X")}, "(default: %(default)s)"
    add("--channels", type=positive, default=3, help=f"how many {of}")
    add("--timepoints", type=positive, default=199, help=f"how many {of}")
    add("--shape", type=positive, **zyx, default=(201, 1024, 768), help=f"voxels of a volume {of}")
    add("--dtype", choices=("uint8", "uint16", "float32"), default="uint16", help=f"of the TIFFs {of}")
    add("--voxel-size", type=float, **zyx, default=(0.3, 0.104, 0.104), help=f"micrometre {of}")
    add("--psf-shape", type=positive, **zyx, default=(101, 64, 64), help=f"voxels of a PSF file {of}")
    add("--psf-voxel-size", type=float, **zyx, default=(0.1, 0.104, 0.104), help=f"micrometre {of}")
    add("--iterations", type=positive, default=10, help=f"of Richardson-Lucy {of}")
    add("--engine", default="auto", help=f"auto, cpu, gpu, itk or skimage {of}")
    for key in ("boundary", "acceleration"):
        add(f"--{key}", choices=CHOICES[key], default=CHOICES[key][0], help=of)
    add("--timepoints-per-job", type=positive, default=1, help=f"as in the configuration {of}")
    add("--output-dtype", default="float32", help=f"of the result: float32 or uint16 {of}")
    add("--profile", type=Path, help="folder of a profile, such as profiles/slurm (default: on this machine)")
    add("--cluster", help="where workers are: local, or a section of jobqueue.yaml (default: as the profile says)")
    add("--workers", type=positive, help="of each deconvolve job (default: as the profile says)")
    add("--jobs", type=positive, help="SLURM jobs at a time (default: as the profile says)")
    add("--cores", type=positive, help="to use on this machine (default: all)")
    add("--pilot", type=Path, help="pilot.json of an acquisition like this one (default: built-in measurements)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 2 if what was asked for makes no sense."""
    options = parse(argv)
    try:
        with tempfile.TemporaryDirectory() as folder:
            run, where = imagine(Path(folder), options), somewhere(options)
            text, _ = plan_run(run, where, measured(options.pilot) if options.pilot else None, None)
            print(text, end="")
    except InputError as error:
        print(f"plan.py: {error}", file=sys.stderr)
        return 2
    return 0


def measured(path: Path) -> Any:
    """Read what a pilot measured."""
    if not (found := read_json(path)) or "channels" not in found:
        raise InputError(f"--pilot {path}: this is no pilot.json that `snakemake pilot` wrote")
    return found


def imagine(folder: Path, options: argparse.Namespace) -> Run:
    """Make the run that the command line describes."""
    keys = ("engine", "iterations", "boundary", "acceleration", "timepoints_per_job")
    asked = {
        "voxel_size": dict(zip("zyx", options.voxel_size, strict=True)),
        "psf": {"voxel_size": dict(zip("zyx", options.psf_voxel_size, strict=True))},
        "deconvolution": {key: getattr(options, key) for key in keys},
        "output": {"dtype": options.output_dtype},
    }
    sizes = (options.channels, options.timepoints, options.shape, options.dtype, options.psf_shape)
    return imagine_run(folder, *sizes, asked)


def somewhere(options: argparse.Namespace) -> dict[str, Any]:
    """Return what `site.place` wants: as the profile says, and then the command line."""
    if options.profile and (options.profile / "jobqueue.yaml").is_file():
        os.environ.setdefault(JOBQUEUE, str(options.profile / "jobqueue.yaml"))
    given = read_profile(options.profile) if options.profile else describe_machine(count_cores())
    asked = {key: getattr(options, key) for key in ("cluster", "workers", "cores")} | {"slurm_jobs": options.jobs}
    return {**given, **{key: value for key, value in asked.items() if value is not None}}


if __name__ == "__main__":
    if "snakemake" not in globals():
        sys.exit(main())
    with log_job(snakemake.log[0]):
        results = snakemake.params.run.results
        text, numbers = plan_run(snakemake.params.run, snakemake.params.place, read_json(results.pilot), results.folder)
        logger.info("%s", text)
        write_text(results.folder / "plan.txt", text)
        write_json(results.folder / "plan.json", numbers)

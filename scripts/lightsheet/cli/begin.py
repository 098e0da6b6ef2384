"""Commands before a run: init, simulate, plan."""

import argparse
import shlex
import tempfile
from functools import partial
from os.path import normpath
from pathlib import Path
from typing import Any

from lightsheet.cli.options import add_command, read_auto_or_positive, read_positive
from lightsheet.deconvolution import CHOICES, ENGINES
from lightsheet.system import InputError, read_json

CHECKOUT = Path(__file__).parents[3]
"""Where the workflow lies, unless this library was installed without it."""

INIT_EXAMPLES = """\
examples:
  %(prog)s data/demo
    a folder of TIFFs (or of Zarr stores): my.yaml, for the commands that it prints
  %(prog)s movie.tif --out movie.yaml
    one file, such as an ImageJ or OME hyperstack
  %(prog)s plate.ome.zarr --force
    a store; an older my.yaml is replaced

What was guessed is told as a guess, there and in the file; what cannot be known is TODO there, with the reason.
"""

NEXT = (
    ("-c1 inventory", "what is understood of the images"),
    ("-c all pilot", "how many iterations, and what they cost"),
    ("-c all plan", "the time, memory and disk that the run takes"),
    ("-c all", "the run"),
)
"""What to type when a configuration is written."""

SIMULATE_EXAMPLES = """\
Each volume is written twice: the image (uint16, FOLDER) and its truth (float32, FOLDER/truth),
so 6 bytes a voxel; the free disk is checked first. Files of the same names are overwritten.

  the demo (40 MB, seconds):
    %(prog)s data/demo
  the reference acquisition (566 GB, 3 GB of memory, about 35 s a volume on 2 cores):
    %(prog)s data/reference --name ex6-2 --channels 3 --timepoints 199 \\
        --shape 201 1024 768 --psf-shape 101 64 64
  raw planes of a stage that moves at an angle, as a lattice microscope records them:
    %(prog)s data/scan --scan stage --angle 31.8 --step 0.4
    (the truth lies straight, as deskewed planes do; psf/ has straight beads, psf/scanned/ the same, scanned by the
    stage in steps of 0.1 um; input.scan: {kind: stage, angle: 31.8, step: 0.4, axis: x, direction: 1} in the
    configuration, and psf.scan: {kind: stage, step: 0.1} with the latter)
"""

PLAN_EXAMPLES = """\
Without options it plans the reference acquisition on this machine.
`snakemake -c all plan --configfile my.yaml` plans an acquisition that is there, with --profile slurm on a cluster.
"""


def add_init(commands: Any) -> None:
    """Add `lightsheet init` to the parser's commands."""
    add = add_command(commands, init, INIT_EXAMPLES)
    add("path", type=Path, metavar="FOLDER", help="of TIFFs or of Zarr stores; or one TIFF, or one Zarr store")
    add("--out", type=Path, default=Path("my.yaml"), metavar="FILE", help="to write (default: %(default)s)")
    add("--force", action="store_true", help="replace that file if it is there")


def init(path: Path, out: Path, *, force: bool) -> int:
    """Look at images and write a commented configuration for them, with TODO where only you can tell."""
    from lightsheet.planning import write_first_config

    place = _find_workflow()
    if place:  # where a relative path would be another
        path = Path(normpath(Path.cwd() / path))
    first = write_first_config(path, out, force=force)
    parts = {"understood": first.summary.splitlines(), "guessed": first.guesses, "to be said": first.open_keys}
    print(f"{out} is written.")
    for title, lines in parts.items():
        print("".join(f"\n  {line}" for line in (f"{title}:", *lines)) if lines else "", end="\n" if lines else "")
    condition = f", when you have replaced each TODO in {out}" if first.open_keys else ""
    print(f"\nnext{f', in {place}' if place else ''}{condition}:")
    file = shlex.quote(str(Path.cwd() / out if place else out))
    for target, purpose in NEXT:
        remark = "; those of psf may still be TODO" if first.open_keys and "inventory" in target else ""
        print(f"  snakemake {target:15} --configfile {file}    {purpose}{remark}")
    print("on a SLURM cluster: --profile slurm in the place of -c all; README.md says what to fill in first")
    return 0


def _find_workflow() -> str:
    """Return where runs are to be typed, if that is not the current folder."""
    if Path("Snakefile").exists():
        return ""
    return str(CHECKOUT) if (CHECKOUT / "Snakefile").exists() else "the folder of the workflow"


def add_simulate(commands: Any) -> None:
    """Add `lightsheet simulate` to the parser's commands."""
    add = add_command(commands, simulate, SIMULATE_EXAMPLES)
    sizes = {"type": int, "nargs": 3, "metavar": ("Z", "Y", "X")}
    add("folder", type=Path, help="where the acquisition shall be; made if need be")
    add("--name", default="demo", help="what file names begin with (default: %(default)s)")
    add("--channels", type=int, default=2, help="1 to 3: 488, 560, 642 nm (default: %(default)s)")
    add("--timepoints", type=int, default=4, help="how many (default: %(default)s)")
    add("--shape", **sizes, default=(40, 160, 128), help="voxels of a volume (default: %(default)s)")
    add("--psf-shape", **sizes, default=(61, 32, 32), help="voxels of a PSF file (default: %(default)s)")
    add("--peak-photons", type=float, default=300.0, help="about the brightest voxel (default: %(default)s)")
    add("--seed", type=int, default=0, help="another seed, another scene and noise (default: %(default)s)")
    add("--scan", choices=("straight", "stage"), default="straight", help="how planes follow (default: %(default)s)")
    add("--angle", type=float, help="of a stage to the focal plane, in degrees (default: 31.8)")
    add("--step", type=float, help="of a stage from plane to plane, in micrometre (default: 0.4)")
    add("--axis", choices=("x", "y"), help="of the image along which planes move (default: x)")
    add("--direction", type=int, choices=(1, -1), help="to which side a stage moves (default: 1)")


def simulate(scan: str, **options: Any) -> int:
    """Simulate a light-sheet acquisition of any size, volume by volume, with the truth beside it."""
    from lightsheet.simulation import choose_scan, simulate_acquisition

    stage = {key: options.pop(key) for key in ("angle", "step", "axis", "direction")}
    options |= {key: tuple(options[key]) for key in ("shape", "psf_shape")}
    simulate_acquisition(**options, scan=choose_scan(scan, stage), progress=partial(print, flush=True))
    return 0


def add_plan(commands: Any) -> None:
    """Add `lightsheet plan` to the parser's commands."""
    add = add_command(commands, plan, PLAN_EXAMPLES)
    add("file", nargs="?", help=argparse.SUPPRESS)  # people name a configuration: the target `plan` takes one
    zyx, default = {"nargs": 3, "metavar": ("Z", "Y", "X")}, "(default: %(default)s)"
    add("--channels", type=read_positive, default=3, help=f"how many {default}")
    add("--timepoints", type=read_positive, default=199, help=f"how many {default}")
    add("--shape", type=read_positive, **zyx, default=(201, 1024, 768), help=f"voxels of a volume {default}")
    add("--dtype", choices=("uint8", "uint16", "float32"), default="uint16", help=f"of the TIFFs {default}")
    add("--voxel-size", type=float, **zyx, default=(0.3, 0.104, 0.104), help=f"micrometre {default}")
    add("--psf-shape", type=read_positive, **zyx, default=(101, 64, 64), help=f"voxels of a PSF file {default}")
    add("--psf-voxel-size", type=float, **zyx, default=(0.1, 0.104, 0.104), help=f"micrometre {default}")
    add("--iterations", type=read_positive, default=10, help=f"of Richardson-Lucy {default}")
    add("--engine", default="auto", help=f"auto, {', '.join(ENGINES)} {default}")
    for key in ("boundary", "acceleration"):
        add(f"--{key}", choices=CHOICES[key], default=CHOICES[key][0], help=default)
    add("--timepoints-per-job", type=read_auto_or_positive, default="auto", help=f"as in the configuration {default}")
    add("--output-dtype", default="float32", help=f"of the result: float32 or uint16 {default}")
    add("--profile", type=Path, help="folder of a profile, such as profiles/slurm (default: on this machine)")
    add("--cluster", help="where workers are: local, or a section of jobqueue.yaml (default: as the profile says)")
    add("--workers", type=read_positive, help="of a deconvolve job (default: as the profile says)")
    add("--jobs", type=read_positive, dest="slurm_jobs", help="SLURM jobs at a time (default: as the profile says)")
    add("--cores", type=read_positive, help="to use on this machine (default: all)")
    add("--pilot", type=Path, help="pilot.json of an acquisition like this one (default: built-in measurements)")


def plan(file: str | None, pilot: Path | None, **options: Any) -> int:
    """Foresee jobs, time, memory and disk of an acquisition of which only the sizes are known."""
    from lightsheet.planning import choose_place, imagine_run, plan_run

    if file:
        command = f"snakemake -c all plan --configfile {shlex.quote(file)}"
        raise InputError(f"this command takes sizes and no file; {command} plans an acquisition that is there")
    measured = read_json(pilot) if pilot else None
    if pilot and (not measured or "channels" not in measured):
        raise InputError(f"--pilot {pilot}: this is no pilot.json that `snakemake pilot` wrote")
    with tempfile.TemporaryDirectory() as folder:
        run = imagine_run(Path(folder), options)
        text, _ = plan_run(run, choose_place(options), measured, None)
    print(text, end="")
    return 0

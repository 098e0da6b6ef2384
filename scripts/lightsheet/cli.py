"""The command `lightsheet`: writes configurations, looks at finished runs, checks, repeats and copies them; and more.

Each command imports what it needs when it is called, so that `lightsheet --help` answers at once.
"""

import argparse
import logging
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from lightsheet.deconvolution import CHOICES, ENGINES
from lightsheet.system import (
    InputError,
    PrintableFormatter,
    check_path,
    escape_lines,
    escape_name,
    find_name_fault,
    read_json,
)

FORMATS = ("ome-tiff", "ome-zarr-0.4")

EXPORT_EXAMPLES = """\
examples:
  %(prog)s results/demo --format ome-tiff --out export
    one file a timepoint, all channels: export/demo_t0000.ome.tif and so on, for Fiji and QuPath
  %(prog)s results/demo --format ome-zarr-0.4 --out export --timepoints 0:100:10,150 --channels CamA_ch0_488nm
    one folder, export/demo.ome.zarr, for ilastik and other readers of OME-Zarr 0.4
"""

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
    ("-c1 inventory", "what is understood of the images; those of psf may still be TODO"),
    ("-c all pilot", "how many iterations, and what they cost"),
    ("-c all", "the run"),
)
"""What to type when a configuration is written."""

VIEW_EXAMPLES = """\
examples:
  %(prog)s results/demo
    raw channels beside deconvolved ones
  %(prog)s --raw data/demo
    the images as they are, before anything is configured, and how a part of them is written in a configuration
"""

FIGURE_EXAMPLES = """\
examples:
  %(prog)s results/demo --out figure.pdf
    the maximum along z of the first volume
  %(prog)s results/demo --out figure.svg --channel CamA_ch1_560nm --timepoint 1 --z 20 --y 10 90 --x 0 120
    a part of one plane
"""

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


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out a command line, that of the process unless given, and return its exit code.

    That is 0; 1 for a finding (a volume differs); 2 for wrong use or missing input, told in a sentence on stderr; 130
    after Ctrl-C.
    """
    if argv is None:  # a process of its own, which a cluster or a shell may end
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = vars(build_parser().parse_args(argv))
    name, command = options.pop("name_of_command"), options.pop("command")
    handler = logging.StreamHandler()
    handler.setFormatter(PrintableFormatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    try:
        check_arguments(options.values())
        code: int = command(**options)
    except (InputError, OSError) as error:  # what the system says names the file, too
        print(f"lightsheet {name}: {escape_lines(str(error))}", file=sys.stderr)
        return 2
    except MemoryError:
        print(f"lightsheet {name}: there is not enough memory for a volume", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"lightsheet {name}: interrupted; what was finished is kept", file=sys.stderr)
        return 130
    return code


def check_arguments(values: Iterable[Any]) -> None:
    """Refuse paths and names that no log, table or page can hold."""
    for value in values:
        if isinstance(value, Path):
            check_path(value)
        elif isinstance(value, str) and (fault := find_name_fault(value)):
            raise InputError(f"'{escape_name(value)}': this argument {fault}")
        elif isinstance(value, list | tuple):
            check_arguments(value)


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="lightsheet",
        description="Write a first configuration; look at finished runs of the workflow, check, repeat and copy them; "
        "simulate and plan new ones.",
        epilog="A run itself is started with `snakemake`. `lightsheet COMMAND --help` tells more.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add_options in (
        *(_add_init, _add_view, _add_figure, _add_export),
        *(_add_compare, _add_repeat, _add_verify),
        *(_add_simulate, _add_plan),
    ):
        add_options(commands)
    return parser


def _add_command(commands: Any, command: Callable[..., int], epilog: str | None = None) -> Callable[..., Any]:
    """Add the command that a function carries out, described by its docstring; return what adds its options."""
    name, text = command.__name__, command.__doc__
    layout = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser(name, help=text, description=text, epilog=epilog, formatter_class=layout)
    parser.set_defaults(command=command, name_of_command=name)
    add: Callable[..., Any] = parser.add_argument
    return add


def _positive(text: str) -> int:
    """Read a number that is at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def _auto_or_positive(text: str) -> int | str:
    """Read `auto`, or a number that is at least 1."""
    return text if text == "auto" else _positive(text)


def _add_init(commands: Any) -> None:
    add = _add_command(commands, init, INIT_EXAMPLES)
    add("path", type=Path, metavar="FOLDER", help="of TIFFs or of Zarr stores; or one TIFF, or one Zarr store")
    add("--out", type=Path, default=Path("my.yaml"), metavar="FILE", help="to write (default: %(default)s)")
    add("--force", action="store_true", help="replace that file if it is there")


def init(path: Path, out: Path, *, force: bool) -> int:
    """Look at images and write a commented configuration for them, with TODO where only you can tell."""
    from lightsheet.planning import write_first_config

    first = write_first_config(path, out, force=force)
    parts = {"understood": first.summary.splitlines(), "guessed": first.guesses, "to be said": first.open_keys}
    print(f"{out} is written.")
    for title, lines in parts.items():
        print("".join(f"\n  {line}" for line in (f"{title}:", *lines)) if lines else "", end="\n" if lines else "")
    print(f"\nnext{f', when you have replaced each TODO in {out}' if first.open_keys else ''}:")
    for target, what in NEXT:
        print(f"  snakemake {target:15} --configfile {shlex.quote(str(out))}    {what}")
    return 0


def _add_view(commands: Any) -> None:
    add = _add_command(commands, view, VIEW_EXAMPLES)
    add("folder", type=Path, help="of a finished run, such as results/demo; with --raw of images")
    add("--raw", action="store_true", help="show images that no run has read yet (a folder, a TIFF or a Zarr store)")
    add("--port", type=int, default=0, help="to serve on, for example one that ssh forwards (default: a free one)")


def view(folder: Path, port: int, *, raw: bool) -> int:
    """Serve a finished run, or raw images, to viewers on this computer, and say how they open it; Ctrl-C ends it."""
    if raw:
        return _view_raw(folder, port)
    from lightsheet.store import find_finished
    from lightsheet.viewing import describe_state, describe_viewers, find_file, make_virtual_stores, serve_folder

    results = find_finished(folder)
    stores = make_virtual_stores(results)
    find = partial(find_file, stores) if stores else None
    describe = partial(describe_state, results)
    with suppress(KeyboardInterrupt), serve_folder(results.folder, port, describe, find) as url:
        print(describe_viewers(results, url), flush=True)
        while True:
            signal.pause()
    return 0


def _view_raw(folder: Path, port: int) -> int:
    """Serve images of which nothing is configured, as `lightsheet init` understands them."""
    from lightsheet.planning import make_first_config
    from lightsheet.viewing import describe_raw_state, describe_raw_viewers, find_file, make_raw_view, serve_folder

    first = make_first_config(folder)
    if first.run is None:
        raise InputError(f"{folder}: these images are not understood yet: {'; '.join(first.open_keys)}")
    with tempfile.TemporaryDirectory() as place, suppress(KeyboardInterrupt):
        raw = make_raw_view(first.run, first.voxel_size, Path(place))
        with serve_folder(raw.folder, port, partial(describe_raw_state, raw), partial(find_file, raw.stores)) as url:
            guesses = [line for line in first.guesses if not line.startswith("psf")]
            print(f"{first.summary}\n")
            print("".join(f"a guess: {line}\n" for line in guesses), end="\n" if guesses else "")
            print(describe_raw_viewers(raw, url), flush=True)
            while True:
                signal.pause()
    return 0


def _add_figure(commands: Any) -> None:
    add = _add_command(commands, figure, FIGURE_EXAMPLES)
    add("folder", type=Path, help="of a finished run, such as results/demo")
    add("--out", type=Path, required=True, metavar="FILE", help="a .pdf, .svg or .png; an older one is replaced")
    add("--channel", metavar="NAME", help="(default: the first)")
    add("--timepoint", type=int, default=0, metavar="N", help="from 0 (default: %(default)s)")
    add("--z", type=int, metavar="N", help="plane of the result, from 0 (default: the maximum of all planes)")
    for axis in "yx":
        add(f"--{axis}", type=int, nargs=2, metavar=("START", "END"), help=f"part along {axis} (default: all)")
    add(
        "--contrast",
        type=float,
        nargs=2,
        metavar=("BLACK", "WHITE"),
        help="counts above background, for both (default: percentiles 1 and 99.8 of either)",
    )


def figure(**options: Any) -> int:
    """Draw a volume of a finished run, raw beside deconvolved, for a paper; the file says how it was made."""
    from lightsheet.viewing import draw_figure

    facts = draw_figure(**options)
    print(f"{options['out']}: {facts['channel']}, timepoint {facts['timepoint']}, plane {facts['plane']}")
    for caption, (low, high) in facts["counts_black_and_white"].items():
        print(f"  {caption}: {low:.4g} counts above background are black, {high:.4g} are white")
    return 0


def _add_export(commands: Any) -> None:
    add = _add_command(commands, export, EXPORT_EXAMPLES)
    add("folder", type=Path, help="of a finished run, such as results/demo")
    add("--format", dest="form", required=True, choices=FORMATS, help="what to write")
    add("--out", type=Path, required=True, help="folder to write into; nothing there is overwritten")
    add("--kind", choices=("result", "raw"), default="result", help="which volumes (default: %(default)s)")
    add("--channels", nargs="+", metavar="NAME", help="which, in the order wanted (default: all)")
    add("--timepoints", metavar="CHOICE", help="numbers and START:END:STEP, END left out: 0:10:2,15 (default: all)")


def export(**options: Any) -> int:
    """Copy channels and timepoints of a finished run for tools that cannot read OME-Zarr 0.5."""
    from lightsheet.viewing import export_volumes

    export_volumes(**options)
    return 0


def _add_compare(commands: Any) -> None:
    add = _add_command(commands, compare)
    add("folder", type=Path, help="results of a finished run, such as repeated/demo")
    add("other", type=Path, help="the run that it repeats; of it the provenance is enough to tell whether bits differ")


def compare(folder: Path, other: Path) -> int:
    """Compare a repeated run with the one that it repeats: by digests, and by pixels where these differ."""
    from lightsheet.provenance import compare_results

    return 0 if all(outcome["passed"] for outcome in compare_results(folder, other)) else 1


def _add_repeat(commands: Any) -> None:
    then = "Then: snakemake -c all --configfile repeat.yaml; lightsheet compare repeated/NAME FOLDER"
    add = _add_command(commands, repeat, then)
    add(
        "folder", type=Path, help="with ro-crate-metadata.json and provenance/ of the run; nothing else of it is needed"
    )
    add("raw", type=Path, help="the folder with the raw files of the acquisition")


def repeat(folder: Path, raw: Path) -> int:
    """Print the configuration that repeats somebody's run here; differences of the software go to stderr."""
    import yaml

    from lightsheet.provenance import list_remarks, make_config, read_crate

    provenance = read_crate(folder)
    print(yaml.safe_dump(make_config(provenance, raw)), end="")
    for remark in list_remarks(provenance, Path(__file__).parents[2]):
        print(remark, file=sys.stderr)
    return 0


def _add_verify(commands: Any) -> None:
    add = _add_command(commands, verify)
    add("folder", type=Path, help="of a finished run, such as results/demo, or a copy of it")
    add("--volumes", type=_positive, default=2, help="how many to make again (default: %(default)s)")
    add("--raw", type=Path, metavar="FOLDER", help="of the acquisition (default: where the run read it)")
    add("--engine", choices=ENGINES, help="(default: the one that the run had; cpu instead of gpu if there is none)")
    add("--seed", type=int, help="the same seed chooses the same volumes (default: others every time)")
    add("--threads", type=_positive, default=os.cpu_count(), help="cores to use (default: all, %(default)s)")


def verify(folder: Path, volumes: int, threads: int, **options: Any) -> int:
    """Make randomly chosen volumes again from the provenance alone, and compare them with the published store."""
    from lightsheet.provenance import verify_volumes

    return 0 if all(outcome["passed"] for outcome in verify_volumes(folder, volumes, threads, **options)) else 1


def _add_simulate(commands: Any) -> None:
    add = _add_command(commands, simulate, SIMULATE_EXAMPLES)
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


def _add_plan(commands: Any) -> None:
    add = _add_command(commands, plan, PLAN_EXAMPLES)
    zyx, default = {"nargs": 3, "metavar": ("Z", "Y", "X")}, "(default: %(default)s)"
    add("--channels", type=_positive, default=3, help=f"how many {default}")
    add("--timepoints", type=_positive, default=199, help=f"how many {default}")
    add("--shape", type=_positive, **zyx, default=(201, 1024, 768), help=f"voxels of a volume {default}")
    add("--dtype", choices=("uint8", "uint16", "float32"), default="uint16", help=f"of the TIFFs {default}")
    add("--voxel-size", type=float, **zyx, default=(0.3, 0.104, 0.104), help=f"micrometre {default}")
    add("--psf-shape", type=_positive, **zyx, default=(101, 64, 64), help=f"voxels of a PSF file {default}")
    add("--psf-voxel-size", type=float, **zyx, default=(0.1, 0.104, 0.104), help=f"micrometre {default}")
    add("--iterations", type=_positive, default=10, help=f"of Richardson-Lucy {default}")
    add("--engine", default="auto", help=f"auto, {', '.join(ENGINES)} {default}")
    for key in ("boundary", "acceleration"):
        add(f"--{key}", choices=CHOICES[key], default=CHOICES[key][0], help=default)
    add("--timepoints-per-job", type=_auto_or_positive, default="auto", help=f"as in the configuration {default}")
    add("--output-dtype", default="float32", help=f"of the result: float32 or uint16 {default}")
    add("--profile", type=Path, help="folder of a profile, such as profiles/slurm (default: on this machine)")
    add("--cluster", help="where workers are: local, or a section of jobqueue.yaml (default: as the profile says)")
    add("--workers", type=_positive, help="of a deconvolve job (default: as the profile says)")
    add("--jobs", type=_positive, dest="slurm_jobs", help="SLURM jobs at a time (default: as the profile says)")
    add("--cores", type=_positive, help="to use on this machine (default: all)")
    add("--pilot", type=Path, help="pilot.json of an acquisition like this one (default: built-in measurements)")


def plan(pilot: Path | None, **options: Any) -> int:
    """Foresee jobs, time, memory and disk of an acquisition of which only the sizes are known."""
    from lightsheet.planning import choose_place, imagine_run, plan_run

    measured = read_json(pilot) if pilot else None
    if pilot and (not measured or "channels" not in measured):
        raise InputError(f"--pilot {pilot}: this is no pilot.json that `snakemake pilot` wrote")
    with tempfile.TemporaryDirectory() as folder:
        run = imagine_run(Path(folder), options)
        text, _ = plan_run(run, choose_place(options), measured, None)
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())

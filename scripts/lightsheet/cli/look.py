"""Commands that look at a finished run: view, figure, export."""

import signal
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from lightsheet.cli.options import add_command
from lightsheet.system import InputError

FORMATS = ("ome-tiff", "ome-zarr-0.4")

EXPORT_EXAMPLES = """\
examples:
  %(prog)s results/demo --format ome-tiff --out export
    one file a timepoint, all channels: export/demo_t0000.ome.tif and so on, for Fiji and QuPath
  %(prog)s results/demo --format ome-zarr-0.4 --out export --timepoints 0:100:10,150 --channels CamA_ch0_488nm
    one folder, export/demo.ome.zarr, for ilastik and other readers of OME-Zarr 0.4
"""

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


def add_view(commands: Any) -> None:
    """Add `lightsheet view` to the parser's commands."""
    add = add_command(commands, view, VIEW_EXAMPLES)
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


def add_figure(commands: Any) -> None:
    """Add `lightsheet figure` to the parser's commands."""
    add = add_command(commands, figure, FIGURE_EXAMPLES)
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
    from lightsheet.viewing import draw_figure, format_measure

    facts = draw_figure(**options)
    plane = facts["plane"] if options["z"] is None else f"plane {facts['plane']}"
    print(f"{options['out']}: {facts['channel']}, timepoint {facts['timepoint']}, {plane}")
    for caption, (low, high) in facts["counts_black_and_white"].items():
        black, white = format_measure(low), format_measure(high)
        print(f"  {caption}: {black} counts above background are black, {white} are white")
    return 0


def add_export(commands: Any) -> None:
    """Add `lightsheet export` to the parser's commands."""
    add = add_command(commands, export, EXPORT_EXAMPLES)
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

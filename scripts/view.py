"""Serve a finished run to viewers on this computer, and say how they open it."""

import argparse
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from lightsheet.store import find_finished
from lightsheet.system import InputError
from lightsheet.viewing import describe_state, describe_viewers, serve_folder


def view(folder: Path, port: int) -> None:
    """Serve `results/NAME` until Ctrl-C or SIGTERM."""
    results = find_finished(folder)
    with (
        suppress(KeyboardInterrupt),
        serve_folder(results.folder, port, partial(describe_state, results)) as url,
    ):
        print(describe_viewers(results, url), flush=True)
        while True:
            signal.pause()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0 after Ctrl-C, or 2 if there is nothing to view or the port cannot be had."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("folder", type=Path, help="of a finished run, such as results/demo")
    add("--port", type=int, default=0, help="to serve on, for example one that ssh forwards (default: a free one)")
    options = parser.parse_args(argv)
    try:
        view(**vars(options))
    except InputError as error:
        print(f"view.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())

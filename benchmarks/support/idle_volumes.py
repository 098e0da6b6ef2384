"""Hand volumes that take no time to workers: `python idle_volumes.py VOLUMES WORKERS`.

Prints what the coordinator, in this process alone, needed for it: seconds, CPU seconds, MB.
"""

import os
import re
import sys
import time
from pathlib import Path

from lightsheet.cluster import WorkerRequest, map_volumes, start_workers
from lightsheet.store import Results


def main() -> None:
    """Wait for all workers first, so that their start does not count."""
    volumes, workers = map(int, sys.argv[1:])
    request = WorkerRequest("cpu", workers, 1, Results(Path("benchmark")), "t0000")
    with start_workers(request, "cpu", 10**9) as pool:
        while len(pool.list_free([])) < workers:
            pool.maintain(volumes, [])
            pool.news.wait(0.5)
            pool.news.clear()
        start, before = time.monotonic(), time.process_time()
        ended = list(map_volumes(pool, os.getpid, {f"volume {n}": {} for n in range(volumes)}, "nothing"))
        seconds, cpu = time.monotonic() - start, time.process_time() - before
    assert len(ended) == volumes
    assert not any(error for _, error in ended)
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak
    print(seconds, cpu, int(peak[1]) / 1000)


if __name__ == "__main__":
    main()

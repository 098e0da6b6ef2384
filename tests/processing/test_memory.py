"""Peak memory, measured in a process of its own as the growth of its resident size over a tiny volume's."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

pytestmark = pytest.mark.slow

MEASURE = """
import json, re, sys
from pathlib import Path
from lightsheet.processing import ingest_volume
from lightsheet.store import Results, StoreLayout, VolumeKey

def ingest(name, shape):
    layout = StoreLayout.plan(shape, {"z": 0.3, "y": 0.1, "x": 0.1}, "uint16", {"name": "blosc"})
    results, key = Results(Path("results")), VolumeKey("raw", name, 0)
    ingest_volume(results, key, [((0, 0, 0), [(f"{name}.tif", None)])], layout, 2)
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) * 1024

print(json.dumps([ingest("tiny", (4, 16, 16)), ingest("large", tuple(map(int, sys.argv[1:])))]))
"""


# Rows of chunks pass through memory, two at a time; of a file compressed in whole planes, chunks' depth of planes.
@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
@pytest.mark.parametrize(
    ("shape", "way", "volumes"),
    [
        ((160, 1024, 512), {}, 0.35),
        ((512, 512, 256), {"compression": "zlib", "rowsperstrip": 512, "compressionargs": {"level": 1}}, 0.6),
    ],
    ids=["uncompressed", "zlib"],
)
def test_ingest_holds_no_volume(tmp_path: Path, shape: tuple[int, ...], way: dict[str, Any], volumes: float) -> None:
    rng = np.random.default_rng(0)
    tifffile.imwrite(tmp_path / "tiny.tif", rng.poisson(100, (4, 16, 16)).astype(np.uint16), photometric="minisblack")
    tifffile.imwrite(tmp_path / "large.tif", rng.integers(90, 120, shape, np.uint16), **way)
    command = [sys.executable, "-c", MEASURE, *map(str, shape)]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    tiny, large = json.loads(ended.stdout)
    assert 0.05 < (large - tiny) / (np.prod(shape) * 2) < volumes

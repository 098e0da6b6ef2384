import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile

from lightsheet.processing import admission
from lightsheet.processing.admission import Admission, admit_volume
from lightsheet.processing.memory import estimate_memory, find_process_bytes
from tests.support.families import parametrize

SETTINGS = {"engine": "cpu", "acceleration": "none"}


@pytest.mark.parametrize("seed", range(3))
def test_what_is_held_at_a_time_never_exceeds_the_limit(seed: int) -> None:
    """Unless one holds more than that by itself, and then alone."""
    rng, room, lock = np.random.default_rng(seed), Admission(), threading.Lock()
    held: list[int] = []
    most = [0]

    def work(size: int) -> None:
        with room.hold(size, 100):
            with lock:
                held.append(size)
                assert sum(held) <= 100 or len(held) == 1
                most[0] = max(most[0], len(held))
            time.sleep(0.001)
            with lock:
                held.remove(size)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [*rng.integers(5, 60, 40).tolist(), 150, 10]))
    assert room.held_bytes == 0
    assert most[0] > 1, "several fit"


def test_a_volume_that_failed_leaves_its_room_to_others() -> None:
    room = Admission()
    with pytest.raises(ZeroDivisionError), room.hold(100, 100):
        raise ZeroDivisionError
    with room.hold(100, 100):
        pass


@parametrize(("volumes", "expected"), [(3.2, 3), (1.5, 1), (0.3, 1)], quick=2)
def test_a_worker_has_no_more_volumes_in_hand_than_its_memory_holds(
    volumes: float, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "VOLUMES", Admission())
    shape, psf = (40, 60, 50), tmp_path / "psf.tif"
    tifffile.imwrite(psf, np.ones((5, 7, 7), np.float32), photometric="minisblack")
    process = find_process_bytes("cpu")
    volume = estimate_memory(shape, (5, 7, 7), "cpu", "none") - process
    memory, in_hand, most = int(process + volumes * volume), [0], [0]
    lock, are_all_in = threading.Lock(), threading.Event()

    def work(_: int) -> None:
        with admit_volume(shape, psf, SETTINGS, memory):
            with lock:
                in_hand[0] += 1
                most[0] = max(most[0], in_hand[0])
                if in_hand[0] == expected:
                    are_all_in.set()
            are_all_in.wait(60)
            time.sleep(0.008)  # in which one too many could come
            with lock:
                in_hand[0] -= 1

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(12)))
    assert most[0] == expected

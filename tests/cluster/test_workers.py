import logging
import os
import resource
import time
from pathlib import Path

import numpy as np
import pytest

from lightsheet.cluster import dispatch, workers
from lightsheet.cluster.worker_request import WorkerRequest
from lightsheet.store import Results
from lightsheet.system import log
from lightsheet.system.errors import InputError
from tests.support.wakes import count_wakes

pytestmark = pytest.mark.slow


def work(path: str, fail: bool) -> None:
    if fail:
        raise InputError("this volume is damaged")
    Path(path).write_text(str(os.getpid()))


def die_once(path: str) -> None:
    if not Path(path).exists():
        Path(path).write_text("was here")
        os._exit(1)


def request(kind: str, number: int = 2) -> WorkerRequest:
    return WorkerRequest(kind, number, 4, Results(Path("small")), "t0000")


def test_volumes_are_done_in_other_processes_and_a_failed_one_leaves_the_others(tmp_path: Path) -> None:
    tasks = {f"volume {n}": {"path": str(tmp_path / str(n)), "fail": n == 1} for n in range(4)}
    with workers.start_workers(request("local"), "cpu", 0) as pool:
        errors = dict(dispatch.map_volumes(pool, work, tasks, "work"))
    assert isinstance(errors.pop("volume 1"), InputError)
    assert list(errors.values()) == [None] * 3
    assert {"0", "2", "3"} == {path.name for path in tmp_path.iterdir()}
    assert str(os.getpid()) not in {path.read_text() for path in tmp_path.iterdir()}


def count_page_faults(path: str) -> None:
    """Count those of a hundred temporaries of a megabyte, as an engine has them in each iteration."""
    np.ones(2**17)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        np.ones(2**17)
    Path(path).write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before))


def write_wakes(path: str) -> None:
    Path(path).write_text(str(count_wakes()))


def complain(path: str) -> None:
    """Write down whether what tifffile says of a damaged file would be logged."""
    Path(path).write_text(str(logging.getLogger("tifffile").isEnabledFor(logging.ERROR)))


def tell(path: str) -> None:
    log.logger.info("iteration 3/40 in %s", path)


def test_workers_here_tell_what_they_do_and_keep_their_memory(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    with workers.start_workers(request("local", 1), "cpu", 0) as pool:
        dict(dispatch.map_volumes(pool, tell, {"volume": {"path": "some volume"}}, "work"))
        dict(dispatch.map_volumes(pool, count_page_faults, {"volume": {"path": str(tmp_path / "faults")}}, "work"))
        dict(dispatch.map_volumes(pool, complain, {"volume": {"path": str(tmp_path / "complaint")}}, "work"))
        deadline = time.monotonic() + 60
        while not caplog.text and time.monotonic() < deadline:
            time.sleep(0.05)
        dict(dispatch.map_volumes(pool, write_wakes, {"volume": {"path": str(tmp_path / "wakes")}}, "work"))
    assert "iteration 3/40 in some volume" in caplog.text
    assert (tmp_path / "complaint").read_text() == "False"
    assert float((tmp_path / "wakes").read_text()) < 50, "as Dask comes, it is some 100"
    assert int((tmp_path / "faults").read_text()) < 2560, "a tenth of what it takes to get all of it anew"


def test_a_volume_whose_worker_died_is_done_by_the_next(tmp_path: Path) -> None:
    with workers.start_workers(request("local", 1), "cpu", 0) as pool:
        errors = dict(dispatch.map_volumes(pool, die_once, {"volume": {"path": str(tmp_path / "trace")}}, "work"))
    assert errors == {"volume": None}


def test_workers_here_share_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert request("local", 2).cores == 2
    assert request("local", 9).cores == 1
    (tmp_path / "jobqueue.yaml").write_text("jobqueue: {big: {cores: 32}}")
    monkeypatch.setenv("LIGHTSHEET_JOBQUEUE", str(tmp_path / "jobqueue.yaml"))
    assert request("big").cores == 32


def test_auto_is_decided_by_where_the_workers_are_not_by_where_the_coordinator_is() -> None:
    assert request("gpu").choose_engine("auto") == "gpu"
    assert request("cpu").choose_engine("auto") == "cpu"
    assert request("gpu").choose_engine("itk") == "itk"


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match=r"has no section 'moon'; it may be one of local, cpu, gpu"):
        request("moon").choose_engine("auto")

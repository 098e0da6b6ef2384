import os
from pathlib import Path

import pytest

from lightsheet import cluster
from lightsheet.errors import InputError


def work(path: str, fail: bool) -> int:
    if fail:
        raise InputError("this volume is damaged")
    Path(path).write_text("done")
    return os.getpid()


def test_tasks_run_in_other_processes_and_a_failed_one_leaves_the_others(tmp_path: Path) -> None:
    tasks = {n: {"path": str(tmp_path / str(n)), "fail": n == 1} for n in range(4)}
    with cluster.start("local", 2) as client:
        outcomes = dict(cluster.each(client, work, tasks))
    assert isinstance(outcomes[1], InputError)
    assert {0, 2, 3} == {int(p.name) for p in tmp_path.iterdir()}
    assert os.getpid() not in outcomes.values()


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match="dask_cluster: 'moon' is not known"), cluster.start("moon", 1):
        pass

"""Raw volumes of a run that kept none, served to viewers as if they were in a store."""

import json
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaozarrs
import zarr

from lightsheet.run.run import Run
from lightsheet.viewing import describe_state, describe_viewers, find_file, make_virtual_stores, serve_folder
from tests.support import tiny_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with a pyramid: its volumes are longer than the coarsest level."""
    return tiny_run.make(tmp_path_factory.mktemp("none"), output={"raw": "none"})


def test_what_is_served_is_the_raw_volume(run: Run, tmp_path: Path) -> None:
    channel = run.channels[1]
    stores = make_virtual_stores(run.results)
    place = f"raw/{channel}.ome.zarr"
    for number in range(len(run.layouts["raw"].levels)):
        metadata = json.loads(find_file(stores, f"{place}/{number}/zarr.json") or b"")
        counts = np.array(metadata["shape"]) // metadata["chunk_grid"]["configuration"]["chunk_shape"]
        for index in np.ndindex(*counts):
            name = f"{place}/{number}/c/{'/'.join(map(str, index))}"
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(find_file(stores, name) or b"")
        (tmp_path / place / str(number) / "zarr.json").write_text(json.dumps(metadata))
    (tmp_path / place / "zarr.json").write_bytes(find_file(stores, f"{place}/zarr.json") or b"")
    yaozarrs.validate_zarr_store(str(tmp_path / place))
    kept = tiny_run.make(tmp_path / "kept", output={"raw": "keep"})
    for number in range(len(run.layouts["raw"].levels)):
        served, stored = (
            zarr.open_array(store / str(number), mode="r")
            for store in (tmp_path / place, kept.results.raw_store(channel))
        )
        np.testing.assert_array_equal(served[:], stored[:])


def test_a_server_gives_it_and_tells_when_the_files_are_gone(run: Run) -> None:
    stores = make_virtual_stores(run.results)
    chunk = f"raw/{run.channels[0]}.ome.zarr/0/c/1/0/0/0"
    describe = partial(describe_state, run.results)
    with serve_folder(run.results.folder, 0, describe, partial(find_file, stores)) as url:
        with urllib.request.urlopen(f"{url}/{chunk}") as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert len(answer.read()) == 2 * np.prod(run.layouts["raw"].levels[0].chunk)
        with urllib.request.urlopen(urllib.request.Request(f"{url}/{chunk}", method="HEAD")) as answer:
            assert answer.read() == b""
        for name in ("raw/x", chunk.replace("c/1/", "c/2/"), chunk + "/0", chunk.replace("0/c", "9/c")):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"{url}/{name}")
        file = next(run.acquisition.folder.glob("*ch0*stack0001*_000x_*"))
        content = file.read_bytes()
        try:
            file.unlink()
            with pytest.raises(urllib.error.HTTPError, match="410") as error:
                urllib.request.urlopen(f"{url}/{chunk}")
            assert b"can be read only where its original file is" in error.value.read()
        finally:
            file.write_bytes(content)
        assert f"{url}/raw/{run.channels[0]}.ome.zarr" in describe_viewers(run.results, url)
        assert len(describe_state(run.results, url)["layers"]) == 4

"""`write` publishes arrays that zarr, TensorStore and ome-zarr read, whole or not at all, wherever Dask runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tensorstore
import yaozarrs
import zarr
from distributed import Client, LocalCluster
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader

from lightsheet.store import write
from lightsheet.system import InputError
from tests.support.families import parametrize

SIZE = {"z": 0.3, "y": 0.104, "x": 0.104}
VOLUMES = np.random.default_rng(0).integers(0, 60_000, (2, 3, 6, 150, 40)).astype(np.uint16)
CHUNK = (1, 1, 6, 150, 40)


def draw(**chunks: Any) -> da.Array:
    return da.from_array(VOLUMES, **{"chunks": CHUNK, **chunks})


def mask_bright(block: Any) -> Any:
    return np.ma.masked_greater(block, 50_000)


def read(store: Path, level: int = 0) -> Any:
    return zarr.open_array(store / str(level), mode="r")[:]


def test_three_readers_read_the_pixels_and_two_validators_pass(tmp_path: Path) -> None:
    store = write(draw(), tmp_path / "a.ome.zarr", voxel_size=SIZE, channels=["red", "green", "blue"], interval=2.5)
    np.testing.assert_array_equal(read(store), VOLUMES)
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{store}/0/"}}
    np.testing.assert_array_equal(tensorstore.open(spec).result().read().result(), VOLUMES)
    (node,) = Reader(parse_url(store))()
    np.testing.assert_array_equal(node.data[0], VOLUMES)
    assert node.metadata["channel_names"] == ["red", "green", "blue"]
    scales = [level[0]["scale"] for level in node.metadata["coordinateTransformations"]]
    assert scales == [[2.5, 1, 0.3, 0.104, 0.104], [2.5, 1, 0.3, 0.208, 0.208]]
    yaozarrs.validate_zarr_store(str(store))
    assert len(list(store.glob("0/c/*/*/0/0/0"))) == 6, "a file a volume"
    means = VOLUMES.reshape(2, 3, 6, 75, 2, 20, 2).mean(axis=(4, 6))
    assert np.abs(read(store, 1) - means).max() <= 0.5
    assert list(tmp_path.iterdir()) == [store], "nothing is left beside it"


@parametrize("axes", ["zyx", "tzyx", "czyx", "ctzyx", "xyz", "tczyx"], quick=3)
def test_axes_are_those_of_the_array_in_the_order_of_ngff(tmp_path: Path, axes: str) -> None:
    order = [axis for axis in "tczyx" if axis in axes]
    whole = VOLUMES[tuple(slice(None) if axis in axes else 0 for axis in "tczyx")]
    movie = whole.transpose([order.index(axis) for axis in axes])
    for number, array in enumerate((movie, da.from_array(movie, chunks=movie.shape))):
        store = write(array, tmp_path / f"{number}.zarr", voxel_size=SIZE, axes=axes)
        written = zarr.open_array(store / "0", mode="r")
        assert written.metadata.dimension_names == tuple(order)
        np.testing.assert_array_equal(written[:], whole)
        yaozarrs.validate_zarr_store(str(store))


@parametrize("dtype", [">f4", "float64", "int8", "uint32", "float16"], quick=2)
def test_any_dtype_and_byte_order_is_written(tmp_path: Path, dtype: str) -> None:
    array = (VOLUMES[0] % 100).astype(dtype)
    store = write(array, tmp_path / "a.zarr", voxel_size=SIZE, axes="czyx")
    np.testing.assert_array_equal(read(store), array)
    assert np.abs(read(store, 1).astype(float) - array.reshape(3, 6, 75, 2, 20, 2).mean(axis=(3, 5))).max() <= 0.5


@pytest.mark.parametrize("value", [0, np.nan, np.inf])
def test_images_without_contrast_are_valid(tmp_path: Path, value: float) -> None:
    store = write(np.full((2, 9, 9), value, np.float32), tmp_path / "a.zarr", voxel_size=SIZE, axes="zyx")
    assert np.array_equal(read(store), np.full((2, 9, 9), value, np.float32), equal_nan=True)


@pytest.mark.parametrize("chunk", [(1, 1, 3, 150, 40), (1, 1, 6, 150, 39), (2, 3, 6, 75, 40)])
def test_chunks_of_parts_of_volumes_are_refused_with_the_call_that_helps(tmp_path: Path, chunk: Any) -> None:
    array = draw(chunks=chunk)
    with pytest.raises(InputError, match=r"array\.rechunk\((.*)\)") as error:
        write(array, tmp_path / "a.zarr", voxel_size=SIZE)
    assert list(tmp_path.iterdir()) == []
    helped = eval(str(error.value).rsplit("whole ones, ", 1)[1], {"array": array})
    np.testing.assert_array_equal(read(write(helped, tmp_path / "a.zarr", voxel_size=SIZE)), VOLUMES)


def test_the_call_that_helps_is_of_the_axes_as_they_were(tmp_path: Path) -> None:
    array = da.from_array(VOLUMES.transpose(4, 0, 3, 2, 1), chunks=3)
    with pytest.raises(InputError, match=r"rechunk\({0: -1, 1: 1, 2: -1, 3: -1, 4: 1}\)"):
        write(array, tmp_path / "a.zarr", voxel_size=SIZE, axes="xtyzc")


def test_chunks_of_several_volumes_are_written_one_by_one(tmp_path: Path) -> None:
    store = write(draw(chunks=(2, 3, 6, 150, 40)), tmp_path / "a.zarr", voxel_size=SIZE)
    np.testing.assert_array_equal(read(store), VOLUMES)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"axes": "tzyx"}, "'tzyx' does not name the 5 axes"),
        ({"axes": "tcxyy"}, "does not name the 5 axes"),
        ({"axes": "tpzyx"}, "does not name the 5 axes"),
        ({"channels": ["a", "b"]}, "to each of the array's channels, 3 in all"),
        ({"channels": ["a", "b", "b"]}, "to each of the array's channels"),
        ({"channels": "abc"}, "to each of the array's channels"),
        ({"channels": ["a", "b", "c/d"]}, "'c/d' is no name"),
        ({"voxel_size": {"z": 1, "y": 1}}, "does not give z, y and x"),
        ({"voxel_size": {"z": 1, "y": 1, "x": 0}}, "each more than 0"),
        ({"voxel_size": (0.3, 0.1, 0.1)}, "does not give z, y and x"),
        ({"voxel_size": {**SIZE, "z": "thin"}}, "does not give z, y and x"),
        ({"interval": 0}, "no number of seconds above 0"),
        ({"interval": "2 s"}, "no number of seconds above 0"),
        ({"channels": [488, 560, 640]}, "488 is no name"),
        ({"array": VOLUMES.tolist()}, r"a list is neither a NumPy nor a Dask array; give np\.asarray\(array\)"),
        ({"array": [draw(), draw()]}, "a list is neither"),
        ({"array": None}, "a NoneType is neither"),
        ({"array": np.ma.masked_greater(VOLUMES, 50_000)}, r"masked voxels .*: np\.ma\.filled\(array, 0\)"),
        ({"array": da.ma.masked_greater(draw(), 50_000)}, r"masked voxels .* dask\.array\.ma\.filled\(array, 0\)"),
        ({"array": da.map_blocks(mask_bright, draw(), meta=VOLUMES[:0])}, "masked voxels"),
        ({"array": draw().astype(bool)}, "an OME-Zarr of bool"),
        ({"array": draw().astype(complex)}, "an OME-Zarr of complex128"),
        ({"array": draw()[:0]}, "has nothing to write"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        write(**{"array": draw(), "path": tmp_path / "a.zarr", "voxel_size": SIZE, **change})
    assert list(tmp_path.iterdir()) == []


def test_an_array_without_masked_voxels_is_written_and_the_call_that_helps_helps(tmp_path: Path) -> None:
    store = write(np.ma.asarray(VOLUMES), tmp_path / "a.zarr", voxel_size=SIZE)
    np.testing.assert_array_equal(read(store), VOLUMES)
    filled = np.where(VOLUMES > 50_000, 0, VOLUMES)
    arrays = [np.ma.filled(mask_bright(VOLUMES), 0), da.ma.filled(da.ma.masked_greater(draw(), 50_000), 0)]
    for name, array in zip("bc", arrays, strict=True):
        np.testing.assert_array_equal(read(write(array, tmp_path / name, voxel_size=SIZE)), filled)


def test_a_store_that_is_there_is_replaced_only_if_that_is_the_wish(tmp_path: Path) -> None:
    store = write(draw(), tmp_path / "a.zarr", voxel_size=SIZE)
    with pytest.raises(InputError, match="overwrite=True"):
        write(draw() + 1, store, voxel_size=SIZE)

    with pytest.raises(ZeroDivisionError):
        write(
            draw().map_blocks(lambda block: block[0 // 0], dtype=np.uint16, meta=VOLUMES[:0]),
            store,
            voxel_size=SIZE,
            overwrite=True,
        )
    np.testing.assert_array_equal(read(store), VOLUMES)
    write(da.from_zarr(str(store / "0"), chunks=CHUNK) // 2, store, voxel_size=SIZE, overwrite=True)
    np.testing.assert_array_equal(read(store), VOLUMES // 2)
    assert list(tmp_path.iterdir()) == [store]
    folder = tmp_path / "data"
    folder.mkdir()
    with pytest.raises(InputError, match="is no Zarr"):
        write(draw(), folder, voxel_size=SIZE, overwrite=True)


@pytest.fixture
def client() -> Iterator[Client]:
    """Connect to a cluster of the user's own."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.mark.slow
def test_tasks_run_on_the_workers_of_a_client(tmp_path: Path, client: Client) -> None:
    tasks = client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.transition_counter)
    array = draw().map_blocks(lambda block: block // 3, dtype=np.uint16)
    np.testing.assert_array_equal(read(write(array, tmp_path / "a.zarr", voxel_size=SIZE)), VOLUMES // 3)
    assert client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.transition_counter) > tasks + 6

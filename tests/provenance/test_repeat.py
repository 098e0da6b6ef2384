import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import yaml

from lightsheet import cli
from lightsheet.provenance import reader, repeat, software, verify
from lightsheet.run import config
from lightsheet.run.run import Run
from lightsheet.system.errors import InputError
from tests.support import tiny_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tiny_run.make(tmp_path_factory.mktemp("original"), input={"settle": 0.001})


def test_configuration_holds_here(original: Run, tmp_path: Path) -> None:
    raw = shutil.copytree(original.acquisition.folder, tmp_path / "raw")
    repetition = repeat.make_config(reader.read_crate(original.results.folder), raw)
    config.check_config(repetition)
    assert repetition["input"] == {**original.config["input"], "folder": str(raw), "settle": 0}
    copies = original.results.folder / "provenance" / "psf"
    assert repetition["psf"]["files"] == {channel: str(copies / f"{channel}.tif") for channel in tiny_run.NAMES}
    assert repetition["output"] == {**original.config["output"], "folder": "repeated"}
    assert repetition["voxel_size"] == {**tiny_run.VOXEL, "override": True}
    assert repetition["deconvolution"] == original.config["deconvolution"]


def test_one_channel_of_a_psf_file_is_repeated_and_verified(tmp_path: Path) -> None:
    """Whose voxel size is the file's, and whose copy has another name."""
    tiny_run.simulate(tmp_path / "my data")
    beads = [tifffile.imread(tmp_path / "my data" / name) for name in tiny_run.NAMES.values()]
    tags = {"axes": "ZCYX", "spacing": 0.1, "unit": "um"}
    resolution = (1 / 0.104, 1 / 0.104)
    tifffile.imwrite(tmp_path / "beads.tif", np.stack(beads, 1), imagej=True, metadata=tags, resolution=resolution)
    entries = {channel: {"path": str(tmp_path / "beads.tif"), "channel": c} for c, channel in enumerate(tiny_run.NAMES)}
    run = tiny_run.prepare(tmp_path, psf={"files": entries, "voxel_size": {}})
    tiny_run.finish(run)
    assert all(outcome["identical"] for outcome in verify.verify_volumes(run.results.folder, volumes=4, threads=1))
    repetition = repeat.make_config(reader.read_crate(run.results.folder), run.acquisition.folder)
    copies = run.results.folder / "provenance" / "psf"
    expected = {c: {**entry, "path": str(copies / f"{c}.tif")} for c, entry in entries.items()}
    assert repetition["psf"]["files"] == expected
    assert repetition["psf"]["voxel_size"] == {"override": True}


def test_engine_is_the_one_that_was_used(original: Run) -> None:
    provenance = reader.read_crate(original.results.folder)
    provenance.config["deconvolution"]["engine"] = "auto"  # type: ignore[index]
    assert repeat.make_config(provenance, original.acquisition.folder)["deconvolution"]["engine"] == "cpu"


def test_numbers_that_auto_would_choose_from_other_timepoints_now_are_those_that_were_used(original: Run) -> None:
    provenance = reader.read_crate(original.results.folder)
    for row in provenance.rows:
        row["sampled"] = "0 1"
    assert repeat.make_config(provenance, original.acquisition.folder)["deconvolution"]["background"] == "auto"
    for row in provenance.rows:
        row["sampled"] = "0"  # the other timepoint was appended
    backgrounds = {row["channel"]: json.loads(row["settings"])["background"] for row in provenance.rows}
    assert repeat.make_config(provenance, original.acquisition.folder)["deconvolution"]["background"] == backgrounds
    assert all(isinstance(counts, float) for counts in backgrounds.values())


@pytest.mark.parametrize(
    ("bits", "sampled", "expected"),
    [({}, "0 1", (33, "full")), ({"precision": 11}, "0 1", ("auto", "full")), ({"precision": 11}, "0", (33, 11))],
    ids=["an earlier version rounded no further", "auto finds the same", "a timepoint was appended"],
)
def test_whole_numbers_are_repeated_as_finely_as_they_were(
    original: Run, bits: dict[str, int], sampled: str, expected: tuple[Any, Any]
) -> None:
    provenance = reader.read_crate(original.results.folder)
    provenance.config["output"] |= {"dtype": "uint16", "scale": "auto"}
    for row in provenance.rows:
        row["settings"] = json.dumps({**json.loads(row["settings"]), "dtype": "uint16", "scale": 33, **bits})
        row["sampled"] = sampled
    output = repeat.make_config(provenance, original.acquisition.folder)["output"]
    assert (output["scale"], output["precision"]) == expected


def test_a_folder_without_the_raw_files_is_refused(original: Run, tmp_path: Path) -> None:
    raw = shutil.copytree(original.acquisition.folder, tmp_path / "raw")
    absent = sorted(raw.glob("*_CamA_ch1_*stack0001*"))
    for path in absent:
        path.unlink()
    with pytest.raises(
        InputError, match=r"raw lacks 2 of the 8 raw files that the provenance names, such as a b_"
    ) as error:
        repeat.make_config(reader.read_crate(original.results.folder), raw)
    assert absent[0].name in str(error.value)


def test_remarks_say_what_to_install(original: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    provenance = reader.read_crate(original.results.folder)
    monkeypatch.setattr(software, "digest_code", lambda _repository: provenance.software["code"])
    assert repeat.list_remarks(provenance, tiny_run.ROOT) == []
    monkeypatch.setattr(software, "list_versions", lambda: {**provenance.software, "numpy": "1.0"})
    numpy, remedy = repeat.list_remarks(provenance, tiny_run.ROOT)
    assert numpy.startswith("numpy: 1.0 here, ")
    assert remedy.endswith(f"pip install -r {original.results.folder}/provenance/requirements.txt")


@pytest.mark.parametrize(
    ("commit", "remark"),
    [
        ("0123abc", "the run's code: git checkout 0123abc"),
        (
            "0123abc with uncommitted changes",
            "git checkout 0123abc, but for changes that were not committed (0123abc with uncommitted changes)",
        ),
        ("unknown", "where the run's code is cannot be told: its checkout had no git history"),
    ],
)
def test_remarks_say_where_the_code_is(
    original: Run, monkeypatch: pytest.MonkeyPatch, commit: str, remark: str
) -> None:
    provenance = reader.read_crate(original.results.folder)
    provenance.entities["provenance/Snakefile"]["version"] = commit  # type: ignore[index]
    monkeypatch.setattr(software, "digest_code", lambda _repository: "another")
    differs, where = repeat.list_remarks(provenance, tiny_run.ROOT)
    assert differs == "the workflow's own code differs"
    assert where.endswith(remark)


def test_the_command_prints_a_configuration_or_says_what_is_missing(
    original: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(original.results.folder)
    assert cli.main(["repeat", folder, str(original.acquisition.folder)]) == 0
    output = capsys.readouterr()
    assert config.check_config(yaml.safe_load(output.out))["name"] == "tiny"
    assert cli.main(["repeat", folder, str(tmp_path / "nowhere")]) == 2
    assert "nowhere: there is no such folder" in capsys.readouterr().err
    assert cli.main(["repeat", str(tmp_path), folder]) == 2
    assert "there is no provenance here" in capsys.readouterr().err


def test_a_psf_that_was_not_used_is_refused(original: Run, tmp_path: Path) -> None:
    copy = shutil.copytree(original.results.folder, tmp_path / "copy")
    (copy / "provenance" / "psf" / "CamA_ch0_488nm.tif").write_bytes(b"other")
    with pytest.raises(InputError, match="is not the file that the provenance names"):
        repeat.make_config(reader.read_crate(copy), original.acquisition.folder)

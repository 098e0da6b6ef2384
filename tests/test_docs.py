"""Every command in README.md, docs/ and the comments of configurations is typed here, or named with what types it."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import tifffile
import yaml
from packaging.requirements import Requirement
from snakemake.cli import get_argument_parser

from lightsheet import cli, store
from lightsheet.provenance.software import digest_code
from lightsheet.run.prepare import prepare_run
from tests.support.doc_commands import MARKDOWN, PAGES, Reader, is_name, list_commands
from tests.support.project import ROOT, VOXEL
from tests.support.tiny_run import finish

TARGETS = set(re.findall(r"^rule (\w+):", (ROOT / "Snakefile").read_text(), re.MULTILINE))
OWN_STORE = ROOT / "docs" / "own-store.md"


class Excuse(NamedTuple):
    """Why a command is not typed here, and which test does what it does, if any can."""

    reason: str
    test: str | None = None


(DIGEST,) = (line for line in list_commands(ROOT / "docs" / "provenance.md") if line.startswith("LC_ALL"))

(DOCKER_RUN,) = (line for line in list_commands(ROOT / "docs" / "install.md") if line.startswith("docker run"))

CONDA = Excuse("needs a channel of conda", "test_environment.py::test_the_conda_environment_has_the_pinned_versions")
CONTAINER = Excuse("makes an image of 3 GB", "test_environment.py::test_containers_are_made_as")
DRY_RUN = Excuse("takes minutes, or is the tests themselves", "test_docs.py::test_make_knows_what_to_do")
HEAD = Excuse("needs SLURM", "slurm/test_runs.py::test_the_head_job_continues_after_its_time_limit")
INSTALLATION = Excuse("downloads a gigabyte; .ci/run does it", "test_docs.py::test_make_knows_what_to_do")
MINUTES = Excuse("measures for minutes, on a quiet machine", "test_docs.py::test_benchmarks_can_be_loaded")
REPEATED = Excuse("one more whole run", "runs/test_repeat.py::test_provenance_and_raw_files_are_enough")
SHIPPED = Excuse("needs SLURM", "slurm/test_runs.py::test_a_run_from_the_projects_root_with_the_shipped_settings")
SITE = Excuse("asks a site's SLURM for its names", "slurm/test_minislurm.py::test_a_site_tells_its_names")
UNREACHABLE = Excuse("asks other machines than package indexes")

NOT_TYPED = {
    "make demo": DRY_RUN,
    "make install": INSTALLATION,
    "make install && source .venv/bin/activate": INSTALLATION,
    "make install-gpu": INSTALLATION,
    **dict.fromkeys(("make check", "make test", "make lint", "make fuzz", "make matrix", "make chaos N=100"), DRY_RUN),
    "open results/demo/report.html": Excuse("needs a desktop", "viewing/test_page.py::test_"),
    "snakemake --profile slurm": SHIPPED,
    "snakemake --profile slurm --configfile my.yaml": SHIPPED,
    "snakemake --cores 2 --set-resources deconvolve:dask_cluster=cpu --configfile my.yaml": Excuse(
        "needs SLURM", "slurm/test_workers.py::test_lost_workers_are_replaced_in_the_same_run"
    ),
    "sbatch profiles/slurm/head.sbatch --configfile my.yaml": HEAD,
    "sbatch --test-only": Excuse("needs SLURM", "slurm/test_workers.py::test_what_sbatch_refuses_is_said_before"),
    'squeue --me -o "%i %T %j %k"': SITE,
    "sinfo -s": SITE,
    "sacctmgr show associations user=$USER format=account": Excuse("needs a site's accounting"),
    DIGEST: Excuse("is for the root of a checkout", "test_docs.py::test_the_printed_digest_is_that_of_the_code"),
    "export SLURM_CLUSTERS=NAME": Excuse("needs several clusters", "cluster/test_slurm.py::test_"),
    "apptainer build lightsheet.sif envs/lightsheet.def": CONTAINER,
    "apptainer exec lightsheet.sif snakemake --snakefile /opt/lightsheet-decon/Snakefile -c all --configfile my.yaml": (
        CONTAINER
    ),
    "docker build --file envs/Dockerfile --tag lightsheet-decon .": CONTAINER,
    "podman build --file envs/Dockerfile --tag lightsheet-decon .": CONTAINER,
    DOCKER_RUN: CONTAINER,
    "conda env create --name lightsheet --file envs/lightsheet.yaml": CONDA,
    "conda activate lightsheet": CONDA,
    'pip install "snakemake~=9.27" "snakemake-executor-plugin-slurm~=2.8" pygments setuptools': CONDA,
    "pip install --no-deps --no-build-isolation --editable .": CONDA,
    "git clone": UNREACHABLE,
    "git pull": UNREACHABLE,
    "pip install psfmodels": UNREACHABLE,
    "git checkout ...": UNREACHABLE,
    "git tag -a vX.Y.Z": Excuse("releases"),
    "snakemake -c all --configfile repeat.yaml": REPEATED,
    "pip install -r theirs/provenance/requirements.txt": Excuse(
        "replaces the packages of the tests", "test_docs.py::test_pip_could_install_what_a_crate_lists"
    ),
    **{
        f"python benchmarks/{name}": MINUTES
        for name in (
            *("accept_gpu.py OUT", "beside_gpu.py", "cluster.py", "deconvolution.py", "end_to_end.py", "frames.py"),
            *("ingest.py", "large.py", "memory.py", "one_volume.py", "plan.py", "quality.py", "suggestion.py"),
        )
    },
}
"""What is not typed here."""

SMALL = " --shape 12 40 36 --psf-shape 31 20 20"
COMMANDS = {command: page for page in reversed(PAGES) for command in list_commands(page)}


def names_a_test(test: str) -> bool:
    file, _, name = test.partition("::")
    return f"def {name}" in (ROOT / "tests" / file).read_text(encoding="utf-8")


def test_the_table_of_what_is_not_typed_is_current() -> None:
    assert NOT_TYPED.keys() - COMMANDS.keys() == set(), "no page has these any more"
    assert [other.test for other in NOT_TYPED.values() if other.test and not names_a_test(other.test)] == []


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Somebody who has a small data/demo, and has typed what README.md says, from init to the figure."""
    reader = Reader(tmp_path_factory.mktemp("reader") / "clone")
    reader.check_out()
    reader.type("lightsheet simulate data/demo --scan straight --channels 1 --timepoints 1" + SMALL)
    for command in list_due(ROOT / "README.md"):
        reader.type(command)
        if command.startswith("lightsheet init"):
            reader.fill_in()
    crate = reader.folder / "theirs"
    crate.mkdir()
    shutil.copy(reader.folder / "results" / "demo" / "ro-crate-metadata.json", crate)
    shutil.copytree(reader.folder / "results" / "demo" / "provenance", crate / "provenance")
    return reader


def name_page(page: Path) -> str:
    return str(page.relative_to(ROOT))


def list_due(page: Path) -> list[str]:
    """Return what is to be typed of a page."""
    return [line for line in list_commands(page) if line not in NOT_TYPED and not is_name(line)]


@pytest.mark.workflow
@pytest.mark.parametrize("page", [page for page in PAGES if page != OWN_STORE], ids=name_page)
def test_the_commands_of_a_page_do_what_it_says(page: Path, reader: Reader) -> None:
    due = list_due(page)
    for command in due:
        reader.type(command)
    assert {command: reader.failures[command] for command in due if command in reader.failures} == {}


def test_a_command_that_is_wrong_is_a_failure(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "clone")
    reader.check_out()
    for command in ("lightsheet figrue results/NAME", "lightsheet verify results/NAME", "make help"):
        reader.type(command)
    assert reader.failures.keys() == {"lightsheet figrue results/NAME", "lightsheet verify results/NAME"}
    with pytest.raises(AssertionError, match="not to be typed"):
        reader.type("pip install something")


@pytest.mark.workflow
def test_the_readme_ends_with_what_it_shows(reader: Reader) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (tree,) = re.findall(r"```\nresults/NAME/\n(.*?)```", text, re.DOTALL)
    for line in tree.splitlines():
        path = line.split()[0].replace("NAME", "demo").replace("CHANNEL", "CamA_ch0_488nm")
        assert (reader.folder / "results" / "demo" / path).exists(), path
    assert (reader.folder / "figure.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.workflow
def test_pip_could_install_what_a_crate_lists(reader: Reader) -> None:
    lines = (reader.folder / "theirs" / "provenance" / "requirements.txt").read_text().splitlines()
    assert {"numpy", "zarr"} <= {Requirement(line).name for line in lines}


@pytest.mark.workflow
def test_the_printed_digest_is_that_of_the_code() -> None:
    printed = subprocess.run(DIGEST, shell=True, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert printed.split()[0] == digest_code(ROOT)


@pytest.mark.slow
def test_the_page_of_a_microscopes_own_store(tmp_path: Path) -> None:
    """Its configuration as it stands; the run without Snakemake, whose commands are those of README.md."""
    reader = Reader(tmp_path / "clone")
    reader.check_out()
    reader.type("lightsheet simulate data --channels 2 --timepoints 1" + SMALL)
    shutil.move(reader.folder / "data" / "psf", reader.folder / "psf")
    volumes = np.stack([tifffile.imread(path) for path in sorted((reader.folder / "data").glob("*.tif"))])
    place = reader.folder / "movie.ome.zarr"
    store.write(volumes[None], place, axes="tczyx", voxel_size=VOXEL, channels=["GFP", "RFP"], interval=1)
    (config,) = re.findall(r"```yaml\n(.*?)```", OWN_STORE.read_text(encoding="utf-8"), re.DOTALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(reader.folder)
        settings = yaml.safe_load(config)
        assert prepare_run(settings).channels == ("GFP", "RFP")
        settings["deconvolution"]["engine"] = "cpu"  # auto is for a run's workers to say
        settings["output"]["precision"] = "full"
        finish(prepare_run(settings))
    for command in list_due(OWN_STORE):
        if not command.startswith("snakemake"):
            reader.type(command)
    assert reader.failures == {}
    assert len(reader.typed) == 4
    snakemake = [line for line in list_due(OWN_STORE) if line.startswith("snakemake")]
    assert set(snakemake) <= set(list_due(ROOT / "README.md"))


def test_the_lines_for_a_computed_psf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a flat PSF in psfmodels' place, which is no package of ours: it is as wide as the light sheet."""
    (lines,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "psf.md").read_text(encoding="utf-8"), re.DOTALL)
    stand_in = SimpleNamespace(make_psf=lambda z, nx, **_options: np.ones((z, nx, nx)))
    monkeypatch.setitem(sys.modules, "psfmodels", stand_in)
    monkeypatch.chdir(tmp_path)
    exec(compile(textwrap.dedent(lines), "psf.md", "exec"), {})
    psf = tifffile.imread(tmp_path / "psf_ch0.tif")
    assert psf.shape == (41, 41, 41)
    assert 0.4 * np.count_nonzero(psf[:, 0, 0] >= 0.5) == pytest.approx(2.0, abs=0.4)


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("make ")])
def test_make_knows_what_to_do(command: str) -> None:
    arguments = shlex.split(command.partition("&&")[0])[1:]
    ended = subprocess.run(
        ["make", "--dry-run", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.slow
def test_benchmarks_can_be_loaded() -> None:
    """Their imports and tables; no more of them than that is run."""
    code = "import runpy, sys; [runpy.run_path(path, run_name='loaded') for path in sys.argv[1:]]"
    files = sorted(map(str, (ROOT / "benchmarks").glob("*.py")))
    for command in COMMANDS:
        assert not command.startswith("python ") or str(ROOT / command.split()[1]) in files
    path = f"{ROOT / 'benchmarks'}:{ROOT / 'scripts'}:{ROOT}"
    ended = subprocess.run(
        [sys.executable, "-c", code, *files], cwd=ROOT, env={**os.environ, "PYTHONPATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith(("snakemake ", "sbatch profiles"))])
def test_snakemake_reads_the_options(command: str) -> None:
    words = shlex.split(command)
    options = get_argument_parser(profiles=[]).parse_args(words[1 + (words[0] == "sbatch") :])
    assert set(options.targets) <= TARGETS


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("lightsheet ") and is_name(line)])
def test_a_named_command_is_one(command: str) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.build_parser().parse_args([*shlex.split(command)[1:], "--help"])
    assert ended.value.code == 0


@pytest.mark.parametrize("page", MARKDOWN, ids=name_page)
def test_links_lead_somewhere(page: Path) -> None:
    for target, heading in re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path = page.parent / target if target else page
        assert path.exists(), target
        assert not heading or heading in list_headings(path), f"{target}#{heading}"


def list_headings(page: Path) -> list[str]:
    """Return the names by which headings of a page can be linked to, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]


def test_the_readme_is_short_and_leads_to_every_page() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    assert [name_page(page) for page in MARKDOWN[1:] if f"({name_page(page)})" not in text] == []

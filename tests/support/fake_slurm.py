"""A SLURM whose jobs are processes of this machine, and whose commands print what those of real sites do."""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

BANNER = """-----------------------------------------------------------------
          Welcome to the Stampede3 Supercomputer, 2 notes
-----------------------------------------------------------------
No reservation for this job
--> Verifying valid submit host (login4)...OK"""

COMMAND = r"""#!{python} -SE
import fcntl, os, re, shlex, signal, subprocess, sys
from contextlib import suppress
from pathlib import Path
place, name, words = Path({place!r}), Path(sys.argv[0]).name, sys.argv[1:]
jobs = place / "jobs"

def find_option(*options):
    for i, word in enumerate(words):
        for option in options:
            if word == option: return words[i + 1]
            if word.startswith(option + "="): return word[len(option) + 1:]

def refuse(text):
    print("sbatch: error: " + text, file=sys.stderr); sys.exit(1)

def is_alive(job):
    try: os.killpg(int((jobs / job / "pid").read_text()), 0)
    except (OSError, ValueError): return False
    return True

def submit():
    global words
    wrapped = find_option("--wrap")
    if "--test-only" in words: sys.exit(0)
    script = "#!/bin/sh\n" + wrapped if wrapped else Path(words[-1]).read_text()
    words += [w for line in re.findall("^#SBATCH (.*)", script, re.MULTILINE) for w in shlex.split(line)]
    if {forbid_mem} and any(w == "--mem" or w.startswith("--mem=") for w in words):
        refuse("lua: Requesting memory by node is not supported. Use --mem-per-cpu.")
    with (place / "asked").open("a+") as asked:
        fcntl.flock(asked, fcntl.LOCK_EX)
        asked.seek(0); count = len(asked.readlines()); asked.write("x\n"); asked.flush()
        if count < {silent}: refuse("Batch job submission failed: Socket timed out on send/recv operation")
        number = str(519605 + len(list(jobs.iterdir()))); (jobs / number).mkdir()
    (jobs / number / "name").write_text(find_option("--job-name", "-J")); (jobs / number / "script").write_text(script)
    out = (find_option("--output", "-o") or "/dev/null").replace("%j", number).replace("%J", number)
    err = (find_option("--error", "-e") or out).replace("%J", number)
    environment = {{**os.environ, "SLURM_JOB_ID": number}}
    with open(out, "ab") as o, open(err, "ab") as e:
        shell = f"bash {{jobs}}/{{number}}/script; echo $? > {{jobs}}/{{number}}/code"
        process = subprocess.Popen(["sh", "-c", shell], stdin=subprocess.DEVNULL, stdout=o, stderr=e,
                                   env=environment, start_new_session=True)
    (jobs / number / "new").write_text(str(process.pid)); (jobs / number / "new").rename(jobs / number / "pid")
    if {banner!r}: print({banner!r})
    on = " on cluster {cluster}" if {cluster!r} else ""
    print(number + ";{cluster}".rstrip(";") if "--parsable" in words else f"Submitted batch job {{number}}{{on}}")

def show():
    if {note!r}: print({note!r})
    if {cluster!r}: print("CLUSTER: {cluster}")
    for job in sorted(jobs.iterdir()):
        if not (job / "pid").exists(): continue
        alive = is_alive(job.name)  # asked first: of a job that ends meanwhile the code may not be there yet
        code = (job / "code").read_text().strip() if (job / "code").exists() else ""
        state = "RUNNING" if alive else "CANCELLED" if (job / "cancelled").exists() else "COMPLETED"
        state = "FAILED" if state == "COMPLETED" and code not in ("", "0") else state
        print(job.name + "|" + state + "|None|node1|" + (job / "name").read_text())

def cancel():
    (place / "cancelled").open("a").write(" ".join(words) + "\n")
    for job in filter(str.isdecimal, words):
        if (jobs / job).exists():
            (jobs / job / "cancelled").touch()
            with suppress(ProcessLookupError):  # it ends by itself
                if is_alive(job): os.killpg(int((jobs / job / "pid").read_text()), signal.SIGTERM)
        else: sys.exit("scancel: error: Kill job error on job id " + job + ": Invalid job id specified")

dict(sbatch=submit, squeue=show, scancel=cancel).get(name, lambda: None)()
"""


class FakeSlurm:
    """Commands sbatch, squeue, scancel, sacct and sinfo in a folder that goes on the PATH.

    sbatch prints `banner` before the job, takes no `--mem` if it is forbidden, and does not answer the first `silent`
    times; squeue prints a `note`; with `cluster`, both speak of it as they do where there are several.
    """

    def __init__(
        self,
        folder: Path,
        *,
        banner: str = "",
        cluster: str = "",
        note: str = "",
        forbid_mem: bool = False,
        silent: int = 0,
    ) -> None:
        self.folder, self.bin = folder, folder / "bin"
        for path in (folder / "jobs", self.bin):
            path.mkdir(parents=True)
        for name in ("sbatch", "squeue", "scancel", "sacct", "sinfo"):
            text = COMMAND.format(
                python=sys.executable,
                place=str(folder),
                banner=banner,
                cluster=cluster,
                note=note,
                forbid_mem=forbid_mem,
                silent=silent,
            )
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)

    @property
    def scripts(self) -> list[str]:
        """The scripts of all jobs, in their order."""
        return [(job / "script").read_text() for job in sorted((self.folder / "jobs").iterdir())]

    @property
    def cancelled(self) -> list[str]:
        """What scancel was asked for."""
        path = self.folder / "cancelled"
        return path.read_text().split("\n") if path.exists() else []

    def end(self) -> None:
        """End what still runs."""
        for job in (self.folder / "jobs").glob("*/pid"):
            with suppress(OSError, ValueError):
                os.killpg(int(job.read_text()), signal.SIGKILL)

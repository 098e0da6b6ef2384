"""Processes that are copies of one: what they have of it and what not, and when it ends."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.project import ROOT

COPIED = """
import multiprocessing, os, sys
from lightsheet.system import hide_main, share_fork_server

AT_IMPORT = os.getpid()

def describe(connection, generations):
    rest = []
    if generations > 1:
        share_fork_server()
        rest = make_copy(generations - 1)
    connection.send([[AT_IMPORT, os.getppid(), os.environ.get("LIMIT")], *rest])

def make_copy(generations):
    receiver, sender = multiprocessing.Pipe(duplex=False)
    with hide_main():
        process = multiprocessing.get_context("forkserver").Process(target=describe, args=(sender, generations))
        process.start()
    described = receiver.recv()
    process.join()
    return described
"""

MAIN = """
import json, os
from pathlib import Path
from lightsheet.system import start_fork_server, stop_fork_server

with Path("runs").open("a") as file:
    file.write("here ")  # and not in a copy
import copied

start_fork_server(["no_such_module", "copied"], {"LIMIT": "7"})
copies = [*copied.make_copy(2), *copied.make_copy(1)]
seconds = os.times().children_user
stop_fork_server()
children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
print(json.dumps([copies, os.environ.get("LIMIT"), children, os.times().children_user > seconds]))
"""


def test_copies_of_copies_have_what_one_process_imported(tmp_path: Path) -> None:
    (tmp_path / "copied.py").write_text(COPIED)
    (tmp_path / "main.py").write_text(MAIN)
    command = [sys.executable, "main.py"]
    ended = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": f"{ROOT / 'scripts'}"}, capture_output=True, text=True, check=True
    )
    copies, limit, children, counts_copies = json.loads(ended.stdout)
    servers = {server for _, server, _ in copies}
    assert len(copies) == 3
    assert len(servers) == 1
    assert {at_import for at_import, _, _ in copies} == servers
    assert {of_copy for _, _, of_copy in copies} == {"7"}
    assert (limit, counts_copies) == (None, True)
    assert children == ""  # whoever stays holds standard error open, and a run would wait for it
    assert (tmp_path / "runs").read_text() == "here "


KILLED = """
import multiprocessing, os, signal
from lightsheet.system import hide_main, start_fork_server, stop_fork_server

def leave_semaphore():
    lock = multiprocessing.get_context("forkserver").Lock()
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    from main import leave_semaphore
    start_fork_server([])
    process = multiprocessing.get_context("forkserver").Process(target=leave_semaphore)
    with hide_main():
        process.start()
    process.join()
    stop_fork_server()
"""


def test_what_a_killed_copy_has_shared_is_freed_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(KILLED)
    environment = {"PYTHONPATH": f"{ROOT / 'scripts'}"}
    command = [sys.executable, "main.py"]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert ended.stderr == ""


def test_a_run_ends_as_ever_where_its_starter_ignores_the_ends_of_children(tmp_path: Path) -> None:
    signals = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)"
    code = f"{signals}; from lightsheet.system import fork_server as s; s.start_fork_server([]); s.stop_fork_server()"
    environment = {"PYTHONPATH": f"{ROOT / 'scripts'}"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, timeout=60)


INTERRUPTED = """
import multiprocessing, os, signal, time
from multiprocessing import forkserver
from lightsheet.system import hide_main, start_fork_server, stop_fork_server, was_server_interrupted

def describe(connection):
    handler = signal.getsignal(signal.SIGINT)
    connection.send([was_server_interrupted(), handler is signal.default_int_handler])

if __name__ == "__main__":
    from main import describe
    start_fork_server(["slow"])
    while not os.path.exists("importing"):
        time.sleep(0.01)
    os.kill(forkserver._forkserver._forkserver_pid, signal.SIGINT)
    receiver, sender = multiprocessing.Pipe(duplex=False)
    open("interrupted", "w").close()
    with hide_main():
        multiprocessing.get_context("forkserver").Process(target=describe, args=(sender,)).start()
    print(receiver.recv(), was_server_interrupted())
    stop_fork_server()
"""

SLOW = """
import os, time

open("importing", "w").close()
while not os.path.exists("interrupted"):
    time.sleep(0.01)
"""


def test_ctrl_c_while_the_server_imports_is_no_traceback_and_copies_know_of_it(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(INTERRUPTED)
    (tmp_path / "slow.py").write_text(SLOW)
    environment = {"PYTHONPATH": f"{ROOT / 'scripts'}"}
    command = [sys.executable, "main.py"]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert (ended.stdout, ended.stderr) == ("[True, True] False\n", "")

"""Another user of this computer, who knows all addresses and has no key."""

import subprocess
import sys
from collections.abc import Iterable

import psutil

NOBODY = 65534

ATTACK = """
import asyncio, os, sys
from distributed.comm import connect
from distributed.security import Security
import distributed.comm.tcp, socket, encodings.idna

async def is_answered(address, security):
    comm = await connect(address, timeout=SECONDS, **security.get_connection_args("client"))
    await comm.write({"op": "identity", "reply": True})
    print(address, await comm.read(), flush=True)

async def attack(ports):
    attempts = {"tcp": Security(require_encryption=False), "tls": Security.temporary()}
    calls = [is_answered(f"{scheme}://127.0.0.1:{port}", attempts[scheme]) for port in ports for scheme in attempts]
    await asyncio.wait(map(asyncio.ensure_future, calls), timeout=SECONDS)
    os._exit(0)

Security.temporary().get_connection_args("client")  # loads what nobody may not read here
os.setgroups([])
os.setgid(USER)
os.setuid(USER)
asyncio.run(attack(sys.argv[1:]))
"""

SECONDS = 1.0  # an answer on this machine takes milliseconds


def list_listeners(process: psutil.Process | None = None) -> list[tuple[str, int]]:
    """Return where a process (this one) and its children listen: hosts and ports."""
    process = process or psutil.Process()
    processes = [process, *process.children(recursive=True)]
    return [
        (c.laddr.ip, c.laddr.port)
        for p in processes
        for c in p.net_connections("tcp")
        if c.status == psutil.CONN_LISTEN
    ]


def attack(ports: Iterable[int]) -> str:
    """Return what Dask's processes at some ports answered to another user; only root can be one."""
    program = ATTACK.replace("USER", str(NOBODY)).replace("SECONDS", str(SECONDS))
    command = [sys.executable, "-c", program, *map(str, ports)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout

"""Another user of this computer, who knows all addresses and has no key."""

import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress

import psutil

NOBODY = 65534
SECONDS = 3.0
"""For which answers are waited for that should not come: one takes milliseconds, or a second if the machine is busy."""

Address = tuple[str, int]

ATTACK = """
import asyncio, os, sys
from distributed.comm import connect
from distributed.security import Security
import distributed.comm.tcp, socket, encodings.idna

def stop(*answer):
    print(*answer, flush=True)
    os._exit(0)

async def ask_dask(address, security):
    comm = await connect(address, timeout=SECONDS, **security.get_connection_args("client"))
    await comm.write({"op": "identity", "reply": True})
    stop(address, await comm.read())

async def ask_http(host, port):
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.0\\r\\n\\r\\n")
    answer = await reader.read(100)
    if answer.startswith(b"HTTP"):
        stop("http", host, port, answer)

async def attack(addresses):
    calls = []
    for address in addresses:
        host, _, port = address.rpartition(":")
        for scheme, security in {"tcp": Security(require_encryption=False), "tls": Security.temporary()}.items():
            calls.append(ask_dask(f"{scheme}://{address}", security))
        if host != "127.0.0.1":  # where dashboards may listen
            calls.append(ask_http(host, port))
    await asyncio.wait(map(asyncio.ensure_future, calls), timeout=SECONDS)
    os._exit(0)

Security.temporary().get_connection_args("client")  # loads what nobody may not read here
os.setgroups([])
os.setgid(USER)
os.setuid(USER)
asyncio.run(attack(sys.argv[1:]))
"""


def list_listeners(*pids: int) -> list[Address]:
    """Return where processes (this one) and their children listen: hosts and ports, of IPv4."""
    processes = set[psutil.Process]()
    for pid in pids or (None,):
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            processes |= {psutil.Process(pid), *psutil.Process(pid).children(recursive=True)}
    connections = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            connections += process.net_connections("tcp4")
    return [(c.laddr.ip, c.laddr.port) for c in connections if c.status == psutil.CONN_LISTEN]


def attack(addresses: Iterable[Address], seconds: float = SECONDS) -> str:
    """Return the first answer to another user at some addresses, of which there are some; only root can be one."""
    program = ATTACK.replace("USER", str(NOBODY)).replace("SECONDS", str(seconds))
    command = [sys.executable, "-c", program, *(f"{host}:{port}" for host, port in addresses)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60 + seconds, check=True).stdout

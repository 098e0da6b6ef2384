"""What keeps other users out: TLS keys of each coordinator's own, and dashboards on the loopback address.

A Dask scheduler, worker or nanny runs whatever it is sent by any process that can connect to it.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from distributed.deploy.cluster import Cluster
from distributed.security import Security
from distributed.utils import clean_dashboard_address

from lightsheet.system import LOOPBACK, InputError, format_tunnel, logger

DASHBOARD = f"{LOOPBACK}:0"
"""Where dashboards listen, at a free port: they need no key, and show paths and logs."""


@contextmanager
def create_key_files(folder: Path, name: str) -> Iterator[Security]:
    """Make TLS keys for the coordinator `name`, in a folder of its own below `folder`; they are gone at the end.

    A name is one of the user's at a time: what a killed coordinator of the same name has left is removed, and what
    belongs to another member of the group is left alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    prefix = f".keys.{name}."
    for old in folder.iterdir():
        with suppress(FileNotFoundError):  # somebody else's, whose coordinator has just ended
            if old.name.startswith(prefix) and old.lstat().st_uid == os.getuid():
                shutil.rmtree(old, ignore_errors=True)
    place = Path(tempfile.mkdtemp(prefix=prefix, dir=folder))
    try:
        if place.stat().st_mode & 0o077:
            raise InputError(f"{folder} cannot hold the keys of Dask's workers: other users can read all files there")
        yield _write_keys(place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _write_keys(folder: Path) -> Security:
    keys = Security.temporary().get_tls_config_for_role("worker")
    paths = {kind: str(folder / f"{kind}.pem") for kind in ("cert", "key")}
    for kind, path in paths.items():
        Path(path).touch(mode=0o600)
        Path(path).write_text(keys[kind])
    roles = {f"tls_{role}_{kind}": paths[kind] for role in ("client", "scheduler", "worker") for kind in paths}
    return Security(require_encryption=True, tls_ca_file=paths["cert"], **roles)


def choose_dashboard(address: Any) -> Any:
    """Return where a dashboard listens: a port alone means that of the loopback address."""
    if not address:
        return DASHBOARD
    try:
        places = clean_dashboard_address(address)
    except ValueError:
        raise InputError(f"jobqueue.yaml: dashboard_address {address!r} is none; a port is enough, as 8787") from None
    hosts = {place["address"] or LOOPBACK for place in places}
    if hosts - {LOOPBACK, "localhost", "::1"}:
        logger.warning("jobqueue.yaml opens Dask's dashboard to all who reach %s: it asks for no password", address)
    return [f"{place['address'] or LOOPBACK}:{place['port']}" for place in places]


def describe_dashboard(cluster: Cluster) -> str:
    """Say where the dashboard is, and how another computer gets there."""
    port = cluster.scheduler_info["services"]["dashboard"]
    return f"Dask dashboard at http://{LOOPBACK}:{port}/status; from another computer first: {format_tunnel(port)}"

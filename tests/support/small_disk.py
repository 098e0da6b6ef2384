"""Disks so small that they fill up, seen by this process and what it starts alone; mounting them needs root."""

import ctypes
import os
import subprocess
from functools import cache
from pathlib import Path

import pytest


@cache
def unshare_mounts() -> str:
    """Give this process mounts of its own, which vanish with it; return why that cannot be, or nothing."""
    clone_newns = 0x20000
    if os.geteuid() != 0:
        return "only root can mount a small disk"
    if ctypes.CDLL(None, use_errno=True).unshare(clone_newns):
        return f"no mounts of its own ({os.strerror(ctypes.get_errno())})"
    return run("mount", "--make-rprivate", "/")


def run(*command: str | Path) -> str:
    """Run a command; return what it complains of, nothing if it succeeds."""
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        return str(error)
    return "" if ended.returncode == 0 else ended.stderr or f"{command[0]} failed"


def require(reason: str) -> None:
    if reason:
        pytest.skip(reason)


def mount_memory(folder: Path, kilobytes: int) -> None:
    """Mount a disk in memory; skip the test where that is not possible."""
    require(unshare_mounts())
    folder.mkdir(exist_ok=True)
    require(run("mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder))


def resize_memory(folder: Path, kilobytes: int) -> None:
    assert run("mount", "-o", f"remount,size={kilobytes}k", folder) == ""


def mount_thin(folder: Path, kilobytes: int, megabytes: int) -> None:
    """Mount an ext4 of so many MB with so many kB behind it: when it writes out, it learns that there are no more.

    Skip the test where that is not possible.
    """
    behind, image = folder.with_name("behind"), folder.with_name("behind") / "image"
    mount_memory(behind, kilobytes)
    folder.mkdir()
    require(run("truncate", "-s", f"{megabytes}M", image))
    require(run("mkfs.ext4", "-q", "-O", "^has_journal", image))
    require(run("mount", "-o", "loop", image, folder))


def unmount(folder: Path) -> None:
    run("umount", "--lazy", folder)

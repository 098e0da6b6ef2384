"""To take a lock: a free one at once, one whose holder is dead when that is sure.

A holder of this machine is dead if its process is; of any other, if it has not renewed its lock for long enough.
"""

import time
from contextlib import suppress
from pathlib import Path

from lightsheet.store.lock_file import Look, look_at, place, read_clock, write_draft
from lightsheet.store.lock_holder import Holder, is_gone
from lightsheet.system import format_duration, logger

QUIET_SECONDS = 90.0  # since the last renewal of a lock that is surely held: other nodes see its time up to 60 s late
DEAD_SECONDS = 300.0  # without renewal
WATCH_SECONDS = 40.0  # in which no renewal may come before a lock counts as dead: clocks jump, and laptops sleep
POLL_SECONDS = 1.0
RIVAL_SECONDS = 0.05  # between two looks at a lock that another process is taking over

CHECK_SECONDS = 5.0
"""Pause between two looks by which a job learns that its run has lost the lock."""

HANDOVER_SECONDS = 3 * CHECK_SECONDS
"""Time after which jobs of a dead run of another host or user have ended; its own user ends those of this host."""


def take(path: Path, holder: Holder) -> Look | None:
    """Take a lock that is free or dead: None, or the lock of another process that is alive."""
    while True:
        with write_draft(path, holder) as draft:
            if place(draft, path):
                return None
        look = look_at(path)
        if look is None:
            continue
        if look.token == holder.token:
            return None  # placed, although NFS said otherwise
        if _is_dead(path, look):
            if _replace(path, look, holder):
                return None
        elif look := look_at(path):
            return look


def _replace(path: Path, dead: Look, holder: Holder) -> bool:
    """Put a lock in the place of a dead one; False if another process does.

    Of several processes that find the same lock dead, the one replaces it that holds the lock named after it.
    """
    right = path.with_name(f"{path.name}.{dead.token}")
    if take(right, holder):
        time.sleep(RIVAL_SECONDS)
        return False
    try:
        look = look_at(path)
        if not look or look.token != dead.token:
            return False
        with write_draft(path, holder) as draft:
            draft.replace(path)
        _hand_over(dead.holder, holder)
        return True
    finally:
        right.unlink(missing_ok=True)


def _hand_over(before: Holder | None, holder: Holder) -> None:
    """Wait for the end of a dead run's jobs that this process cannot end."""
    if before is None:
        return
    logger.warning("took over the lock of a run that is dead: %s", before)
    if (before.machine, before.user) != (holder.machine, holder.user):
        time.sleep(HANDOVER_SECONDS)


def _is_dead(path: Path, look: Look) -> bool:
    """Tell whether a lock's holder is dead, and wait until that is sure where its renewals fail to come."""
    if look.holder and is_gone(look.holder):
        return True
    start = time.monotonic()
    while True:
        age, watch_seconds = read_clock(path) - look.seconds, time.monotonic() - start
        if abs(age) <= QUIET_SECONDS:
            return False
        if watch_seconds >= WATCH_SECONDS and max(age, watch_seconds) > DEAD_SECONDS:
            return True
        if watch_seconds < POLL_SECONDS:
            wait = max(WATCH_SECONDS, DEAD_SECONDS - max(age, 0))
            logger.warning(
                "%s: the lock of %s was last renewed %s ago: this run starts in %s, unless the other one is alive",
                path.parent,
                look.holder or "another run",
                format_duration(abs(age)),
                format_duration(wait),
            )
        time.sleep(POLL_SECONDS)
        state = look_at(path)
        if state is None or state.token != look.token or state.seconds != look.seconds:
            return False


def remove_scratch(path: Path) -> None:
    """Remove what processes left beside a lock that were killed while they took it."""
    with suppress(OSError):
        now = read_clock(path)
        for scratch in path.parent.glob(f"{path.name}.*"):
            if now - scratch.stat().st_mtime > DEAD_SECONDS:
                scratch.unlink()

"""One writer at a time, and the second is told who the first is."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from ingest.errors import BusyError, HpdError, printable
from ingest.settings import Settings

DBT = "dbt"  # plain `dbt run`, which has no --wait


@contextmanager
def writer_lock(settings: Settings, command: str, wait_seconds: float = 0) -> Iterator[int]:
    """Hold the warehouse for writing; yields the descriptor, for a child process to inherit.

    The kernel frees the lock when its holders end, however they end: a file left behind is never stale.

    Raises:
        BusyError: another command still holds it after `wait_seconds`.
        HpdError: the folder cannot be written.
    """
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(settings.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise HpdError(
            f"ERROR {printable(settings.home, 200)}: cannot be written ({error.strerror}); "
            "name a folder of your own, in HPD_HOME or after --landing"
        ) from None
    try:
        _acquire(descriptor, settings, wait_seconds, "" if command == DBT else ", or wait for it with --wait SECONDS")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        os.ftruncate(descriptor, 0)
        name = command if command == DBT else f"hpd {command}"
        os.pwrite(descriptor, f"`{name}` (process {os.getpid()}, since {now})".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _is_still_there(descriptor: int, settings: Settings) -> bool:
    """Whether what is locked is the file that others would lock."""
    try:
        return os.fstat(descriptor).st_ino == settings.lock_file.stat().st_ino
    except FileNotFoundError:
        return False


def _acquire(descriptor: int, settings: Settings, wait_seconds: float, how_to_wait: str) -> None:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_still_there(descriptor, settings):
                raise BusyError(f"ERROR {printable(settings.lock_file, 200)}: was removed while waiting; try again")
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = os.pread(descriptor, 200, 0).decode(errors="replace") or "another command"
                raise BusyError(
                    f"ERROR {printable(settings.home, 200)}: {printable(holder, 200)} is writing to this warehouse; "
                    f"try again when it is done{how_to_wait}"
                ) from None
            time.sleep(0.1)

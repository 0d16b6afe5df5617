"""What a scheduler left running did: one line of JSON per step in `HPD_HOME/hpd.log`; counts and names, never a cell.

A line is one write to a file opened for appending, so that lines of two commands never mix. The log is for its owner
alone, and a log that cannot be written stops nothing.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ingest.settings import Settings

KEEP_BYTES = 5_000_000  # about 20,000 lines; then it becomes hpd.log.1, and the one before that goes


def log_file(settings: Settings) -> Path:
    """Where the lines go."""
    return settings.home / "hpd.log"


def write(settings: Settings, **facts: object) -> None:
    """Append a line: the time, the process, and `facts` that are known (not None)."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    told = {"time": now, "process": os.getpid(), **{k: v for k, v in facts.items() if v is not None}}
    path = log_file(settings)
    try:
        if path.exists() and path.stat().st_size > KEEP_BYTES:
            path.replace(path.with_name(path.name + ".1"))
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            # a full disk cuts a line off; the next must not hang on to it
            is_cut = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            os.write(descriptor, ("\n" * is_cut + json.dumps(told) + "\n").encode())
        finally:
            os.close(descriptor)
    except OSError:
        pass


@contextmanager
def step(settings: Settings, command: str, name: str) -> Iterator[dict]:
    """Log how the step `name` of `command` ended and how long it took.

    Yields:
        What else is to be said of it, to be filled in: rows, release, …; the text of an error is never among it, as it
        may quote a cell.
    """
    facts: dict = {}
    started = time.monotonic()

    def ended(status: str, **more: object) -> None:
        seconds = round(time.monotonic() - started, 3)
        write(settings, command=command, step=name, status=status, seconds=seconds, **facts, **more)

    try:
        yield facts
    except SystemExit as end:  # how a command says its status
        ended("failed" if end.code in (1, 2) else "ok", exit=end.code or 0)
        raise
    except BaseException as error:
        ended("failed", error=type(error).__name__, exit=getattr(error, "exit_status", None))
        raise
    ended("ok")

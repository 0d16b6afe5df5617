"""One writer at a time, and the second is told who the first is."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from ingest.errors import BusyError, HpdError
from ingest.settings import Settings
from warehouse.lock import writer_lock


def test_the_second_writer_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    with (
        writer_lock(Settings(tmp_path), "refresh"),
        pytest.raises(BusyError, match=rf"`hpd refresh` \(process {os.getpid()}, since .*--wait SECONDS"),
        writer_lock(Settings(tmp_path), "load"),
    ):
        pass


def test_the_lock_is_free_again_after_the_first_writer(tmp_path: Path) -> None:
    for command in ("refresh", "load"):
        with writer_lock(Settings(tmp_path), command) as descriptor:
            assert command in os.pread(descriptor, 100, 0).decode()


def test_a_writer_that_waits_gets_its_turn(tmp_path: Path) -> None:
    got, release = threading.Event(), threading.Event()

    def first() -> None:
        with writer_lock(Settings(tmp_path), "refresh"):
            got.set()
            release.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    got.wait(10)
    threading.Timer(0.3, release.set).start()
    started = time.monotonic()
    with writer_lock(Settings(tmp_path), "load", wait_seconds=10):
        assert time.monotonic() - started > 0.2
    thread.join()


def test_a_lock_file_left_behind_locks_nothing(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("`hpd refresh` (process 1, since 2020-01-01T00:00:00+00:00)")
    with writer_lock(Settings(tmp_path), "refresh") as descriptor:
        assert "2020" not in os.pread(descriptor, 100, 0).decode()


def test_a_folder_that_cannot_be_written_is_said_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(HpdError, match="cannot be written .*name a folder of your own, in HPD_HOME"),
        writer_lock(Settings(tmp_path / "file" / "home"), "refresh"),
    ):
        pass


def test_a_lock_file_that_was_removed_does_not_let_a_second_writer_in_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    flock = fcntl.flock

    def remove_before(descriptor: int, operation: int) -> None:
        (tmp_path / ".lock").unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", remove_before)
    with pytest.raises(BusyError, match="was removed while waiting"), writer_lock(Settings(tmp_path), "refresh"):
        pass

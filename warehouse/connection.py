"""How the two databases are opened: the private one for one writer, the published one for anybody."""

from __future__ import annotations

import os
import time
from pathlib import Path

import duckdb

from ingest.errors import HpdError, printable
from ingest.settings import Settings, load_settings

# what a reader may do: query. No server files, no other database, no way to undo that; and no spilling into the folder
# of the release: a query too big for memory fails, and the disk that a refresh needs stays free
READER = {"enable_external_access": "false", "temp_directory": ""}
# with external access off DuckDB still lets a query write the log beside its database, which later readers would take
# for part of it: no local file then, but the one that is open. It can only be said once that is open.
SEAL = ("set disabled_filesystems = 'LocalFileSystem'", "set lock_configuration = true")
LOCKED = "Could not set lock"  # as DuckDB says it
LOOK_SECONDS = 5  # a writer waits for those who only look, as `hpd status` does
# loading streams, and what does not fit spills to disk: which more threads would need more memory for
FOR_LOADING = f"set memory_limit = '300MB'; set threads = {min(os.cpu_count() or 1, 4)}"


def connect(path: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Open the published database read-only and hardened.

    Args:
        path: a published database; default the release in service of this `HPD_HOME`.

    Raises:
        HpdError: nothing is published yet, or the file cannot be read.
    """
    path = path or load_settings().published_db
    if not path.exists():
        if any((path.parent / "releases").glob("*/hpd.duckdb")):
            raise HpdError(
                f"ERROR {printable(path, 200)}: is gone, or points at a release that is; `hpd status` lists those kept, "
                "`hpd rollback RELEASE` puts one into service, and so does `hpd refresh`"
            )
        raise HpdError(f"ERROR {printable(path, 200)}: nothing is published yet; run `hpd refresh`")
    try:
        return open_release(path)
    except duckdb.Error as error:
        raise HpdError(
            f"ERROR {printable(path, 200)}: cannot be opened: {printable(error, 200)}; `hpd rollback` puts the release "
            "before into service"
        ) from None


def open_release(path: Path) -> duckdb.DuckDBPyConnection:
    """A published database as `connect` opens it: a process cannot hold one file open with two configurations.

    Raises:
        duckdb.Error: it cannot be opened.
    """
    connection = duckdb.connect(str(path), read_only=True, config=READER)
    try:
        for sql in SEAL:
            connection.execute(sql)
    except duckdb.InvalidInputException as error:
        if "has been locked" not in str(error):  # else this process has it open already, and the lock is put on last
            connection.close()
            raise
    return connection


def open_build(settings: Settings, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open the private build database; created on first use, readable by its owner only (mode 0600).

    What a process that writes to it makes from then on is its owner's alone, as the write-ahead log, which holds
    patients too, may be made at any later moment; a release is given leave by name.

    Raises:
        HpdError: another program has it open, or it is damaged.
    """
    path = settings.build_db
    if read_only and not path.exists():
        raise HpdError(f"ERROR {printable(path, 200)}: nothing is loaded yet; run `hpd refresh`")
    if not read_only:
        os.umask(0o077)
    try:
        connection = _connect_build(path, read_only)
    except duckdb.IOException as error:
        if LOCKED in str(error):
            raise HpdError(
                f"ERROR {printable(path, 200)}: another program has it open; close it, and let it open hpd.duckdb "
                f"instead, which never blocks a refresh ({printable(error, 160)})"
            ) from None
        if "Permission denied" in str(error):
            raise HpdError(
                f"ERROR {printable(path, 200)}: is its owner's alone, as it may hold patients; what is published can be "
                "read by all; set HPD_HOME to a folder of your own to make one"
            ) from None
        raise HpdError(_damaged(path, error)) from None
    except duckdb.Error as error:
        raise HpdError(_damaged(path, error)) from None
    if not read_only:
        connection.execute(FOR_LOADING)
        path.chmod(0o600)
    return connection


def _connect_build(path: Path, read_only: bool) -> duckdb.DuckDBPyConnection:
    deadline = time.monotonic() + (0 if read_only else LOOK_SECONDS)
    while True:
        try:
            return duckdb.connect(str(path), read_only=read_only)
        except duckdb.IOException as error:
            if LOCKED not in str(error) or time.monotonic() >= deadline:
                raise
            time.sleep(0.05)


# how the system and DuckDB say that it is not us
OF_THE_DISK = (
    "No space left on device", "Disk quota exceeded", "File too large", "Read-only file system", "Permission denied",
    "Input/output error", "Could not write", "Could not read", "Cannot open file", "has been invalidated",
)  # fmt: skip


def disk_trouble(error: Exception, settings: Settings) -> str | None:
    """The message of an error that the disk, or too little memory, is to blame for; None: they are not."""
    said = str(error)
    if isinstance(error, duckdb.OutOfMemoryException):
        return (
            f"ERROR out of memory ({printable(said.partition(chr(10))[0], 200)}); take less at once, or a larger machine; "
            "the release in service stays"
        )
    if isinstance(error, duckdb.Error) and "Corrupt database file" in said:
        return damaged_release(settings.published_db, error) or _damaged(settings.build_db, error)
    if isinstance(error, OSError) and error.strerror and not isinstance(error, BrokenPipeError):
        where, what = error.filename or settings.home, error.strerror
    elif isinstance(error, duckdb.Error) and any(words in said for words in OF_THE_DISK):
        where, what = settings.home, said
    else:
        return None
    return (
        f"ERROR {printable(where, 200)}: cannot be written or read ({printable(what, 200)}); "
        "make room or give leave there and run the command again; the release in service stays"
    )


def damaged_release(path: Path, error: Exception) -> str | None:
    """The message of an error that a damaged release is to blame for; None: all of it can be read."""
    try:
        with open_release(path) as connection:
            tables = connection.sql("select schema_name, table_name from duckdb_tables()").fetchall()
            for schema, table in tables:
                connection.execute(f'select bit_xor(hash(t)) from "{schema}"."{table}" as t').fetchall()
    except duckdb.Error:
        if path.exists():
            return (
                f"ERROR {printable(path.resolve(), 200)}: is damaged ({printable(error, 160)}); `hpd rollback` puts a "
                "release before it into service, `hpd publish` makes it again if the build is whole"
            )
    return None


def _damaged(path: Path, error: Exception) -> str:
    return (
        f"ERROR {printable(path, 200)}: cannot be opened ({printable(error, 160)}); delete it and its .wal and run "
        "`hpd refresh`: everything in it is made again from the inputs, and the published release stays"
    )

"""How the two databases are opened: the private one for one writer, the published one for anybody."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

from ingest.errors import HpdError, printable
from ingest.settings import Settings, load_settings

# what a reader may do: query. No server files, no other database, no way to undo that.
READER = {"enable_external_access": "false", "lock_configuration": "true"}


def connect(path: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Open the published database read-only and hardened.

    Args:
        path: a published database; default the release in service of this `HPD_HOME`.

    Raises:
        HpdError: nothing is published yet, or the file cannot be read.
    """
    path = path or load_settings().published_db
    if not path.exists():
        raise HpdError(f"ERROR {printable(path, 200)}: nothing is published yet; run `hpd refresh`")
    try:
        return duckdb.connect(str(path), read_only=True, config=READER)
    except duckdb.Error as error:
        raise HpdError(f"ERROR {printable(path, 200)}: cannot be opened: {printable(error, 200)}") from None


def open_build(settings: Settings, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open the private build database; created on first use, readable by its owner only (mode 0600).

    Raises:
        HpdError: another program has it open, or it is damaged.
    """
    path = settings.build_db
    if read_only and not path.exists():
        raise HpdError(f"ERROR {printable(path, 200)}: nothing is loaded yet; run `hpd refresh`")
    mask = os.umask(0o077)  # the write-ahead log holds patients too
    try:
        connection = duckdb.connect(str(path), read_only=read_only)
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            raise HpdError(
                f"ERROR {printable(path, 200)}: another program has it open; close it, and let it open hpd.duckdb "
                f"instead, which never blocks a refresh ({printable(error, 160)})"
            ) from None
        raise HpdError(_damaged(path, error)) from None
    except duckdb.Error as error:
        raise HpdError(_damaged(path, error)) from None
    finally:
        os.umask(mask)
    if not read_only:
        connection.execute("set memory_limit = '300MB'")  # loading streams; what does not fit spills to disk
        path.chmod(0o600)
    return connection


def _damaged(path: Path, error: Exception) -> str:
    return (
        f"ERROR {printable(path, 200)}: cannot be opened ({printable(error, 160)}); delete it and its .wal and run "
        "`hpd refresh`: everything in it is made again from the inputs, and the published release stays"
    )

"""The marts as files: Parquet and CSV, with a manifest of checksums, put in place whole."""

from __future__ import annotations

import fcntl
import glob
import hashlib
import json
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import polars as pl

from ingest.errors import PublishError, UsageError, printable
from ingest.settings import Settings
from warehouse.connection import connect
from warehouse.releases import fsync

MANIFEST = "manifest.json"
NEW, OLD = ".hpd-export", ".hpd-export-old"  # ends of the names of what is being written, and of what it replaces
FORMULA = r"^[=+\-@\t\r]"  # what a spreadsheet would run
ESCAPED = "text that a spreadsheet would run as a formula begins with a ' in the CSV files; the Parquet files have it as it is"


def export(settings: Settings, folder: Path, formats: tuple[str, ...] = ("parquet", "csv")) -> dict:
    """Write every published table to `folder`, which is never there in part.

    Args:
        settings: where the release in service is.
        folder: to be made; an earlier export of ours there is replaced.
        formats: parquet, csv, or both.

    Returns:
        The manifest: release, and of every file its table, rows, bytes, sha256 and how many cells were escaped.

    Raises:
        UsageError: `folder` holds something else.
        PublishError: it cannot be written.
    """
    shown = printable(folder, 200)
    try:
        folder = Path(os.path.realpath(folder))  # a link stays, and what it points at is replaced
        if folder == Path.cwd():
            raise UsageError(f"ERROR {shown}: is the folder you are in, and would be replaced under you; name another")
        folder.parent.mkdir(parents=True, exist_ok=True)
        _clear_up(folder)
        if others := _others(folder):
            raise UsageError(
                f"ERROR {shown}: holds something that is no export of `hpd`: {printable(', '.join(others), 200)}; "
                "nothing was written; name another folder, or move that elsewhere"
            )
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=NEW, dir=folder.parent))
    except OSError as error:
        raise PublishError(f"ERROR {shown}: cannot be written ({error.strerror})") from None
    descriptor = os.open(work, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # until it is closed or we are killed: it is no leftover
        manifest = _write(settings, work, formats)
        _replace(folder, work)
    except OSError as error:
        raise PublishError(f"ERROR {shown}: cannot be written ({error.strerror}); what was there stays") from None
    finally:
        os.close(descriptor)
        shutil.rmtree(work, ignore_errors=True)
    return manifest


def _others(folder: Path) -> list[str]:
    """What is where an export is to go and is of none: all that is there, unless there is a manifest of ours."""
    if not folder.is_dir():
        return [folder.name] if folder.exists() else []
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        ours = {MANIFEST, *(file["file"] for file in manifest["files"])} if manifest["release_id"] else set()
    except (OSError, ValueError, LookupError, TypeError):
        ours = set()
    return sorted(p.name for p in folder.iterdir() if p.name not in ours or p.is_symlink() or not p.is_file())


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}{OLD}")


def _bring_back(folder: Path) -> None:
    if _old(folder).exists() and not folder.exists():
        _old(folder).rename(folder)


def _clear_up(folder: Path) -> None:
    """Undo what a killed export left: a folder moved away with none in its place, and those not written out."""
    _bring_back(folder)
    shutil.rmtree(_old(folder), ignore_errors=True)
    for path in folder.parent.glob(f".{glob.escape(folder.name)}.????????{NEW}"):  # as mkdtemp names them
        with suppress(OSError):  # another export, which holds its own, is writing
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)
            finally:
                os.close(descriptor)


def _write(settings: Settings, folder: Path, formats: tuple[str, ...]) -> dict:
    files = []
    with connect(settings.published_db) as connection:
        ((release,),) = connection.sql("select release_id from release").fetchall()
        tables = connection.sql(
            "select schema_name, table_name from duckdb_tables() where database_name = current_database() order by all"
        ).fetchall()
        for schema, table in tables:
            frame = connection.sql(f'from "{schema}"."{table}"').pl()
            for form in formats:
                path = folder / f"{table}.{form}"
                n_escaped = 0
                with path.open("wb") as file:  # Polars takes no path that is not UTF-8
                    if form == "parquet":
                        frame.write_parquet(file, metadata={"hpd_release": release})
                    else:
                        plain, n_escaped = _spreadsheet_safe(frame)
                        plain.write_csv(file)
                fsync(path)
                with path.open("rb") as file:
                    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                files.append({
                    "file": path.name, "table": f"{schema}.{table}", "n_rows": frame.height,
                    "n_bytes": path.stat().st_size, "sha256": sha256, "n_escaped": n_escaped,
                })  # fmt: skip
    manifest = {"release_id": release, "note": ESCAPED, "files": files}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
    folder.chmod(0o755)
    fsync(folder / MANIFEST)
    fsync(folder)
    return manifest


def _spreadsheet_safe(frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Lists as text, and formulas disarmed; how many cells that were."""
    lists = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    frame = frame.with_columns(
        pl.col(c).list.join("|") if frame.schema[c] == pl.List(pl.String) else pl.col(c).cast(pl.String) for c in lists
    )
    texts = pl.col(pl.String)
    n_escaped = sum(column.sum() for column in frame.select(texts.str.contains(FORMULA)))
    return frame.with_columns(
        pl.when(texts.str.contains(FORMULA)).then(pl.lit("'") + texts).otherwise(texts).name.keep()
    ), n_escaped


def _replace(folder: Path, work: Path) -> None:
    """Put `work` where `folder` is: two renames; the old one goes when the new one stands."""
    try:
        if folder.exists():
            folder.rename(_old(folder))
        work.rename(folder)
    finally:
        _bring_back(folder)
    fsync(folder.parent)
    shutil.rmtree(_old(folder), ignore_errors=True)

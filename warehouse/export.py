"""The marts as files: Parquet and CSV, with a manifest of checksums, put in place by one rename."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path

import polars as pl

from ingest.errors import PublishError, UsageError, printable
from ingest.settings import Settings
from warehouse.connection import connect
from warehouse.releases import fsync

MANIFEST = "manifest.json"
FORMULA = r"^[=+\-@\t\r]"  # what a spreadsheet would run
ESCAPED = "text that a spreadsheet would run as a formula begins with a ' in the CSV files; the Parquet files have it as it is"


def export(settings: Settings, folder: Path, formats: tuple[str, ...] = ("parquet", "csv")) -> dict:
    """Write every published table to `folder`, which appears at once and whole.

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
    if folder.exists() and not (folder.is_dir() and ((folder / MANIFEST).is_file() or not any(folder.iterdir()))):
        raise UsageError(
            f"ERROR {printable(folder, 200)}: holds something that is no export of `hpd`; name another folder"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise PublishError(f"ERROR {printable(folder, 200)}: cannot be written ({error.strerror})") from None
    try:
        manifest = _write(settings, work, formats)
        _replace(folder, work)
    except OSError as error:
        raise PublishError(
            f"ERROR {printable(folder, 200)}: cannot be written ({error.strerror}); what was there stays"
        ) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return manifest


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
                if form == "parquet":
                    frame.write_parquet(path, metadata={"hpd_release": release})
                else:
                    plain, n_escaped = _spreadsheet_safe(frame)
                    plain.write_csv(path)
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
    """Put `work` where `folder` is; the old one goes only when the new one stands."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    try:
        work.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
    fsync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)

"""A build becomes a release: an immutable file in a folder of its own, put into service by one rename.

Readers hold what they opened and never see a half-written file; whatever fails here leaves the release in
service as it is.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from ingest.errors import PublishError, printable
from ingest.pipeline import rules_version
from ingest.settings import Settings, hpd_version
from warehouse.releases import OPEN, SEALED, STAMP, fsync, prune, releases, remove, switch

STORAGE_VERSION = "v1.0.0"  # read by every DuckDB since 1.1.3, and so by the BI tools that bundle one
PUBLISHED_SCHEMAS = ("main", "vocabulary")  # marts and vocabularies; patients stay in the build database

RELEASE = {
    "release_id": ("varchar", "Name of the release: the time it was built, UTC, and the start of its fingerprint"),
    "built_at": ("timestamp", "When it was built, UTC"),
    "fingerprint": ("varchar", "Checksum of inputs, code and models: the same fingerprint means the same marts"),
    "hpd_version": ("varchar", "Version of hpd-warehouse"),
    "duckdb_version": ("varchar", "Version of DuckDB that wrote it"),
    "rows_loaded": ("bigint", "Rows of evidence loaded from the inputs"),
    "rows_rejected": ("bigint", "Rows of the inputs that were rejected"),
    "n_findings": ("bigint", "Findings in the inputs: rejected rows and reasons, and rejected cells of matrices"),
    "dbt_nodes": ("varchar", "How many seeds, models, unit tests and data tests were built and passed, as JSON"),
}
RELEASE_INPUTS = (
    "input_number, input_name, source_file, table_name, data_origin, sha256, n_bytes, rows_read, rows_loaded,"
    " rows_rejected"
)


def fingerprint(inputs: list[tuple[int, str]], settings: Settings, dbt_vars: dict | None = None) -> str:
    """Checksum of everything a release depends on: the inputs (number, item_id), our code, the dbt project, and the
    variables that one run of dbt was given on top of it."""
    digest = hashlib.sha256(rules_version().encode())
    for number, item_id in inputs:
        digest.update(f"{number}\0{item_id}\0".encode())
    for path in sorted(settings.dbt_project.rglob("*")):
        if path.suffix in (".sql", ".yml", ".csv", ".md", ".py") and "target" not in path.parts:
            digest.update(path.read_bytes())
    for path in (Path(__file__), Path(__file__).with_name("build.py")):
        digest.update(path.read_bytes())
    if dbt_vars:
        digest.update(json.dumps(dbt_vars, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def loaded_inputs(connection: duckdb.DuckDBPyConnection) -> list[tuple[int, str]]:
    """What the build database holds: (input_number, item_id), in order.

    Raises:
        PublishError: the last load did not finish.
    """
    try:
        is_loaded = connection.sql("select is_loaded from audit.build").fetchall() != [(False,)]
    except (duckdb.CatalogException, duckdb.BinderException):  # made before loads were marked
        is_loaded = True
    if not is_loaded:
        raise PublishError(
            "ERROR the last load did not finish, some of the inputs may be missing; nothing was published; "
            "run `hpd load` or `hpd refresh` again"
        )
    return connection.sql("select distinct input_number, item_id from audit.loads order by 1").fetchall()


def mark_build(
    connection: duckdb.DuckDBPyConnection,
    mark: str | None,
    counts: dict[str, int] | None = None,
    tables: list[str] | None = None,
    is_loaded: bool = True,
) -> None:
    """Record that the build database holds the finished, tested `tables` of `mark`; None: that it does not.

    `is_loaded`: whether all inputs are in; a load that was killed leaves some, and they are not to be built.
    """
    connection.execute("create schema if not exists audit")
    connection.execute(
        "create or replace table audit.build as"
        " select ?::varchar as fingerprint, ?::varchar as dbt_nodes, ?::varchar[] as tables, ?::boolean as is_loaded",
        [mark, json.dumps(counts or {}), tables or [], is_loaded],
    )


def unmark_build(connection: duckdb.DuckDBPyConnection) -> None:
    """Record that the build is no longer the one that was finished: dbt begins to change it."""
    connection.execute("update audit.build set fingerprint = null")


def publish(connection: duckdb.DuckDBPyConnection, settings: Settings) -> str:
    """Copy the marts of the build database into a new release and put it into service.

    Args:
        connection: the build database.
        settings: where releases live.

    Returns:
        The release id.

    Raises:
        PublishError: there is no finished build, or the copy is not what was built.
    """
    try:
        mark, counts, tables = connection.execute(
            "select fingerprint, dbt_nodes, tables from audit.build"
        ).fetchone() or (None, "{}", [])
    except duckdb.CatalogException:
        mark = None
    if mark is None:
        raise PublishError("ERROR nothing to publish: the last build did not finish; run `hpd build`")
    now = datetime.now(UTC)
    release_id = f"{_after_the_last(settings, now):{STAMP}}-{mark[:8]}"
    folder = settings.releases / release_id
    unfinished = settings.releases / f".{release_id}.unfinished"
    try:
        _sweep(settings)
        for made in (settings.releases, unfinished):
            made.mkdir(exist_ok=True)
            made.chmod(OPEN)  # whatever the umask of the writer
        _write(connection, unfinished / "hpd.duckdb", release_id, now, mark, counts, tables)
        unfinished.chmod(SEALED)
        unfinished.rename(folder)
        fsync(settings.releases)
        with suppress(PublishError):  # of the report, which is about to be written, and says so then
            switch(settings, folder.name)
        settings.rolled_back.unlink(missing_ok=True)
    except OSError as error:
        raise PublishError(
            f"ERROR {printable(error.filename or settings.releases, 200)}: the release could not be written "
            f"({error.strerror}); the release in service stays"
        ) from None
    except duckdb.Error as error:
        raise PublishError(
            f"ERROR the release could not be written ({printable(error, 300)}); the release in service stays"
        ) from None
    finally:
        remove(unfinished)  # a full disk is not to stay full
    prune(settings)
    return release_id


def _after_the_last(settings: Settings, now: datetime) -> datetime:
    """`now`, or a second after the newest release: names are in order also when the clock is not."""
    kept = releases(settings)
    if not kept:
        return now
    newest = datetime.strptime(kept[0].partition("-")[0], STAMP).replace(tzinfo=UTC)
    return max(now, newest + timedelta(seconds=1))


def _write(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    release_id: str,
    now: datetime,
    mark: str,
    counts: str,
    wanted: list[str],
) -> None:
    quoted = str(path).replace("'", "''")
    connection.execute(f"attach '{quoted}' as release (storage_version '{STORAGE_VERSION}')")
    ((build,),) = connection.execute("select current_database()").fetchall()
    try:
        tables = connection.execute(
            "select schema_name, table_name, sql, comment from duckdb_tables()"
            " where database_name = ? and schema_name in ? and schema_name || '.' || table_name in ? order by all",
            # a table that a model of an earlier version left behind is not published
            [build, PUBLISHED_SCHEMAS, wanted],
        ).fetchall()
        connection.execute("use release")
        for schema in PUBLISHED_SCHEMAS:
            connection.execute(f"create schema if not exists {schema}")
        for schema, table, sql, comment in tables:
            name = f'"{schema}"."{table}"'
            connection.execute(sql)  # its own DDL: keys and checks come along
            connection.execute(f"insert into release.{name} select * from {build}.{name} order by all")
            _comment(connection, f"table {name}", comment)
            columns = connection.execute(
                "select column_name, comment from duckdb_columns()"
                " where database_name = ? and schema_name = ? and table_name = ?",
                [build, schema, table],
            ).fetchall()
            for column, text in columns:
                _comment(connection, f'column {name}."{column}"', text)
            counted = connection.execute(
                f"select (select count(*) from release.{name}) = (select count(*) from {build}.{name})"
            ).fetchone()
            if counted != (True,):
                raise PublishError(f"ERROR {name}: the copy has not the rows of the original; nothing was published")
        connection.execute(
            f"create table release_inputs as select {RELEASE_INPUTS} from {build}.audit.loads order by input_number"
        )
        _comment(connection, "table release_inputs", "Every file this release was made from. Grain: file.")
        (rows,) = connection.execute(
            "select sum(rows_loaded)::bigint, sum(rows_rejected)::bigint,"
            f" (select count(*) from {build}.audit.rejected_rows) from release_inputs"
        ).fetchall()
        values = [release_id, now.replace(tzinfo=None), mark, hpd_version(), duckdb.__version__, *rows, counts]
        connection.execute(f"create table release ({', '.join(f'{c} {t}' for c, (t, _) in RELEASE.items())})")
        connection.execute(f"insert into release values ({', '.join('?' * len(values))})", values)
        _comment(connection, "table release", "This release: when and from what it was built. One row.")
        for column, (_, text) in RELEASE.items():
            _comment(connection, f"column release.{column}", text)
        connection.execute("checkpoint release")
    finally:
        connection.execute(f"use {build}")
        connection.execute("detach release")
    if path.with_name(path.name + ".wal").exists():
        raise PublishError(f"ERROR {printable(path, 200)}: was not written out fully; nothing was published")
    path.chmod(0o444)
    fsync(path)
    fsync(path.parent)


def _comment(connection: duckdb.DuckDBPyConnection, what: str, text: str | None) -> None:
    if text:
        connection.execute(f"comment on {what} is '{text.replace(chr(39), chr(39) * 2)}'")


def _sweep(settings: Settings) -> None:
    """Remove what a killed publication left; nobody else is writing, the lock is held."""
    if settings.releases.exists():
        for path in settings.releases.glob(".*.unfinished"):
            remove(path)

"""The releases that are kept, which of them is in service, and how another is put there: by one rename of a link."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import duckdb

from ingest.errors import PublishError, UsageError, printable
from ingest.settings import Settings
from warehouse.connection import open_release
from warehouse.whole_file import write_whole

KEPT = 5
# modes of a release's folder: whoever reaches the link may read; and a client that DuckDB lets write the log beside the
# database finds that it may not
OPEN, SEALED = 0o755, 0o555
STAMP = "%Y%m%dT%H%M%S"
NAME = re.compile(r"(\d{8}T\d{6})-[0-9a-f]{8}")


def releases(settings: Settings) -> list[str]:
    """Names of the releases kept, the newest first; whatever else lies in their folder is none, and left alone."""
    if not settings.releases.exists():
        return []
    return sorted((p.name for p in settings.releases.iterdir() if _is_release(p.name)), reverse=True)


def _is_release(name: str) -> bool:
    try:
        return bool((match := NAME.fullmatch(name)) and datetime.strptime(match[1], STAMP))
    except ValueError:  # no such day
        return False


def release_in_service(settings: Settings) -> str | None:
    """Name of the release that `hpd.duckdb` points at."""
    try:
        return settings.published_db.readlink().parent.name
    except OSError:
        return None


def release_row(path: Path) -> dict | None:
    """The `release` row of a published database; None when there is none that can be read."""
    try:
        with open_release(path) as connection:
            relation = connection.sql("select *, (select count(*) from release_inputs) as n_inputs from release")
            (row,) = relation.fetchall()
            return dict(zip(relation.columns, row, strict=True))
    except (duckdb.Error, OSError, ValueError):
        return None


def in_service(settings: Settings) -> dict | None:
    """The `release` row of the release in service; None when there is none that can be read."""
    return release_row(settings.published_db)


def file_of(settings: Settings, release: str) -> Path:
    """The database of a release that is kept.

    Raises:
        UsageError: there is no such release.
    """
    kept = releases(settings)
    if release not in kept:
        raise UsageError(
            f"ERROR there is no release '{printable(release)}'; allowed: {', '.join(kept) or 'none is kept'}"
        )
    return settings.releases / release / "hpd.duckdb"


def switch(settings: Settings, release: str) -> None:
    """Point `hpd.duckdb` at a release by renaming a new link over the old one: there is no moment without.

    Raises:
        OSError: it cannot be written; the release in service stays.
        PublishError: the release is in service, and `report.html` cannot be made to go with it.
    """
    _link(settings.published_db, Path("releases") / release / "hpd.duckdb")
    point_to_report(settings)


def point_to_report(settings: Settings) -> None:
    """Point `report.html` at the report of the release in service; without one there is no link.

    Raises:
        PublishError: what is there cannot be replaced.
    """
    release = release_in_service(settings)
    report = Path("releases") / (release or "") / settings.report.name
    try:
        if release and (settings.home / report).exists():
            _link(settings.report, report)
        else:
            settings.report.unlink(missing_ok=True)
    except OSError as error:
        raise PublishError(
            f"ERROR {printable(settings.report, 200)}: cannot be replaced by the report ({error.strerror}); release "
            f"{release} is in service all the same; move it away, and `hpd rollback {release}` puts the report there"
        ) from None


def _link(path: Path, target: Path) -> None:
    new = path.with_name(f".{path.name}.next")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(path)
    fsync(path.parent)


def rollback(settings: Settings, release: str | None = None) -> tuple[str | None, str]:
    """Put another release into service; call it with the writer's lock held.

    The builds that are taken out of service are remembered, so that a scheduled refresh of the same inputs does not
    bring one back; other inputs, or `hpd publish`, do.

    Args:
        settings: where releases are.
        release: its name; None: the one before the one in service.

    Returns:
        The release that was in service (None: none could be read), and the one that is.

    Raises:
        UsageError: there is no such release, or none before.
        PublishError: it cannot be read.
    """
    now = release_in_service(settings)
    if release is None:
        older = [name for name in releases(settings) if now is None or name < now]
        if not older:
            raise UsageError(f"ERROR no release older than {now or 'none'} is kept; `hpd status` lists them")
        release = older[0]
    path = file_of(settings, release)
    if (put_in := release_row(path)) is None:
        raise PublishError(f"ERROR {printable(path, 200)}: cannot be read; the release in service stays; name another")
    served = in_service(settings)
    try:
        if served is not None and release != now:
            renewed = (put_in["fingerprint"], served["fingerprint"])
            told = [build for build in rolled_back(settings) if build["fingerprint"] not in renewed]
            told.append({k: served[k] for k in ("release_id", "fingerprint")})
            write_whole(settings.rolled_back, json.dumps(told).encode())
        switch(settings, release)
    except OSError as error:
        raise PublishError(
            f"ERROR {printable(error.filename or settings.home, 200)}: cannot be written ({error.strerror}); "
            "the release in service stays"
        ) from None
    return now, release


def rolled_back(settings: Settings) -> list[dict]:
    """Release id and fingerprint of the builds taken out of service by hand since the last publication."""
    try:
        told = json.loads(settings.rolled_back.read_text("utf-8"))
    except (OSError, ValueError):
        return []
    if not isinstance(told, list):
        return []
    return [build for build in told if isinstance(build, dict) and {"release_id", "fingerprint"} <= build.keys()]


def taken_out(settings: Settings, fingerprint: str) -> str | None:
    """The release of this fingerprint, if it was taken out of service by hand."""
    return next((build["release_id"] for build in rolled_back(settings) if build["fingerprint"] == fingerprint), None)


def prune(settings: Settings) -> None:
    """Remove the oldest releases, never the one in service."""
    for name in releases(settings)[KEPT:]:
        if name != release_in_service(settings):
            remove(settings.releases / name)


def remove(folder: Path) -> None:
    """Remove a release, or what there is of one."""
    with suppress(OSError):
        folder.chmod(OPEN)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def unsealed(folder: Path) -> Iterator[None]:
    """Write into the folder of a release, where otherwise nobody may."""
    folder.chmod(OPEN)
    try:
        yield
    finally:
        folder.chmod(SEALED)


def fsync(path: Path) -> None:
    """Have a file, or the names in a folder, reach the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Where one stands: inputs, rows, rejects, releases, and what a refresh would do."""

from __future__ import annotations

import duckdb

from ingest.errors import HpdError, printable
from ingest.pipeline import Item
from ingest.settings import Settings
from warehouse.connection import open_build
from warehouse.publish import fingerprint
from warehouse.releases import in_service, release_in_service, releases, taken_out

COLUMNS = (
    "source_file", "table_name", "data_origin", "rows_read", "rows_loaded", "rows_rejected", "item_file", "item_id",
)  # fmt: skip


def status_of(items: list[Item], settings: Settings) -> dict:
    """The facts, as plain values.

    Args:
        items: the files of the inputs as they are now.
        settings: where the warehouse is.
    """
    loaded, trouble = [], None
    if settings.build_db.exists():
        try:
            with open_build(settings, read_only=True) as connection:
                rows = connection.sql(f"select {', '.join(COLUMNS)} from audit.loads order by input_number").fetchall()
            loaded = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
        except duckdb.CatalogException:
            pass  # made by something else than a load: nothing is loaded
        except HpdError as error:
            trouble = str(error)
    known = {row["item_file"]: row["item_id"] for row in loaded}
    release = in_service(settings)
    mark = fingerprint([(i.number, i.item_id) for i in items], settings)
    is_current = release is not None and release["fingerprint"] == mark
    was_taken_out = None if is_current else taken_out(settings, mark)
    return {
        "home": str(settings.home),
        "loaded": loaded,
        "release": release,
        "releases": releases(settings),
        "in_service": release_in_service(settings),
        "refresh_would": {
            "do_nothing": is_current or was_taken_out is not None,
            "taken_out": was_taken_out,
            "load": [i.file for i in items if known.get(i.file) != i.item_id],
            "remove": sorted(known.keys() - {i.file for i in items}),
        },
        "trouble": trouble,
    }


def describe(found: dict) -> str:
    """The same, to be read."""
    lines = [f"warehouse {printable(found['home'], 200)}"]
    if found["trouble"]:
        lines.append(found["trouble"])
    lines += [
        f"  {printable(row['source_file'], 200)}: {row['table_name']}, {row['data_origin']}, {row['rows_loaded']:,} "
        f"of {row['rows_read']:,} rows loaded, {row['rows_rejected']:,} rejected"
        for row in found["loaded"]
    ]
    release, would = found["release"], found["refresh_would"]
    if release:
        lines.append(f"published: release {release['release_id']}")
    elif found["releases"]:
        lines.append("published: nothing that can be read; `hpd rollback RELEASE` puts one into service")
    else:
        lines.append("published: nothing yet")
    if len(found["releases"]) > 1 or (found["releases"] and not release):
        lines.append(f"  kept: {', '.join(found['releases'])}")
    if found["trouble"]:
        lines.append("what a refresh would do cannot be told")
    elif name := would["taken_out"]:
        lines.append(
            f"a refresh would do nothing: what it would make is release {name}, which was taken out of service by hand; "
            f"`hpd rollback {name}` brings it back"
        )
    elif would["do_nothing"]:
        lines.append("a refresh would do nothing")
    else:
        steps = [
            f"{what} {', '.join(printable(file, 200) for file in would[what])}"
            for what in ("load", "remove")
            if would[what]
        ]
        lines.append(f"a refresh would {'; '.join([*steps, 'build, test and publish the marts'])}")
    return "\n".join(lines)

"""The landing zone: the raw tables as Parquet in a folder, for an engine that is not DuckDB.

    raw/<table>/item=<item_id>/*.parquet     rows of one input; audit/ has its rejected rows in the same form
    raw/<table>/item=none/*.parquet          no rows: what the table looks like, when no input fills it
    manifest.json                            what is whole: every input with its files, their rows and checksums

An input goes through the same parsing, checks and rules as into build.duckdb, in a small database of its own that is
thrown away; its folders are moved into place when it is whole, and the manifest, replaced by one rename, makes them
count. What a kill leaves behind stands in no manifest, and the next load removes it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb

from ingest.errors import HpdError, InputError, printable
from ingest.load import AUDIT_TABLES, LANDING, LOADS, ensure_tables, transaction
from ingest.pipeline import Item, Report, load_item
from ingest.privacy import Pseudonyms
from schemas import TABLES
from warehouse.connection import FOR_LOADING
from warehouse.releases import fsync

LANDED = ("audit.rejected_rows", "audit.rejected_scans", *(f"raw.{name}" for name in TABLES))
WRITTEN = "format parquet, compression zstd, file_size_bytes '256MB', row_group_size_bytes '32MB', return_stats"
UNREADABLE = set("{}[]*?\\`'\":\n")  # engines take these in a path for patterns, or for the end of a part of it


class Landing:
    """A landing zone and its manifest."""

    def __init__(self, folder: Path) -> None:
        """Read the manifest; a folder without one is a new landing zone.

        Raises:
            HpdError: the folder holds something else, or has a name that other engines cannot read.
        """
        self.folder = folder.expanduser().absolute()
        if found := UNREADABLE & set(str(self.folder)):
            raise HpdError(f"ERROR {printable(folder, 200)}: has {printable(min(found))} in its name, which other engines "
                           "do not take for part of a name; name another folder")  # fmt: skip
        self.manifest = {"is_complete": False, "key_id": None, "columns": None, "items": {}}
        if self.folder.exists() and not self.folder.is_dir():
            raise HpdError(f"ERROR {printable(folder, 200)}: is a file; name a folder")
        try:
            found = json.loads(self._manifest.read_text("utf-8"))
            if not isinstance(found, dict):
                raise ValueError("it is no manifest")
            self.manifest |= found
        except (FileNotFoundError, NotADirectoryError):  # not there, or below a file, where none can be made
            # hidden files are ours: the lock, a load that was killed
            if self.folder.exists() and any(not path.name.startswith(".") for path in self.folder.iterdir()):
                raise HpdError(f"ERROR {printable(folder, 200)}: is not empty and has no manifest.json: not a landing "
                               "zone; name a new or empty folder") from None  # fmt: skip
        except (OSError, ValueError) as error:
            raise HpdError(f"ERROR {printable(self._manifest, 200)}: cannot be read ({printable(error, 120)}); delete the "
                           "landing zone and load again") from None  # fmt: skip

    @property
    def _manifest(self) -> Path:
        return self.folder / "manifest.json"

    @property
    def _unfinished(self) -> Path:
        return self.folder / ".unfinished"

    @property
    def items(self) -> dict[str, dict]:
        """Item → what landed of it: item_id, loads, files."""
        return self.manifest["items"]

    @property
    def n_findings(self) -> int:
        """Rejected rows and cells, with every reason of theirs."""
        return sum(f["n_rows"] for i in self.items.values() for p, f in i["files"].items() if p.startswith("audit/rejected_rows/"))  # fmt: skip

    def begin(self, key_id: str | None) -> None:
        """Sweep up after a kill; forget what has other columns, or was named with another key of pseudonyms."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)  # it holds patients
        if self.manifest["columns"] != (columns := _columns()):
            self.manifest |= {"columns": columns, "items": {}}
        if key_id is not None and self.manifest["key_id"] != key_id:
            kept = {
                file: item
                for file, item in self.items.items()
                if all(record["data_origin"] == "published" for record in item["loads"])
            }
            self.manifest |= {"key_id": key_id, "items": kept}
        self.manifest["is_complete"] = False
        self._save()
        self._sweep()

    def keep(self, item: Item, connection: duckdb.DuckDBPyConnection) -> None:
        """Take over what was loaded of an item; the item as it was before goes."""
        shutil.rmtree(self._unfinished, ignore_errors=True)
        files = {}
        for name in LANDED:
            if connection.execute(f"select 1 from {name} limit 1").fetchall():
                files |= self._write(connection, name, item.item_id)
        for partition in {Path(path).parent for path in files}:
            (self.folder / partition.parent).mkdir(parents=True, exist_ok=True)
            (self._unfinished / partition).rename(self.folder / partition)
            fsync(self.folder / partition.parent)
        loads = connection.sql("select * from audit.loads order by load_id")
        records = [dict(zip(loads.columns, row, strict=True)) for row in loads.fetchall()]
        self.items[item.file] = {"item_id": item.item_id, "loads": records, "files": files}
        self._save()
        self._sweep()

    def remove(self, file: str) -> None:
        """Take an item out."""
        del self.items[file]
        self._save()

    def finish(self, numbers: dict[str, int], is_complete: bool) -> None:
        """Write the table of loads, in the order of the inputs, and whether nothing is missing."""
        shutil.rmtree(self._unfinished, ignore_errors=True)
        with duckdb.connect(":memory:") as connection:
            connection.execute("set timezone = 'UTC'")
            ensure_tables(connection)
            for item in self.items.values():
                for record in item["loads"]:
                    row = record | {"input_number": numbers.get(record["item_id"])}
                    places = ", ".join("?" * len(LOADS))
                    connection.execute(f"insert into audit.loads values ({places})", [row[name] for name in LOADS])
            for name in LANDED:
                self._write(connection, name, "none")
            self._write(connection, "audit.loads", "all")
        for made in sorted(self._unfinished.glob("*/*/item=*")):
            place = self.folder / made.relative_to(self._unfinished)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(place, ignore_errors=True)
            made.rename(place)
        self.manifest["is_complete"] = is_complete
        self._save()
        self._sweep()

    def check(self) -> None:
        """See that every input is there, whole and unchanged, and nothing else.

        Raises:
            HpdError: files are missing, or were changed after they were written.
        """
        if not self.manifest["is_complete"]:
            raise HpdError(f"ERROR {printable(self.folder, 200)}: the last load did not finish; run it again")
        expected = {p: f["sha256"] for item in self.items.values() for p, f in item["files"].items()}
        found = {
            str(path.relative_to(self.folder)): _sha256(path)
            for path in self.folder.glob("*/*/item=*/*")
            if path.parent.name not in ("item=none", "item=all")
        }
        for path in sorted(expected.keys() | found.keys()):
            if expected.get(path) != found.get(path):
                raise HpdError(f"ERROR {printable(self.folder / path, 200)}: is not what was loaded; delete the landing "
                               f"zone ({printable(self.folder, 200)}) and load again")  # fmt: skip

    def _write(self, connection: duckdb.DuckDBPyConnection, name: str, item_id: str) -> dict[str, dict]:
        """Write a table into the folder of unfinished things: path within the landing zone → facts of each file."""
        partition = Path(name.replace(".", "/")) / f"item={item_id}"
        folder = self._unfinished / partition
        folder.mkdir(parents=True)
        written = connection.execute(f"copy {name} to '{folder}' ({WRITTEN}, overwrite true)").fetchall()
        files = {}
        for path, n_rows, n_bytes, *_ in written:
            fsync(Path(path))
            file = {"n_rows": n_rows, "n_bytes": n_bytes, "sha256": _sha256(Path(path))}
            files[str(partition / Path(path).name)] = file
        return files

    def _save(self) -> None:
        """Replace the manifest, by one rename."""
        draft = self.folder / ".manifest.json"
        draft.write_text(json.dumps(self.manifest, indent=1, default=str), "utf-8")
        fsync(draft)
        draft.replace(self._manifest)
        fsync(self.folder)

    def _sweep(self) -> None:
        """Remove what no manifest knows."""
        known = {f"item={item['item_id']}" for item in self.items.values()} | {"item=none", "item=all"}
        shutil.rmtree(self._unfinished, ignore_errors=True)
        for folder in self.folder.glob("*/*/item=*"):
            if folder.name not in known:
                shutil.rmtree(folder)


def land(items: list[Item], landing: Landing, say: Callable[[str], None], home: Path) -> Report:
    """Land what changed, remove what is no longer named: `pipeline.run`, with Parquet at its end.

    An input that cannot be read leaves what landed of it before as it was; it is listed in `failed`. `home`: folder of
    the key of the pseudonyms.
    """
    pseudonyms = Pseudonyms(home)
    landing.begin(pseudonyms.key_id if any(item.spec.origin != "published" for item in items) else None)
    report = Report(n_files=len(items))
    for item in items:
        if landing.items.get(item.file, {}).get("item_id") == item.item_id:
            report.unchanged.append(item.file)
            continue
        work = landing.folder / ".work.duckdb"
        _remove(work)
        try:
            with duckdb.connect(str(work)) as connection:
                connection.execute(f"{FOR_LOADING}; set preserve_insertion_order = false")
                ensure_tables(connection)
                with transaction(connection):
                    load_item(item, connection, report, say, pseudonyms)
                landing.keep(item, connection)
        except InputError as error:
            report.failed.append(error)
        finally:
            _remove(work)
    for file in sorted(landing.items.keys() - {item.file for item in items}):
        landing.remove(file)
        report.removed.append(file)
    landing.finish({item.item_id: item.number for item in items}, not report.failed)
    return report


def take_audit(connection: duckdb.DuckDBPyConnection, landing: Landing) -> None:
    """Make build.duckdb know what landed, its rows excepted; the next load into it starts anew (`ensure_tables`)."""
    with transaction(connection):
        # tables of patients that an earlier build left: they are of other inputs
        for schema in ("staging", "cleaned"):
            connection.execute(f"drop schema if exists {schema} cascade")
        for name in TABLES:
            connection.execute(f"delete from raw.{name}")
        for name in AUDIT_TABLES:
            connection.execute(f"delete from {name}")
            if name != "audit.pseudonyms":
                files = f"{landing.folder / name.replace('.', '/')}/*/*.parquet"
                connection.execute(
                    f"insert into {name} select * from read_parquet('{files}', hive_partitioning = false)"
                )
        connection.execute(f"create table {LANDING} as select ?::varchar as folder", [str(landing.folder)])


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _columns() -> str:
    """Checksum of what the tables look like."""
    typed = [f"{name}.{c} {table.dtype(c)}" for name, table in TABLES.items() for c in table.columns]
    audit = [f"{name}.{c} {type_}" for name, (columns, *_) in AUDIT_TABLES.items() for c, (type_, _) in columns.items()]
    return hashlib.sha256("\0".join(typed + audit).encode()).hexdigest()[:16]


def _remove(database: Path) -> None:
    for path in (database, database.with_name(database.name + ".wal")):
        path.unlink(missing_ok=True)
    shutil.rmtree(database.with_name(database.name + ".tmp"), ignore_errors=True)

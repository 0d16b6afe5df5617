"""One transaction per input, idempotent by content: rows read = rows loaded + rows rejected, or nothing at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import polars as pl

from ingest.errors import SHOWN, Problem
from ingest.privacy import Pseudonyms
from schemas import TABLES, RawTable

SQL_TYPES = {
    pl.String: "varchar",
    pl.Int64: "bigint",
    pl.Float64: "double",
    pl.Boolean: "boolean",
    pl.List(pl.Int8): "tinyint[]",
}

# provenance that every raw row carries
PROVENANCE = {
    "data_origin": ("varchar", "published, institutional or simulated; never mixed with simulated in a mart row"),
    "_load_id": ("varchar", "Load the row came with: audit.loads"),
    "_source_file": ("varchar", "File as it was named to hpd"),
    "_source_line": ("bigint", "Line of the file, 1 = its first; in Parquet the row"),
}
KEYS_AT_ONCE = 20_000_000  # as many as are compared within the memory of a load
LOADS = {
    "load_id": ("varchar", "The item_id, numbered where an item has several files: the same bytes give the same id"),
    "item_file": ("varchar", "File, or folder of a study, that is loaded as one"),
    "item_id": ("varchar", "Made from the content, the name and the options of all its files"),
    "input_number": ("integer", "Place in the order of inputs; the first wins where two hold the same key"),
    "input_name": ("varchar", "The input the file belongs to, as named to hpd"),
    "source_file": ("varchar", "File as it was named to hpd"),
    "table_name": ("varchar", "Raw table it fills"),
    "data_origin": ("varchar", "published, institutional or simulated"),
    "sha256": ("varchar", "Checksum of the file"),
    "n_bytes": ("bigint", "Size of the file"),
    "rows_read": ("bigint", "Rows of the file, blank lines not counted"),
    "rows_loaded": ("bigint", "Rows in the raw table"),
    "rows_rejected": ("bigint", "Rows in audit.rejected_rows, each counted once"),
    "seconds": ("double", "Time the load took"),
    "loaded_at": ("timestamptz", "When it was committed"),
    "versions": ("varchar", "hpd-warehouse, duckdb, polars and pandera versions"),
}
REJECTED = {
    "load_id": ("varchar", "audit.loads"),
    "table_name": ("varchar", "Raw table the row was meant for"),
    "source_file": ("varchar", "File as it was named to hpd"),
    "source_line": ("bigint", "Line of the file"),
    "column_name": ("varchar", "Column at fault; blank when the whole line is"),
    "value": ("varchar", "The cell as it stood"),
    "rule": ("varchar", "Rule it broke"),
    "message": ("varchar", "The rule in words"),
    "row_json": ("varchar", "The whole row as text"),
}
PSEUDONYMS = {"key_id": ("varchar", "Tells keys apart without telling the key: what is loaded was named with this one")}
REJECTED_SCANS = {
    "load_id": ("varchar", "Load the scan was in: audit.loads"),
    "trial_id": ("varchar", "Trial of the patient"),
    "patient_id": ("varchar", "Patient, as in raw.patients"),
    "day": ("double", "Day of the scan, 0 = day of the first dose. Blank: it was at fault"),
    "reader": ("varchar", "Who measured. Blank: it was at fault"),
    "data_origin": ("varchar", "published, institutional or simulated"),
}
AUDIT_TABLES = {
    "audit.rejected_scans": (REJECTED_SCANS, "load_id", "one rejected scan: another must not step into its place"),
    "audit.loads": (LOADS, "load_id", "one file of the last run"),
    "audit.pseudonyms": (PSEUDONYMS, "key_id", "the key of the pseudonyms, by its checksum; at most one row"),
    "audit.rejected_rows": (REJECTED, "load_id, source_line, column_name, rule", "one rejected row and reason"),
}
LANDING = "audit.landing"  # there when Spark counts and the raw tables are empty (ingest/landing.py)
CALLS_VIEW = """
create or replace view raw.copy_number_calls as
select p.study_id, s.sample_id, p.gene, p.calls[s.sample_number] / 2.0 as call, p._load_id, p._source_file, p._source_line
from raw.copy_number_profiles as p
join raw.samples as s
    -- a sample's number means something only among the files that were loaded with it
    on split_part(s._load_id, '-', 1) = split_part(p._load_id, '-', 1)
    and s.study_id = p.study_id and s.sample_number is not null
"""
CALLS_COLUMNS = {
    "study_id": "Study of the sample",
    "sample_id": "Sample, unique within the study",
    "gene": "Gene by its current symbol",
    "call": "Discrete call: -2, -1.5, -1, 0, 1 (gain), 2 (high-level amplification). Blank: not called",
    "_load_id": "Load the calls came with: audit.loads",
    "_source_file": "File as it was named to hpd",
    "_source_line": "First line of the file that the calls of the gene stand on",
}


@dataclass
class LoadResult:
    """Counts and findings of one load."""

    rows_read: int = 0
    rows_loaded: int = 0
    rows_rejected: int = 0


def ensure_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create what is missing; a table whose columns have changed is emptied, its inputs load again."""
    wanted = {name: (columns, grain) for name, (columns, _, grain) in AUDIT_TABLES.items()}
    for table in TABLES.values():
        typed = {c: (SQL_TYPES[table.dtype(c)], _comment(table, c)) for c in table.columns}
        wanted[f"raw.{table.name}"] = (typed | PROVENANCE, table.grain)
    found = connection.sql(
        "select schema_name || '.' || table_name, list(column_name || ' ' || lower(data_type) order by column_index)"
        " from duckdb_columns() where schema_name in ('raw', 'audit') group by all"
    ).fetchall()
    existing = dict(found)
    names = {"timestamptz": "timestamp with time zone"}
    expected = {
        name: [f"{c} {names.get(t, t)}" for c, (t, _) in columns.items()] for name, (columns, _) in wanted.items()
    }
    # its rows are in a landing zone, and the audit tables speak of them
    is_elsewhere = LANDING in existing
    if {n: existing.get(n) for n in wanted} == expected and not is_elsewhere:
        return
    statements = [
        "create schema if not exists raw",
        "create schema if not exists audit",
        f"drop table if exists {LANDING}",
    ]
    for name, (columns, grain) in wanted.items():
        # dropped together: loads must not speak of rows that are gone
        statements.append(f"drop table if exists {name} cascade")
        key = AUDIT_TABLES[name][1] if name in AUDIT_TABLES else ""
        if name.startswith("raw."):
            key = ", ".join(("_load_id", *TABLES[name.removeprefix("raw.")].key))
        defined = ", ".join(f"{column} {type_}" for column, (type_, _) in columns.items())
        primary = f", primary key ({key})" if name == "audit.loads" else ""
        statements.append(f"create table {name} ({defined}{primary})")
        statements.append(f"comment on table {name} is {_quoted(f'Grain: {grain}. Key: {key}.')}")
        statements += [f"comment on column {name}.{c} is {_quoted(comment)}" for c, (_, comment) in columns.items()]
    statements += [CALLS_VIEW, "comment on view raw.copy_number_calls is 'Grain: one gene of one sample.'"]
    statements += [f"comment on column raw.copy_number_calls.{c} is {_quoted(t)}" for c, t in CALLS_COLUMNS.items()]
    with transaction(connection):
        connection.execute("; ".join(statements))


LANDED_ELSEWHERE = (
    "ERROR the rows are in a landing zone, and build.duckdb has only what Spark counted; run "
    "`hpd refresh --engine spark`, or `hpd load` first to have them here"
)


def landed_elsewhere(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the audit tables speak of a landing zone, and the raw tables are empty."""
    schema, table = LANDING.split(".")
    found = "select 1 from duckdb_tables() where schema_name = ? and table_name = ?"
    return bool(connection.execute(found, [schema, table]).fetchall())


def _comment(table: RawTable, column: str) -> str:
    unit = table.metadata(column).get("unit")
    return str(table.schema.columns[column].description) + (f" Unit: {unit}." if unit else "")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def loaded_ids(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Item → item_id of what is loaded."""
    return dict(connection.sql("select distinct item_file, item_id from audit.loads").fetchall())


def forget_pseudonyms(connection: duckdb.DuckDBPyConnection, key_id: str) -> None:
    """When the key is another than the one in use, have every input with pseudonyms loaded again."""
    if connection.execute("select key_id from audit.pseudonyms").fetchall() == [(key_id,)]:
        return
    with transaction(connection):
        connection.execute("update audit.loads set item_id = 'named with another key' where data_origin <> 'published'")
        connection.execute("delete from audit.pseudonyms")
        connection.execute("insert into audit.pseudonyms values (?)", [key_id])


def remove_item(connection: duckdb.DuckDBPyConnection, item_file: str) -> None:
    """Delete every row of one item; call it inside a transaction."""
    loads = "(select load_id from audit.loads where item_file = ?)"
    for table in TABLES:
        connection.execute(f"delete from raw.{table} where _load_id in {loads}", [item_file])
    connection.execute(f"delete from audit.rejected_rows where load_id in {loads}", [item_file])
    connection.execute(f"delete from audit.rejected_scans where load_id in {loads}", [item_file])
    connection.execute("delete from audit.loads where item_file = ?", [item_file])


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Everything or nothing."""
    connection.begin()
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


class Loader:
    """Receives the blocks of one file; use it inside a transaction."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: RawTable,
        load_id: str,
        file: str,
        origin: str,
        pseudonyms: Pseudonyms | None = None,
    ) -> None:
        """`file` as shown, `origin` one of published, institutional, simulated."""
        self.connection, self.table, self.load_id, self.file, self.origin = connection, table, load_id, file, origin
        self.pseudonyms = pseudonyms or Pseudonyms(None)
        self.result, self.n_rejected = LoadResult(), 0

    def add(
        self, valid: pl.DataFrame, rejected: pl.DataFrame, rows_read: int, unusable: pl.DataFrame | None = None
    ) -> None:
        """Insert a block: `valid` typed rows; `rejected` findings with `message` and `row_json`; `unusable` scans."""
        if unusable is not None and unusable.height:
            if self.origin != "published":
                unusable = self.pseudonyms.replace(unusable, self.table)
            self._insert("audit.rejected_scans", unusable.select(
                pl.lit(self.load_id), "trial_id", "patient_id", "day", "reader", pl.lit(self.origin).alias("data_origin")
            ))  # fmt: skip
        # patients of a publication have no name but the one printed
        if self.origin != "published" and self.table.identifiers:
            valid = self.pseudonyms.replace(valid, self.table).with_columns(
                pl.lit(None, pl.String).alias(c) for c in self.table.free_text
            )
        rows = valid.select(
            *self.table.columns,
            data_origin=pl.lit(self.origin),
            _load_id=pl.lit(self.load_id),
            _source_file=pl.lit(self.file),
            _source_line="_line",
        )
        self._insert(f"raw.{self.table.name}", rows)
        self._insert("audit.rejected_rows", rejected.select(
            load_id=pl.lit(self.load_id), table_name=pl.lit(self.table.name), source_file=pl.lit(self.file),
            source_line="_line", column_name="column", value="value", rule="rule", message="message",
            row_json="row_json"))  # fmt: skip
        self.result.rows_read += rows_read
        self.n_rejected += rows_read - valid.height

    def _insert(self, table: str, rows: pl.DataFrame) -> None:
        if rows.is_empty():
            return
        # not by `register`, whose view would hold every block of the file until the transaction ends
        self.connection.from_arrow(rows.to_arrow()).insert_into(table)

    def reject_duplicate_keys(self) -> Problem | None:
        """Move every copy of a repeated key from the raw table to the rejected rows."""
        name, key = self.table.name, ", ".join(self.table.key)
        shown = " || ' / ' || ".join(self.table.key)
        # Their checksums first, as a rule no two are the same; and so many at once that memory does not grow with the file.
        self.connection.execute("create or replace temp table suspects (checksum ubigint)")
        n_times = 1 + self.result.rows_read // KEYS_AT_ONCE
        for time_ in range(n_times):
            self.connection.execute(
                f"insert into suspects select hash({key}) as checksum from raw.{name} where _load_id = ?"
                f" and checksum % {n_times} = {time_} group by all having count(*) > 1",
                [self.load_id],
            )
        self.connection.execute(
            f"create or replace temp table repeated as select {key} from raw.{name}"
            f" where _load_id = ? and hash({key}) in (select checksum from suspects) group by all having count(*) > 1",
            [self.load_id],
        )
        # a few lines of each key: all of them in every copy would be the square of a long file
        self.connection.execute(
            f"create or replace temp table duplicates as with copies as ("
            f" select *, rowid as place from raw.{name} semi join repeated using ({key}) where _load_id = ?)"
            f" select *, {shown} as shown from copies join ("
            f" select {key}, min(_source_line, {SHOWN}) as lines, count(*) as n from copies group by all) using ({key})",
            [self.load_id],
        )
        columns = ", ".join(f"{c} := {c}" for c in self.table.columns)
        message = (
            "'the key stands on lines ' || array_to_string(lines, ', ')"
            f" || if(n > {SHOWN}, ' (' || (n - {SHOWN}) || ' more)', '')"
        )
        self.connection.execute(
            f"insert into audit.rejected_rows select _load_id, ?, _source_file, _source_line, ?, shown,"
            f" 'duplicate_key', {message}, to_json(struct_pack({columns})) from duplicates",
            [name, " + ".join(self.table.key)],
        )
        self.connection.execute(
            f"delete from raw.{name} where _load_id = ? and rowid in (select place from duplicates)",
            [self.load_id],
        )
        ((n, lines, values, n_keys),) = self.connection.execute(
            f"select count(*), list(_source_line order by _source_line)[:{SHOWN}], list(distinct shown order by shown)[:{SHOWN}],"
            " count(distinct shown) from duplicates"
        ).fetchall()
        if name == "tumor_measurements":
            self.connection.execute(
                "insert into audit.rejected_scans select distinct _load_id, trial_id, patient_id, day, reader, data_origin"
                " from duplicates"
            )
        self.connection.execute("drop table duplicates; drop table repeated; drop table suspects")
        self.n_rejected += n
        if not n:
            return None
        return Problem(self.file, "duplicate_key", "the same key stands on several lines", " + ".join(self.table.key),
                       lines, n, values, n_keys, outcome="rows rejected", fix="keep one of them")  # fmt: skip

    def n_values(self) -> dict[tuple[str, str], int]:
        """(rule, column) → how many different values broke it in the whole file."""
        counts = self.connection.execute(
            "select rule, column_name, count(distinct value) from audit.rejected_rows where load_id = ? group by all",
            [self.load_id],
        ).fetchall()
        return {(rule, column): n for rule, column, n in counts}

    def finish(self, record: dict) -> LoadResult:
        """Count, check that nothing was lost, and write the `audit.loads` row (`record`: its other columns)."""
        ((loaded,),) = self.connection.execute(
            f"select count(*) from raw.{self.table.name} where _load_id = ?", [self.load_id]
        ).fetchall()
        # a line of a matrix stays when single cells of it are rejected
        ((lines,),) = self.connection.execute(
            "select count(_source_line) from (select distinct source_line as _source_line from audit.rejected_rows where load_id = ?)"
            f" anti join (select _source_line from raw.{self.table.name} where _load_id = ?) using (_source_line)",
            [self.load_id, self.load_id],
        ).fetchall()
        result = self.result
        result.rows_loaded, result.rows_rejected = loaded, self.n_rejected if self.table.is_melted else lines
        if result.rows_read != result.rows_loaded + result.rows_rejected:
            raise RuntimeError(f"{self.file}: {result} does not add up")
        row = record | {
            "load_id": self.load_id, "source_file": self.file, "table_name": self.table.name,
            "data_origin": self.origin, "rows_read": result.rows_read, "rows_loaded": result.rows_loaded,
            "rows_rejected": result.rows_rejected,
        }  # fmt: skip
        names = list(LOADS)
        values = [row.get(n) for n in names if n != "loaded_at"]
        places = ", ".join("now()" if n == "loaded_at" else "?" for n in names)
        self.connection.execute(f"insert into audit.loads ({', '.join(names)}) values ({places})", values)
        return result


def number_inputs(connection: duckdb.DuckDBPyConnection, numbers: Iterable[tuple[int, str]]) -> None:
    """Record the order of the inputs: (input_number, item_id)."""
    for number in numbers:
        connection.execute("update audit.loads set input_number = ? where item_id = ?", number)

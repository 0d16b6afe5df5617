"""What changed between two releases: mart by mart, by the key of each table."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from ingest.errors import PublishError, printable
from warehouse.connection import damaged_release

# they differ between any two releases
NOT_COMPARED = ("release", "release_inputs")


@dataclass(frozen=True)
class Difference:
    """How one table differs between an older and a newer release.

    Attributes:
        table: schema and name. n_old, n_new: rows; null where the release has no such table.
        n_added, n_removed: keys that only the newer, only the older release has; of a table without a key: rows.
        n_changed: keys of both whose other columns differ; null where there is no key.
        columns: column → in how many of them it differs; a column that one release lacks → null.
        rows: some of the differences, each `{"what": added | removed | changed, key columns, and for changed ones
            "column", "old", "new"}`.
    """

    table: str
    n_old: int | None
    n_new: int | None
    n_added: int = 0
    n_removed: int = 0
    n_changed: int | None = 0
    columns: dict[str, int | None] = field(default_factory=dict)
    rows: list[dict] = field(default_factory=list)

    @property
    def is_different(self) -> bool:
        """Whether anything differs."""
        return bool(self.n_added or self.n_removed or self.n_changed or self.columns) or None in (
            self.n_old,
            self.n_new,
        )


def compare(old: Path, new: Path, n_rows: int = 0) -> list[Difference]:
    """Compare two published databases; values are compared exactly, as text where the type is another.

    Args:
        old, new: their files.
        n_rows: how many differing rows of each table to show.

    Raises:
        PublishError: one of them cannot be read, or is damaged.
    """
    with duckdb.connect(":memory:") as connection:
        for name, path in (("old", old), ("new", new)):
            try:
                connection.execute(f"attach '{str(path).replace(chr(39), chr(39) * 2)}' as {name} (read_only)")
            except duckdb.Error as error:
                raise PublishError(f"ERROR {printable(path, 200)}: cannot be read: {printable(error, 200)}") from None
        tables = connection.sql(
            "select schema_name || '.' || table_name as name from duckdb_tables() where database_name in ('old', 'new')"
            " group by 1 order by 1"
        ).fetchall()
        names = [name for (name,) in tables if name.partition(".")[2] not in NOT_COMPARED]
        try:
            return [_compare(connection, name, n_rows) for name in names]
        except duckdb.Error as error:
            if told := damaged_release(old, error) or damaged_release(new, error):
                raise PublishError(told) from None
            raise


def _compare(connection: duckdb.DuckDBPyConnection, table: str, n_rows: int) -> Difference:
    columns = {side: _columns(connection, side, table) for side in ("old", "new")}
    if not all(columns.values()):
        counts = {s: _count(connection, f"{s}.{_quoted(table)}") if columns[s] else None for s in columns}
        return Difference(table, counts["old"], counts["new"])
    key = _key(connection, table)
    both = [c for c in columns["new"] if c in columns["old"]]
    # what has another type than before is compared as text
    as_text = {c: "::varchar" if columns["old"][c] != columns["new"][c] else "" for c in both}
    lacking = {c: None for c in [*columns["old"], *columns["new"]] if c not in both}
    n_old, n_new = (_count(connection, f"{side}.{_quoted(table)}") for side in ("old", "new"))
    if not key or not set(key) <= set(both):
        listed = ", ".join(f'"{c}"{as_text[c]}' for c in both)
        added, removed = (
            _count(
                connection,
                f"(select {listed} from {a}.{_quoted(table)} except all select {listed} from {b}.{_quoted(table)})",
            )
            for a, b in (("new", "old"), ("old", "new"))
        )
        return Difference(table, n_old, n_new, added, removed, None, lacking)
    on = " and ".join(f'o."{c}"{as_text[c]} is not distinct from n."{c}"{as_text[c]}' for c in key)
    joined = f"old.{_quoted(table)} as o full join new.{_quoted(table)} as n on {on}"
    only_new, only_old = (f'{side}."{key[0]}" is null' for side in ("o", "n"))
    others = [c for c in both if c not in key]
    differs = {c: f'o."{c}"{as_text[c]} is distinct from n."{c}"{as_text[c]}' for c in others}
    counted = connection.execute(
        f"select count(*) filter (where {only_new}), count(*) filter (where {only_old}),"
        f" count(*) filter (where not ({only_new}) and not ({only_old}) and ({' or '.join(differs.values()) or 'false'}))"
        + "".join(f", count(*) filter (where not ({only_new}) and not ({only_old}) and {d})" for d in differs.values())
        + f" from {joined}"
    ).fetchall()[0]
    n_added, n_removed, n_changed, *per_column = counted
    changed = {c: n for c, n in zip(others, per_column, strict=True) if n}
    rows: list[dict] = []
    if n_rows:
        shown_key = ", ".join(f'coalesce(n."{c}"{as_text[c]}, o."{c}"{as_text[c]}) as "{c}"' for c in key)
        for what, where in (("added", only_new), ("removed", only_old)):
            rows += _rows(
                connection, f"select '{what}' as what, {shown_key} from {joined} where {where} order by all", n_rows
            )
        for column in changed:
            rows += _rows(
                connection,
                f'select \'changed\' as what, {shown_key}, \'{column}\' as "column", o."{column}" as old, n."{column}" as new'
                f" from {joined} where not ({only_new}) and not ({only_old}) and {differs[column]} order by all",
                n_rows,
            )
    return Difference(table, n_old, n_new, n_added, n_removed, n_changed, changed | lacking, rows[:n_rows])


def _quoted(table: str) -> str:
    schema, _, name = table.partition(".")
    return f'"{schema}"."{name}"'


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    ((n,),) = connection.sql(f"select count(*) from {relation}").fetchall()
    return n


def _columns(connection: duckdb.DuckDBPyConnection, database: str, table: str) -> dict[str, str]:
    """Column → type, in order."""
    schema, _, name = table.partition(".")
    rows = connection.execute(
        "select column_name, data_type from duckdb_columns() where database_name = ? and schema_name = ? and table_name = ?"
        " order by column_index",
        [database, schema, name],
    ).fetchall()
    return dict(rows)


def _key(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """Primary key of the newer table; empty where it has none."""
    schema, _, name = table.partition(".")
    rows = connection.execute(
        "select constraint_column_names from duckdb_constraints() where database_name = 'new' and schema_name = ?"
        " and table_name = ? and constraint_type = 'PRIMARY KEY'",
        [schema, name],
    ).fetchall()
    return rows[0][0] if rows else []


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, limit: int) -> list[dict]:
    relation = connection.sql(f"{sql} limit {int(limit)}")
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]

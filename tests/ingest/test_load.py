"""One transaction per input; every row is counted; copies of a key are moved, not lost."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import duckdb
import polars as pl
import pyarrow
import pytest

from ingest import load
from ingest.load import Loader, ensure_tables, loaded_ids, remove_item, transaction
from schemas import TABLES

TRIALS = TABLES["trials"]


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        ensure_tables(connection)
        yield connection


def typed(*keys: tuple[str, str], first_line: int = 2) -> pl.DataFrame:
    """Valid rows of the trials table with these keys."""
    rows = pl.DataFrame(keys, schema=["report_id", "cancer_type_reported"], orient="row")
    absent = [pl.lit(None, TRIALS.dtype(name)).alias(name) for name in TRIALS.columns if name not in rows.columns]
    lines = pl.int_range(first_line, first_line + len(keys), dtype=pl.Int64)
    return rows.with_columns(*absent, _line=lines)


REJECTED = dict.fromkeys(["column", "value", "rule", "row_json", "message"], pl.String)


def rejected(*lines: int) -> pl.DataFrame:
    cells = {"_line": lines} | dict.fromkeys(REJECTED, "x")
    return pl.DataFrame(cells, {"_line": pl.Int64} | REJECTED)


def loader(db: duckdb.DuckDBPyConnection, load_id: str = "id1", file: str = "f.csv") -> Loader:
    return Loader(db, TRIALS, load_id, file, "institutional")


def counts(db: duckdb.DuckDBPyConnection) -> tuple[int, int, int]:
    """Rows of raw.trials, audit.loads and audit.rejected_rows."""
    names = ("raw.trials", "audit.loads", "audit.rejected_rows")
    return tuple(db.sql(f"select count(*) from {name}").fetchall()[0][0] for name in names)


def columns(db: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    return [row[0] for row in db.sql(f"describe {table}").fetchall()]


@pytest.mark.parametrize("name", TABLES)
def test_a_raw_table_has_the_columns_of_its_schema_and_the_provenance(name: str, db: duckdb.DuckDBPyConnection) -> None:
    assert columns(db, f"raw.{name}") == [*TABLES[name].columns, *load.PROVENANCE]


def test_every_column_of_raw_and_audit_is_described_in_the_database(db: duckdb.DuckDBPyConnection) -> None:
    found = db.sql("select count(*), count(comment) from duckdb_columns() where schema_name in ('raw', 'audit')")
    ((n_columns, n_comments),) = found.fetchall()
    assert n_columns == n_comments > 80


def test_units_are_in_the_database(db: duckdb.DuckDBPyConnection) -> None:
    found = db.sql("select comment from duckdb_columns() where table_name = 'patients' and column_name = 'ttf_days'")
    assert found.fetchall() == [
        ("Time from the first dose to treatment failure, to the event that ttf_event names. Unit: days.",)
    ]


def test_tables_that_are_right_keep_their_rows(db: duckdb.DuckDBPyConnection) -> None:
    loader(db).add(typed(("A", "NSCLC")), rejected(), 1)
    ensure_tables(db)
    assert counts(db) == (1, 0, 0)


@pytest.mark.parametrize(
    "change",
    [
        "alter table raw.trials drop column doi",
        "alter table raw.trials add column mood varchar",
        "alter table raw.trials alter column n_hpd type varchar",
        "alter table audit.loads drop column versions",
        "drop table raw.patients",
    ],
)
def test_tables_of_another_version_are_made_again_with_their_loads(change: str, db: duckdb.DuckDBPyConnection) -> None:
    part = loader(db)
    part.add(typed(("A", "NSCLC")), rejected(), 1)
    part.finish({})
    db.execute(change)
    ensure_tables(db)
    assert counts(db) == (0, 0, 0)
    assert columns(db, "raw.trials") == [*TRIALS.columns, *load.PROVENANCE]
    assert columns(db, "raw.patients")[: len(TABLES["patients"].columns)] == TABLES["patients"].columns
    assert columns(db, "audit.loads") == list(load.LOADS)


def test_a_view_on_a_raw_table_does_not_stop_a_new_version(db: duckdb.DuckDBPyConnection) -> None:
    db.execute("create schema staging; create view staging.v as select * from raw.trials")
    db.execute("alter table raw.patients drop column assay")
    ensure_tables(db)
    assert "assay" in columns(db, "raw.patients")


def test_a_row_carries_its_origin_load_file_and_line(db: duckdb.DuckDBPyConnection) -> None:
    loader(db).add(typed(("A", "NSCLC"), first_line=7), rejected(), 1)
    found = db.sql("select data_origin, _load_id, _source_file, _source_line from raw.trials")
    assert found.fetchall() == [("institutional", "id1", "f.csv", 7)]


def test_rows_that_do_not_add_up_are_refused(db: duckdb.DuckDBPyConnection) -> None:
    part = loader(db)
    part.add(typed(("A", "NSCLC")), rejected(3), 3)
    with pytest.raises(RuntimeError, match="does not add up"):
        part.finish({})


def test_a_row_rejected_for_two_reasons_counts_once(db: duckdb.DuckDBPyConnection) -> None:
    part = loader(db)
    part.add(typed(("A", "NSCLC")), rejected(3, 3), 2)
    assert part.finish({}).rows_rejected == 1


def test_distinct_keys_are_left_alone(db: duckdb.DuckDBPyConnection) -> None:
    part = loader(db)
    part.add(typed(("A", "NSCLC"), ("A", "SCLC"), ("B", "NSCLC")), rejected(), 3)
    assert part.reject_duplicate_keys() is None
    assert counts(db) == (3, 0, 0)


def test_all_copies_of_a_key_are_moved_across_blocks(db: duckdb.DuckDBPyConnection) -> None:
    part = loader(db)
    part.add(typed(("A", "NSCLC"), ("B", "NSCLC")), rejected(), 2)
    part.add(typed(("C", "NSCLC"), ("A", "NSCLC"), first_line=4), rejected(), 2)
    problem = part.reject_duplicate_keys()
    assert problem is not None
    assert (problem.lines, problem.n_lines, problem.found) == ([2, 5], 2, ["A / NSCLC"])
    assert counts(db) == (2, 0, 2)


def test_a_block_is_let_go_before_the_transaction_ends(
    db: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a file would have to fit into memory."""
    handed_over, to_arrow = [], pl.DataFrame.to_arrow

    def followed(frame: pl.DataFrame) -> pyarrow.Table:
        handed_over.append(weakref.ref(table := to_arrow(frame)))
        return table

    monkeypatch.setattr(pl.DataFrame, "to_arrow", followed)
    part = loader(db)
    with transaction(db):
        part.add(typed(("A", "NSCLC")), rejected(3), 2)
        gc.collect()
        assert [block() for block in handed_over] == [None, None]
    assert counts(db) == (1, 0, 1)


def test_keys_that_are_compared_in_several_parts_are_the_same(
    db: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "KEYS_AT_ONCE", 7)
    part = loader(db)
    keys = [(f"R{i % 40}", "NSCLC") for i in range(50)]
    part.add(typed(*keys), rejected(), 50)
    problem = part.reject_duplicate_keys()
    assert problem is not None
    assert (problem.n_lines, problem.n_found) == (20, 10)
    assert counts(db) == (30, 0, 20)


def test_the_same_key_in_another_file_is_no_copy(db: duckdb.DuckDBPyConnection) -> None:
    loader(db, "id1", "f.csv").add(typed(("A", "NSCLC")), rejected(), 1)
    second = loader(db, "id2", "g.csv")
    second.add(typed(("A", "NSCLC")), rejected(), 1)
    assert second.reject_duplicate_keys() is None


def test_ten_thousand_copies_of_one_key_do_not_name_each_other_ten_thousand_times(
    db: duckdb.DuckDBPyConnection,
) -> None:
    part = loader(db)
    part.add(typed(*[("A", "NSCLC")] * 10_000), rejected(), 10_000)
    part.reject_duplicate_keys()
    found = db.sql("select distinct message from audit.rejected_rows").fetchall()
    assert found == [("the key stands on lines 2, 3, 4 (9997 more)",)]


def test_values_that_broke_a_rule_are_counted_once_each(db: duckdb.DuckDBPyConnection) -> None:
    part = loader(db)
    part.add(typed(), rejected(2, 3).with_columns(value=pl.Series(["a", "b"])), 2)
    part.add(typed(), rejected(4, 5).with_columns(value=pl.Series(["b", "c"])), 2)
    assert part.n_values() == {("x", "x"): 3}


def test_removing_an_item_takes_the_rows_of_all_its_loads_and_no_others(db: duckdb.DuckDBPyConnection) -> None:
    for load_id, file, item in (("id1", "f/a.csv", "f"), ("id1-2", "f/b.csv", "f"), ("id2", "g.csv", "g.csv")):
        part = loader(db, load_id, file)
        part.add(typed(("A", "NSCLC")), rejected(3), 2)
        part.finish({"item_file": item, "item_id": load_id.partition("-")[0]})
    assert loaded_ids(db) == {"f": "id1", "g.csv": "id2"}
    remove_item(db, "f")
    assert counts(db) == (1, 1, 1)
    assert loaded_ids(db) == {"g.csv": "id2"}


def test_a_failed_transaction_leaves_nothing(db: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(KeyboardInterrupt), transaction(db):
        loader(db).add(typed(("A", "NSCLC")), rejected(3), 2)
        raise KeyboardInterrupt
    assert counts(db) == (0, 0, 0)

"""Nobody gets in: not through a query, and not through what a file says."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import pty
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result
from conftest import PROJECT, run_hpd

from ingest.cli import main
from warehouse.connection import READER, connect

URI = "duckdb:///{path}?access_mode=read_only&enable_external_access=false&lock_configuration=true"
LINES = (
    "set temp_directory = ''",
    "set enable_external_access = false",
    "set disabled_filesystems = 'LocalFileSystem'",
    "set lock_configuration = true",
)
DOORS = ("connect", "sqlalchemy", "hpd query", "the four lines")

# refused by the settings alone: each of these works on a connection without them (a test says so)
FORBIDDEN = {
    "create a table": "create table t as select 1",
    "create a view": "create view v as select 1",
    "create a schema": "create schema s",
    "create a sequence": "create sequence q",
    "create a type": "create type ty as enum ('a')",
    "create an index": "create index i on hpd_incidence (n_hpd)",
    "create a function": "create function f(a) as a",
    "create a macro": "create macro f(a) as table select a",
    "replace a mart": "create or replace table hpd_incidence as select 1",
    "insert": "insert into release select * from release",
    "update": "update hpd_incidence set n_hpd = 0",
    "delete": "delete from hpd_incidence",
    "truncate": "truncate hpd_incidence",
    "merge": "merge into release a using release b on a.release_id = b.release_id when matched then delete",
    "drop a mart": "drop table hpd_incidence",
    "add a column": "alter table hpd_incidence add column x int",
    "rename a mart": "alter table hpd_incidence rename to x",
    "comment": "comment on table hpd_incidence is 'x'",
    "attach a database": "attach '{folder}/other.duckdb'",
    "attach a database to read": "attach '{folder}/other.duckdb' as o (read_only)",
    "attach a new database": "attach '{folder}/new.duckdb'",
    "attach memory": "attach ':memory:' as m",
    "copy out as CSV": "copy hpd_incidence to '{folder}/out.csv'",
    "copy out as Parquet": "copy hpd_incidence to '{folder}/out.parquet' (format parquet)",
    "copy to a device": "copy (select 1) to '/dev/null'",
    "export the database": "export database '{folder}/exported'",
    "import a database": "import database '{folder}/dump'",
    "read a text file": "select * from read_text('{folder}/a.csv')",
    "read a binary file": "select * from read_blob('{folder}/a.csv')",
    "read a CSV file": "select * from read_csv('{folder}/a.csv')",
    "sniff a CSV file": "select * from sniff_csv('{folder}/a.csv')",
    "read a JSON file": "select * from read_json('{folder}/a.json')",
    "read a Parquet file": "select * from read_parquet('{folder}/a.parquet')",
    "look at a Parquet file": "select * from parquet_metadata('{folder}/a.parquet')",
    "look at the keys of a Parquet file": "select * from parquet_kv_metadata('{folder}/a.parquet')",
    "list a folder": "select * from glob('{folder}/*')",
    "name a file as a table": "from '{folder}/a.csv'",
    "name a file through a function": "from query_table('{folder}/a.csv')",
    "hide a file in a text": "from query('from read_text(''{folder}/a.csv'')')",
    "hide a file in a plan": "from json_execute_serialized_sql(json_serialize_sql('from read_text(''{folder}/a.csv'')'))",
    "unlock the configuration": "set lock_configuration = false",
    "take more memory": "set memory_limit = '1GB'",
    "take more threads": "pragma threads = 4",
    "spill elsewhere": "set temp_directory = '{folder}/spill'",
    "allow a folder": "set allowed_directories = ['{folder}']",
    "allow unknown extensions": "set autoinstall_known_extensions = true",
    "move the extensions": "set extension_directory = '{folder}'",
    "move the secrets": "set secret_directory = '{folder}'",
    "log queries to a file": "set log_query_path = '{folder}/log'",
    "log to a file": "call enable_logging(storage = 'file', storage_config = {{'path': '{folder}/logs'}})",
    "profile into a file": "pragma profiling_output = '{folder}/profile.txt'",
    "keep a secret": "create persistent secret s in local_file (type http, bearer_token 'x')",
    "see the extensions": "from duckdb_extensions()",
}
# refused, or not there at all; some need a network without the settings, or cannot be had while a database is open
OUT_OF_REACH = {
    "allow external access": "set enable_external_access = true",
    "reset external access": "reset enable_external_access",
    "install an extension": "install httpfs",
    "install an extension from a folder": "install httpfs from '{folder}'",
    "load an extension": "load httpfs",
    "load an extension from a file": "load '{folder}/x.duckdb_extension'",
    "update extensions": "update extensions",
    "read an address": "from 'https://example.invalid/a.csv'",
    "attach an address": "attach 'https://example.invalid/a.duckdb'",
    "read another engine's file": "from sqlite_scan('{folder}/a.sqlite', 'a')",
    "start a server": "call start_ui()",
    "read the environment": "select getenv('HOME')",
    "read a variable of the program": "from settings",
}
# with external access off DuckDB keeps its own files; in an address one cannot say more, and the folder is read-only then
OWN_FILES = {
    "leave a write-ahead log to later readers": "copy (select 1) to '{database}.wal'",
    "leave another of its logs": "copy (select 1) to '{database}.wal.recovery'",
    "overwrite the database": "copy (select 1) to '{database}'",
    "read the database as a file": "select size from read_blob('{database}')",
    "attach the database again": "attach '{database}' as again (read_only)",
}
REFUSAL = re.compile(
    "read-only|operations are disabled by configuration|disabled through configuration|configuration has been locked"
    "|disabled by configuration|Can not enable file logging|name (getenv|settings) does not exist"
)


@pytest.fixture(scope="module")
def home(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse of its own (a process opens a file with one configuration at a time), and files to steal."""
    folder = tmp_path_factory.mktemp("hardening")
    shutil.copytree(published, folder / "home", symlinks=True)
    (folder / "a.csv").write_text("a,b\n1,2\n")
    (folder / "a.json").write_text('{"a": 1}\n')
    (folder / "dump").mkdir()
    (folder / "dump" / "schema.sql").write_text("create table dumped (a int);")
    (folder / "dump" / "load.sql").write_text("")
    with duckdb.connect(str(folder / "other.duckdb")) as other:
        other.execute("create table other as select 1 as a")
        other.execute(f"copy other to '{folder / 'a.parquet'}' (format parquet)")
    return folder / "home"


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.lstat().st_size, p.lstat().st_mtime_ns) for p in sorted(folder.rglob("*")) if not p.is_dir()}


def _ask(door: str, sql: str, home: Path) -> str | None:
    """Run `sql` through a documented door; returns what it said when it refused."""
    if door == "hpd query":
        done = CliRunner(env={"HPD_HOME": str(home)}).invoke(main, ["query", sql])
        assert done.exit_code == 0 or done.stderr.startswith("ERROR query: ")
        return done.stderr if done.exit_code else None
    try:
        if door == "connect":
            with connect(home / "hpd.duckdb") as reader:
                relation = reader.sql(sql)
                _ = relation.fetchall() if relation else None
        elif door == "the four lines":
            with duckdb.connect(str(home / "hpd.duckdb"), read_only=True) as reader:
                for line in LINES:
                    reader.execute(line)
                reader.execute(sql).fetchall()
        else:
            sqlalchemy = pytest.importorskip("sqlalchemy")
            pytest.importorskip("duckdb_engine")
            engine = sqlalchemy.create_engine(URI.format(path=home / "hpd.duckdb"), poolclass=sqlalchemy.pool.NullPool)
            with engine.connect() as connection:
                connection.exec_driver_sql(sql).fetchall()
    except Exception as error:  # each door has its own
        return str(error)
    return None


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("what", [*FORBIDDEN, *OUT_OF_REACH])
def test_a_client_cannot(what: str, door: str, home: Path) -> None:
    before = _files(home.parent)
    said = _ask(door, (FORBIDDEN | OUT_OF_REACH)[what].format(folder=home.parent), home)
    assert said is not None, "it was done"
    assert REFUSAL.search(re.sub(r"\s+", " ", said)), said
    assert _files(home.parent) == before


@pytest.mark.parametrize("door", [door for door in DOORS if door != "sqlalchemy"])
@pytest.mark.parametrize("what", OWN_FILES)
def test_a_client_cannot_touch_the_files_of_the_release_either(what: str, door: str, home: Path) -> None:
    before = _files(home.parent)
    said = _ask(door, OWN_FILES[what].format(database=(home / "hpd.duckdb").resolve()), home)
    assert said is not None, "it was done"
    assert "LocalFileSystem has been disabled by configuration" in re.sub(r"\s+", " ", said)
    assert _files(home.parent) == before


def test_the_folder_of_a_release_is_for_nobody_to_write_in(published: Path) -> None:
    folder = (published / "hpd.duckdb").resolve().parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o555
    assert {path.name for path in folder.iterdir()} == {"hpd.duckdb", "report.html"}


def test_a_second_connection_of_a_process_is_sealed_as_the_first_is(home: Path) -> None:
    with connect(home / "hpd.duckdb"), connect(home / "hpd.duckdb") as second:
        assert second.sql("select count(*) > 0 from hpd_incidence").fetchall() == [(True,)]
        with pytest.raises(duckdb.PermissionException):
            second.execute(f"copy (select 1) to '{(home / 'hpd.duckdb').resolve()}.wal'")


@pytest.mark.parametrize("door", DOORS)
def test_a_client_can_ask(door: str, home: Path) -> None:
    assert _ask(door, "select count(*) from hpd_incidence", home) is None


@pytest.mark.parametrize("what", FORBIDDEN)
def test_it_is_the_settings_that_refuse(what: str, home: Path, tmp_path: Path) -> None:
    if what == "keep a secret":
        pytest.skip("it would be kept in the home folder of whoever runs the tests")
    shutil.copytree(home.parent, tmp_path / "copy", symlinks=True)
    plain = tmp_path / "plain.duckdb"
    shutil.copyfile(home / "hpd.duckdb", plain)
    with duckdb.connect(str(plain)) as connection:
        connection.execute(FORBIDDEN[what].format(folder=tmp_path / "copy"))


def test_the_secrets_of_who_runs_the_server_are_not_to_be_seen(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    secrets = "select name from duckdb_secrets()"
    with duckdb.connect() as owner:
        owner.execute("create persistent secret theirs in local_file (type http, bearer_token 'x')")
        assert owner.sql(secrets).fetchall() == [("theirs",)]
    with connect(home / "hpd.duckdb") as reader:
        assert reader.sql(secrets).fetchall() == []


@pytest.mark.parametrize("sql", ["vacuum", "analyze", "checkpoint", "force checkpoint", "call truncate_duckdb_logs()"])
def test_housekeeping_leaves_the_file_as_it_is(sql: str, home: Path) -> None:
    before = hashlib.sha256((home / "hpd.duckdb").read_bytes()).hexdigest(), _files(home)
    _ask("connect", sql, home)
    assert (hashlib.sha256((home / "hpd.duckdb").read_bytes()).hexdigest(), _files(home)) == before


def test_what_a_session_makes_for_itself_is_seen_by_no_other(home: Path) -> None:
    with connect(home / "hpd.duckdb") as one, connect(home / "hpd.duckdb") as other:
        one.execute("create temp table hpd_incidence as select 'false' as n_hpd")
        one.execute("create temp macro answer() as 42")
        one.execute("set variable x = 1")
        assert one.sql("select n_hpd from hpd_incidence").fetchall() == [("false",)]
        assert other.sql("select count(*) > 1 from hpd_incidence").fetchall() == [(True,)]
        assert other.sql("select getvariable('x')").fetchall() == [(None,)]
        with pytest.raises(duckdb.CatalogException):
            other.sql("select answer()")


def test_a_query_too_big_for_memory_fails_and_fills_no_disk(home: Path) -> None:
    before = _files(home.parent)
    big = (
        "create temp table big as select i, hash(i) as h, i || repeat('x', 40) as s from range(3000000) t(i) order by h"
    )
    config = {"memory_limit": "60MB", **READER}
    with duckdb.connect(str(home / "hpd.duckdb"), read_only=True, config=config) as reader:
        with pytest.raises(duckdb.OutOfMemoryException):
            reader.execute(big)
        assert reader.sql("select count(*) > 0 from hpd_incidence").fetchall() == [(True,)]
    assert _files(home.parent) == before


# ── what files say ───────────────────────────────────────────────────────────────────────────────────────────────────

CELLS = [
    "'); drop table raw.trials; --",
    '"; delete from "raw"."trials"; --',
    "' union select content from read_text('/etc/passwd') --",
    "$(touch OWNED)",
    "`touch OWNED`",
    "; touch OWNED #",
    "| touch OWNED",
    "../../../etc/passwd",
    "{{ run_query('drop table x') }}{% do 1/0 %}",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "[bold red]x[/] :smile: \\[",
    "%s %n {0} {x!r}",
    "\x1b[2J\x1b]0;owned\x07",
    "\x9b31m",
    "a\x08\x08b\x0b\x7f",
    "\u202egnp\u2066",
    "x" * 1_000_000,
]
NAMES = [
    "'); drop table raw.trials; --.csv",
    '"; drop schema raw; --.csv',
    "$(touch OWNED).csv",
    "`touch OWNED`.csv",
    ";touch OWNED;.csv",
    "=cmd|'calc'!A0.csv",
    "-rf.csv",
    "--help.csv",
    "a*?[b].csv",
    "[bold red]x[].csv",
    "%s{0}{{ 1 + 1 }}.csv",
    "new\nline.csv",
    "esc\x1b[2J\x07.csv",
    "\u202egnp.csv",
]
HEADER = ["report_id", "cancer_type_reported", "hpd_definition", "n_evaluable", "n_hpd", "agents", "setting"]
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def _write(path: Path, rows: list[list], header: list[str] = HEADER) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def _tame(done: subprocess.CompletedProcess | Result, longest: int = 2100) -> str:
    for text in (done.stdout, done.stderr):
        assert not CONTROL.search(text), CONTROL.search(text)
        assert max(map(len, text.split("\n"))) <= longest
    return done.stdout


def _on_a_terminal(*args: str, home: Path) -> str:
    """What `hpd ARGS` writes to a terminal."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "HPD_HOME": str(home), "PYTHONPATH": str(PROJECT), "TERM": "dumb", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "ingest.cli", *args]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=theirs, env=environment) as process:
        os.close(theirs)
        written = b""
        try:
            while block := os.read(ours, 65536):
                written += block
        except OSError:  # Linux says so when the other end has closed
            pass
        process.wait(60)
    os.close(ours)
    return written.decode().replace("\r\n", "\n")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files with hostile names, one of them full of hostile cells."""
    folder = tmp_path_factory.mktemp("hostile") / "data"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        _write(folder / name, [[f"NAME_{number}", "NSCLC", "FERRARA_DTGR50", 50, 6, "", ""]])
    rows = []
    for number, cell in enumerate(CELLS):
        rows += [[f"TEXT_{number}", cell, cell, 50, 6, cell, cell], [f"N_{number}", "NSCLC", "X", cell, cell, "", ""]]
    _write(folder / "cells.csv", rows)
    return folder


@pytest.fixture(scope="module")
def refreshed(published: Path, hostile: Path) -> Iterator[tuple[Path, subprocess.CompletedProcess]]:
    """A warehouse that holds them beside the published evidence, and what its refresh said."""
    home = Path(shutil.copytree(published, hostile.parent / "home", symlinks=True))
    yield home, run_hpd("refresh", "bundled", "data", home=home, cwd=hostile.parent, status=3)


def test_hostile_files_are_checked_and_a_terminal_stays_as_it_was(hostile: Path, tmp_path: Path) -> None:
    before = _files(hostile)
    done = run_hpd("validate", ".", home=tmp_path / "home", cwd=hostile, status=3)
    assert ", 0 bad" not in _tame(done, 400)
    assert "esc\\x1b[2J\\x07.csv" in done.stderr
    assert _files(hostile) == before
    assert not list(tmp_path.rglob("OWNED"))


@pytest.mark.parametrize("name", ["--help.csv", "-rf.csv", "$(touch OWNED).csv", "a*?[b].csv", "new\nline.csv"])
def test_a_hostile_name_is_a_name(name: str, hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(hostile)
    done = CliRunner(env={"HPD_HOME": str(tmp_path / "home")}).invoke(main, ["validate", "--", name])
    assert done.exit_code == 0
    assert "1 row read, 1 good" in _tame(done, 400)


@pytest.mark.parametrize("cell", CELLS, ids=range(len(CELLS)))
def test_a_hostile_column_name_is_told_and_harms_nothing(
    cell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path / "own.csv", [["A", "NSCLC", "X", 50, 6, "", "", "1"]], [*HEADER, cell])
    monkeypatch.chdir(tmp_path)
    done = CliRunner(env={"HPD_HOME": str(tmp_path / "home")}).invoke(main, ["validate", "own.csv"])
    assert done.exit_code == 1
    assert "has no such column" in done.stderr or "has a header that cannot be read" in done.stderr
    _tame(done, 400)
    assert [p.name for p in tmp_path.iterdir()] == ["own.csv"]


def test_hostile_cells_are_kept_as_text_and_reach_no_sql(refreshed: tuple, hostile: Path, published: Path) -> None:
    home, done = refreshed
    _tame(done, 400)
    assert not list(hostile.parent.rglob("OWNED"))
    sql = "select report_id, {} from raw.trials where _source_file like '%cells.csv' order by _source_line"
    with duckdb.connect(str(home / "build.duckdb"), read_only=True) as build:
        rows = build.sql(sql.format("cancer_type_reported, agents, setting")).fetchall()
        (rejected,) = build.sql("select count(distinct source_line) from audit.rejected_rows").fetchall()
        names = build.sql("select count(*) from raw.trials where report_id like 'NAME_%'").fetchall()
    with duckdb.connect(str(published / "build.duckdb"), read_only=True) as build:
        tables = build.sql("select table_schema, table_name from information_schema.tables order by all").fetchall()
        evidence = build.sql("select count(*) from raw.trials").fetchall()
    with duckdb.connect(str(home / "build.duckdb"), read_only=True) as build:
        assert (
            build.sql("select table_schema, table_name from information_schema.tables order by all").fetchall()
            == tables
        )
        bundled = build.sql("select count(*) from raw.trials where _source_file like 'bundled/%'").fetchall()
    assert bundled == evidence
    assert names == [(len(NAMES),)]
    assert rejected == (len(CELLS),)  # the text where a number belongs
    kept = {row[0]: row[1:] for row in rows}
    for number, cell in enumerate(CELLS):
        assert [value.strip() for value in kept[f"TEXT_{number}"]] == [cell.strip()] * 3


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("status", "bundled", "data"),
        ("query", "from hpd_reports where report_id like 'TEXT_%'"),
        ("query", "from data_quality"),
        ("query", "from release_inputs"),
        ("query", "--format", "json", "select * exclude (agents) from hpd_reports where length(cancer_type) < 1000"),
        ("query", "pivot (from hpd_reports where length(cancer_type) < 99) on cancer_type using count(*)"),
        ("query", 'select 1 as "\x1b[2J"'),
        ("query", "select \x1b[2J"),
        ("diff", "--rows", "100"),
        ("rollback", "\x1b[2J"),
        ("template", "\x1b[2J"),
        ("query", "--format", "\x1b[2J", "select 1"),
    ],
    ids=lambda command: " ".join(command).encode("unicode_escape").decode()[:40],
)
def test_no_command_writes_a_control_character(
    command: tuple[str, ...], refreshed: tuple, hostile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, _ = refreshed
    monkeypatch.chdir(hostile.parent)
    done = CliRunner(env={"HPD_HOME": str(home)}).invoke(main, command)
    assert done.stdout + done.stderr
    assert done.exception is None or isinstance(done.exception, SystemExit)
    _tame(done, 1_000_000)


def test_csv_keeps_every_character_for_a_file_and_none_of_control_for_a_terminal(refreshed: tuple) -> None:
    home, _ = refreshed
    sql = "select agents from hpd_reports where report_id like 'TEXT_%' and length(agents) < 1000"
    done = run_hpd("query", "--format", "csv", sql, home=home)
    assert CONTROL.search(done.stdout)
    shown = _on_a_terminal("query", "--format", "csv", sql, home=home)
    assert "owned" in shown
    assert not CONTROL.search(shown)


def test_an_export_escapes_what_a_spreadsheet_would_run(refreshed: tuple, tmp_path: Path) -> None:
    home, _ = refreshed
    done = run_hpd("export", "--format", "csv", str(tmp_path / "marts"), home=home)
    _tame(done)
    with (tmp_path / "marts" / "hpd_reports.csv").open(encoding="utf-8", newline="") as file:
        csv.field_size_limit(10_000_000)
        rows = list(csv.DictReader(file))
    agents = {row["report_id"]: row["agents"] for row in rows}
    for number, cell in enumerate(CELLS):
        if cell[0] in "=+-@":
            assert agents[f"TEXT_{number}"] == f"'{cell}"


def test_json_of_a_megabyte_cell_is_whole(refreshed: tuple) -> None:
    home, _ = refreshed
    sql = "select max_by(agents, length(agents)) as agents from hpd_reports"
    ((row),) = json.loads(run_hpd("query", "--format", "json", sql, home=home).stdout)
    assert row["agents"] == "x" * 1_000_000


# --- the folder one is in ---


@pytest.mark.parametrize("command", ["build", "docs"])
def test_no_python_of_the_folder_one_is_in_is_run(command: str, warehouse: Path, tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    marks = "import pathlib; pathlib.Path(__file__).with_suffix('.ran').touch()\n"
    for name in ("csv.py", "json.py", "warehouse/__init__.py", "dbt/__init__.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(marks)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "ingest.cli", command],  # -P: as the installed script, without the folder
        env={**os.environ, "HPD_HOME": str(warehouse), "PYTHONPATH": str(PROJECT)}, cwd=folder, capture_output=True,
        text=True, timeout=300, check=False,
    )  # fmt: skip
    assert list(folder.rglob("*.ran")) == []
    assert done.returncode == 0, done.stderr

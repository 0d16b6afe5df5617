"""What a reader may do: query, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner
from conftest import run_hpd

from ingest.cli import main
from ingest.errors import HpdError
from ingest.settings import Settings
from warehouse import connection
from warehouse.connection import connect, open_build

FORBIDDEN = {
    "write": "create table t as select 1",
    "change a row": "delete from hpd_incidence",
    "attach another database": "attach 'other.duckdb'",
    "copy out": "copy hpd_incidence to 'out.csv'",
    "read a file of the server": "select * from read_text('/etc/hostname')",
    "read a table of the server": "from 'tests.csv'",
    "install an extension": "install httpfs",
    "load an extension": "load httpfs",
    "allow external access again": "set enable_external_access = true",
    "change a setting": "set memory_limit = '1GB'",
}


@pytest.mark.parametrize("sql", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_a_reader_cannot(sql: str, published: Path) -> None:
    with connect(published / "hpd.duckdb") as reader, pytest.raises(duckdb.Error):
        reader.sql(sql).fetchall()


def test_a_query_on_the_command_line_cannot_write_either(published: Path) -> None:
    done = run_hpd("query", "create table t as select 1", home=published, status=1)
    assert done.stderr.startswith("ERROR query: ")
    assert "read-only" in done.stderr


def test_a_query_prints_a_table_csv_or_json(published: Path) -> None:
    sql = "select n_hpd, n_evaluable from hpd_incidence where cancer_type_code = 'NSCLC' and hpd_definition = 'ANY_PUBLISHED'"
    assert run_hpd("query", "--format", "csv", sql, home=published).stdout == "n_hpd,n_evaluable\n209,1302\n"
    assert '"n_hpd": 209' in run_hpd("query", "--format", "json", sql, home=published).stdout
    table = run_hpd("query", sql, home=published).stdout
    assert "n_evaluable" in table
    assert "1302" in table


def test_nothing_published_yet_is_said_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(HpdError, match="nothing is published yet; run `hpd refresh`"):
        connect(tmp_path / "hpd.duckdb")


def test_a_damaged_build_database_is_said_with_the_way_out(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "block")  # a name that says "lock" does not say that it is locked
    settings.home.mkdir()
    settings.build_db.write_bytes(b"this was a database once" * 1000)
    with pytest.raises(HpdError, match="delete it and its .wal and run `hpd refresh`"):
        open_build(settings)


@pytest.mark.parametrize("seconds", [0.5, 60])
def test_a_writer_waits_for_somebody_who_only_looks_but_not_for_ever(
    seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(tmp_path)
    open_build(settings).close()
    monkeypatch.setattr(connection, "LOOK_SECONDS", 10 if seconds < 1 else 0.5)
    look = "import duckdb, sys, time; c = duckdb.connect(sys.argv[1], read_only=True); print(flush=True); time.sleep(float(sys.argv[2]))"
    command = [sys.executable, "-c", look, str(settings.build_db), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as looking:
        looking.stdout.readline()
        try:
            if seconds < 1:
                open_build(settings).close()
            else:
                with pytest.raises(HpdError, match="another program has it open"):
                    open_build(settings)
        finally:
            looking.kill()


def test_a_home_of_somebody_who_is_not_there_is_told() -> None:
    done = CliRunner(env={"HPD_HOME": "~nosuch/x"}).invoke(main, ["status"])
    assert done.exit_code == 2
    assert done.stderr == "ERROR HPD_HOME=~nosuch/x: there is no such home folder; write the path out\n"

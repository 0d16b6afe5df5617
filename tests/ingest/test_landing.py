"""The landing zone holds what build.duckdb would, an input is there whole or not at all, and a kill leaves nothing behind."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import duckdb
import pytest
from conftest import run_hpd

from ingest.errors import HpdError
from ingest.landing import Landing, take_audit
from ingest.load import ensure_tables
from schemas import TABLES

TRIALS = "report_id,cancer_type_reported,hpd_definition,n_evaluable,n_hpd\n"
PATIENTS = "trial_id,patient_id,cancer_type_reported,agents,off_treatment_day\nT,P1,NSCLC,nivolumab,40\nT,P2,NSCLC,nivolumab,x\n"
SCANS = "trial_id,patient_id,day,sum_diameters_mm\nT,P1,-3,50\nT,P1,42,80\nT,P1,42,81\nT,P3,42,many\n"


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Trials, patients and scans; a bad number in each, and a key that stands twice."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "trials.csv").write_text(f"{TRIALS}A,NSCLC,FERRARA_DTGR50,100,50\nB,NSCLC,FERRARA_DTGR50,ten,5\n")
    (folder / "patients.csv").write_text(PATIENTS)
    (folder / "scans.csv").write_text(SCANS)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def land(home: Path, *given: object, status: int = 3) -> Landing:
    run_hpd("load", "--landing", home / "landing", *given, home=home, status=status)
    return Landing(home / "landing")


def rows_of(landing: Landing, table: str) -> str:
    """A table of the landing zone, for DuckDB."""
    return f"read_parquet('{landing.folder}/{table.replace('.', '/')}/*/*.parquet', hive_partitioning = false)"


def files(landing: Landing) -> dict[str, int]:
    """Every file that holds rows, and when it was written."""
    return {str(p): p.stat().st_mtime_ns for p in landing.folder.glob("*/*/item=*/*") if p.parent.name not in ("item=none", "item=all")}  # fmt: skip


def test_the_landing_zone_holds_the_rows_and_the_rejects_of_build_duckdb(inputs: Path, home: Path) -> None:
    landing = land(home, "bundled", inputs)
    run_hpd("load", "bundled", inputs, home=home, status=3)
    with duckdb.connect(str(home / "build.duckdb"), read_only=True) as db:
        for table in (*(f"raw.{name}" for name in TABLES), "audit.rejected_rows", "audit.rejected_scans"):
            ours = db.sql(f"from {table} order by all").fetchall()
            assert db.sql(f"from {rows_of(landing, table)} order by all").fetchall() == ours, table
        columns = "* exclude (seconds, loaded_at)"
        ours = db.sql(f"select {columns} from audit.loads order by all").fetchall()
        assert db.sql(f"select {columns} from {rows_of(landing, 'audit.loads')} order by all").fetchall() == ours
        ((n_rejected,),) = db.sql("select count(*) from audit.rejected_rows").fetchall()
    assert landing.n_findings == n_rejected > 0


def test_the_manifest_has_the_checksum_and_the_rows_of_every_file(inputs: Path, home: Path) -> None:
    landing = land(home, inputs)
    told = {name: facts for item in landing.items.values() for name, facts in item["files"].items()}
    assert {str(landing.folder / name) for name in told} == files(landing).keys()
    for name, facts in told.items():
        path = landing.folder / name
        assert hashlib.sha256(path.read_bytes()).hexdigest() == facts["sha256"]
        assert duckdb.sql(f"select count(*) from read_parquet('{path}')").fetchall() == [(facts["n_rows"],)]


def test_identifiers_are_pseudonyms_in_the_landing_zone_too(inputs: Path, home: Path) -> None:
    landing = land(home, inputs)
    ((patient,),) = duckdb.sql(f"select patient_id from {rows_of(landing, 'raw.patients')}").fetchall()
    assert patient != "P1"
    assert landing.folder.stat().st_mode & 0o077 == 0


def test_a_second_load_writes_nothing_anew(inputs: Path, home: Path) -> None:
    before = files(land(home, inputs))
    assert files(land(home, inputs)) == before


def test_a_changed_input_replaces_its_own_rows_and_one_no_longer_named_goes(inputs: Path, home: Path) -> None:
    before = files(land(home, "bundled", inputs))
    (inputs / "trials.csv").write_text(f"{TRIALS}C,NSCLC,FERRARA_DTGR50,100,50\n")
    landing = land(home, inputs)
    trials = duckdb.sql(f"select report_id from {rows_of(landing, 'raw.trials')}").fetchall()
    assert trials == [("C",)]
    kept = files(landing)
    patients = {path: at for path, at in before.items() if "/raw/patients/" in path and path in kept}
    assert patients and all(kept[path] == at for path, at in patients.items())
    landing.check()


def test_an_input_that_cannot_be_read_leaves_what_landed_of_it(inputs: Path, home: Path) -> None:
    before = files(land(home, inputs))
    (inputs / "trials.csv").write_text("what,is,this\n1,2,3\n")
    landing = land(home, inputs, status=1)
    assert files(landing) == before
    with pytest.raises(HpdError, match="did not finish; run it again"):
        landing.check()


def test_what_a_killed_load_left_is_removed_by_the_next(inputs: Path, home: Path) -> None:
    landing = land(home, inputs)
    before = files(landing)
    for left in ("raw/trials/item=killed", ".unfinished/raw/trials/item=killed"):
        (landing.folder / left).mkdir(parents=True)
        (landing.folder / left / "data_0.parquet").write_bytes(b"half")
    with pytest.raises(HpdError, match=r"item=killed/data_0.parquet: is not what was loaded"):
        landing.check()
    landing = land(home, inputs)
    assert files(landing) == before
    landing.check()


def test_a_file_that_was_changed_is_not_built_from(inputs: Path, home: Path) -> None:
    landing = land(home, inputs)
    path = next(Path(name) for name in files(landing) if "/raw/patients/" in name)
    whole = path.read_bytes()
    path.write_bytes(whole[:9] + bytes([whole[9] ^ 1]) + whole[10:])  # a bit; the size is as it was
    with pytest.raises(HpdError, match="is not what was loaded; delete the landing zone"):
        landing.check()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("full", "is not empty and has no manifest.json"), ("with{brace", "has { in its name"),
        ("at 12:30", "has : in its name"), ("full/thesis.docx", "is a file; name a folder"),
    ],
)  # fmt: skip
def test_a_folder_of_something_else_is_no_landing_zone(tmp_path: Path, name: str, said: str) -> None:
    folder = tmp_path / name.partition("/")[0]
    folder.mkdir()
    (folder / "thesis.docx").write_text("")
    done = run_hpd("load", "--landing", tmp_path / name, "bundled", home=tmp_path / "home", status=1)
    assert said in done.stderr
    assert [path.name for path in folder.iterdir()] == ["thesis.docx"]


def test_a_landing_zone_elsewhere_may_be_the_first_that_a_machine_holds(
    inputs: Path, home: Path, tmp_path: Path
) -> None:
    """The key of the pseudonyms and the log are of the warehouse, which is not there yet."""
    for _ in range(2):
        run_hpd("load", "--landing", tmp_path / "disks" / "landing", inputs, home=home, status=3)
    assert {path.name for path in home.iterdir()} == {"patient.key", "hpd.log"}
    assert [json.loads(line)["step"] for line in (home / "hpd.log").read_text().splitlines()] == ["load", "end"] * 2


@pytest.mark.parametrize("refused", ["home", "landing"])
def test_a_folder_that_cannot_be_made_is_named(inputs: Path, tmp_path: Path, refused: str) -> None:
    (tmp_path / "file").write_text("")
    folders = {"home": tmp_path / "home", "landing": tmp_path / "landing"} | {refused: tmp_path / "file" / refused}
    done = run_hpd("load", "--landing", folders["landing"], inputs, home=folders["home"], cwd=tmp_path, status=1)
    assert f"ERROR {folders[refused]}: cannot be written" in done.stderr
    assert not folders["home"].exists()


def test_the_folder_of_the_databases_is_no_landing_zone(home: Path) -> None:
    done = run_hpd("load", "--landing", home, "bundled", home=home, status=1)
    assert "home: is the folder of the databases, and readable by others" in done.stderr


@pytest.mark.parametrize("damaged", ["{", "null"])
def test_a_landing_zone_whose_manifest_is_damaged_is_told(inputs: Path, home: Path, damaged: str) -> None:
    landing = land(home, inputs)
    (landing.folder / "manifest.json").write_text(damaged)
    done = run_hpd("load", "--landing", landing.folder, inputs, home=home, status=1)
    assert "manifest.json: cannot be read" in done.stderr


def test_other_columns_have_everything_loaded_anew(inputs: Path, home: Path) -> None:
    landing = land(home, inputs)
    told = json.loads((landing.folder / "manifest.json").read_text())
    (landing.folder / "manifest.json").write_text(json.dumps(told | {"columns": "of an earlier version"}))
    before = files(landing)
    after = files(land(home, inputs))
    assert before.keys() == after.keys()
    assert not set(before.items()) & set(after.items())


def test_after_spark_a_refresh_on_duckdb_loads_its_own_rows(home: Path) -> None:
    """Not to be told from the audit tables, which are the same, that they are there."""
    landing = land(home, "bundled", status=0)
    with duckdb.connect(str(home / "build.duckdb")) as db:
        ensure_tables(db)
        take_audit(db, landing)
        assert db.sql("select count(*) > 0, (select count(*) from raw.trials) from audit.loads").fetchall() == [
            (True, 0)
        ]
    assert "only what Spark counted; run `hpd refresh --engine spark`" in run_hpd("build", home=home, status=1).stderr
    run_hpd("load", "bundled", home=home)
    with duckdb.connect(str(home / "build.duckdb"), read_only=True) as db:
        assert db.sql("select count(*) from raw.trials").fetchall() == [(66,)]
        assert not db.sql("from duckdb_tables() where schema_name = 'audit' and table_name = 'landing'").fetchall()


def test_landing_is_said_where_it_has_a_meaning(tmp_path: Path) -> None:
    done = run_hpd("refresh", "--landing", tmp_path / "landing", home=tmp_path / "home", status=2)
    assert "--landing is for --engine spark" in done.stderr

"""Patients at the door: keyed pseudonyms, and cells of which only the shape is shown."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest
import xlsxwriter
from click.testing import CliRunner
from conftest import PROJECT
from hypothesis import given
from hypothesis import strategies as st

from ingest import privacy
from ingest.cli import main
from ingest.errors import HpdError
from ingest.pipeline import Report, discover, run, specs_from
from ingest.privacy import KEY_FILE, KEY_VARIABLE, Pseudonyms, hide, outline, shape
from ingest.settings import Settings
from schemas import TABLES

KEY = "a key of the tests, long enough"
PATIENTS = "trial_id,patient_id,cancer_type,death_day\nONE,Jane Doe,NSCLC,90\nTWO,Jane Doe,NSCLC,90\nONE,4711,NSCLC,\n"
SCANS = "trial_id,patient_id,day,sum_diameters_mm\nONE,Jane Doe,-3,50\nONE,4711,-3,50\nTWO,Jane Doe,-3,50\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of every test, which is the home of its warehouse, too; no key is given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    monkeypatch.setenv("HPD_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        yield connection


Load = Callable[..., Report]


@pytest.fixture
def load(db: duckdb.DuckDBPyConnection, folder: Path) -> Load:
    """Loads the named inputs, or hpd.toml, into the database of the test."""

    def load(*named: str) -> Report:
        items, failed, _ = discover(specs_from(named, None if named else Path("hpd.toml")), Settings(home=folder))
        assert failed == []
        report = run(items, db, home=folder)
        assert report.failed == []
        return report

    return load


def rows(db: duckdb.DuckDBPyConnection, sql: str) -> list:
    return [row[0] if len(row) == 1 else row for row in db.sql(sql).fetchall()]


def pseudonyms(db: duckdb.DuckDBPyConnection, table: str = "patients") -> set[tuple]:
    return set(rows(db, f"select trial_id, patient_id from raw.{table}"))


def of_key(kind: str, scope: str, identifier: str, key: str = KEY) -> str:
    """A pseudonym, computed as its documentation says it is."""
    digest = hmac.new(key.encode(), f"{kind}\0{scope}\0{identifier}".encode(), hashlib.sha256).hexdigest()
    return kind[0].upper() + digest[:20]


# --- the key -------------------------------------------------------------------------------------------


def test_the_key_is_made_once_and_only_its_owner_may_read_it(folder: Path) -> None:
    os.umask(umask := os.umask(0))
    key = Pseudonyms(folder).key
    path = folder / KEY_FILE
    assert umask == os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert re.fullmatch(rb"[0-9a-f]{64}", key)
    assert path.read_bytes() == key + b"\n"
    assert Pseudonyms(folder).key == key
    assert [p.name for p in folder.iterdir()] == [KEY_FILE]


def test_two_warehouses_have_two_keys(folder: Path) -> None:
    for name in ("a", "b"):
        (folder / name).mkdir()
    assert Pseudonyms(folder / "a").key != Pseudonyms(folder / "b").key


def test_a_key_of_the_environment_is_used_and_not_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    assert Pseudonyms(folder).key == KEY.encode()
    assert list(folder.iterdir()) == []


def test_a_key_of_the_environment_goes_before_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_file = Pseudonyms(folder).key
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    assert Pseudonyms(folder).key != of_file


@pytest.mark.parametrize("key", ["x", "123456789012345"])
def test_a_key_that_can_be_guessed_is_refused(key: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, key)
    with pytest.raises(HpdError) as caught:
        _ = Pseudonyms(folder).key
    assert str(caught.value) == "ERROR HPD_PATIENT_KEY: is shorter than 16 characters; take a long random text"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o660])
def test_a_key_that_others_may_read_is_refused_with_the_way_out(mode: int, folder: Path) -> None:
    _ = Pseudonyms(folder).key
    path = folder / KEY_FILE
    path.chmod(mode)
    with pytest.raises(HpdError) as caught:
        _ = Pseudonyms(folder).key
    assert str(caught.value) == (
        f"ERROR {path}: others may read the key of the pseudonyms; allowed: mode 0600; run `chmod 600 {path}`"
    )
    path.chmod(0o600)
    assert Pseudonyms(folder).key


@pytest.mark.parametrize("content", [b"", b"\n", b"short\n"])
def test_a_file_without_a_key_is_refused_and_not_replaced(content: bytes, folder: Path) -> None:
    path = folder / KEY_FILE
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(HpdError) as caught:
        _ = Pseudonyms(folder).key
    assert str(caught.value) == (
        f"ERROR {path}: holds no key of the pseudonyms; put back the copy you keep, or delete it: a new one is made, and "
        "every input with patients is loaded again"
    )
    assert path.read_bytes() == content


def test_a_bad_key_stops_a_load_with_a_message_and_nothing_is_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("p.csv").write_text(PATIENTS)
    monkeypatch.setenv(KEY_VARIABLE, "short")
    result = CliRunner().invoke(main, ["load", "p.csv"])
    assert result.exit_code == 1
    assert result.stderr == "ERROR HPD_PATIENT_KEY: is shorter than 16 characters; take a long random text\n"


@pytest.mark.parametrize("_", range(3))
def test_two_processes_that_make_the_key_at_once_get_the_same(_: int, folder: Path) -> None:
    code = "import sys, pathlib; from ingest.privacy import Pseudonyms; sys.stdin.readline();"
    code += "print(Pseudonyms(pathlib.Path(sys.argv[1])).key_id)"
    env = {k: v for k, v in os.environ.items() if k != KEY_VARIABLE} | {"PYTHONPATH": str(PROJECT)}
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        for _ in range(4)
    ]  # fmt: skip
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    told = {process.communicate(timeout=60)[0] for process in started}
    assert len(told) == 1
    assert told == {Pseudonyms(folder).key_id + "\n"}
    assert [p.name for p in folder.iterdir()] == [KEY_FILE]


def test_a_key_is_made_whole_or_not_at_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before the end, the next one finds no key rather than half of one."""

    def killed(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(privacy.os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        _ = Pseudonyms(folder).key
    monkeypatch.undo()
    assert not (folder / KEY_FILE).exists()


def test_who_makes_the_key_second_takes_the_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def overtaken(source: str, target: Path) -> None:
        (folder / KEY_FILE).write_text("b" * 64)
        (folder / KEY_FILE).chmod(0o600)
        link(source, target)

    monkeypatch.setattr(privacy.os, "link", overtaken)
    assert Pseudonyms(folder).key == b"b" * 64


def test_validating_writes_no_key(folder: Path) -> None:
    Path("p.csv").write_text(PATIENTS)
    assert CliRunner().invoke(main, ["validate", "p.csv"]).exit_code == 0
    assert [p.name for p in folder.iterdir()] == ["p.csv"]


def test_evidence_alone_needs_no_key(folder: Path, load: Load) -> None:
    load("bundled")
    assert list(folder.iterdir()) == []


def test_the_key_is_told_by_a_checksum_that_tells_nothing_of_it(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("p.csv").write_text(PATIENTS)
    load("p.csv")
    ((told,),) = db.sql("from audit.pseudonyms").fetchall()
    key = Path(KEY_FILE).read_bytes().strip()
    assert told == hashlib.sha256(b"key id\0" + key).hexdigest()[:16]
    assert key.decode() not in str([db.sql(f"from raw.{t}").fetchall() for t in TABLES])


# --- who is who ----------------------------------------------------------------------------------------


def test_a_pseudonym_is_an_hmac_of_trial_and_patient(
    db: duckdb.DuckDBPyConnection, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    Path("p.csv").write_text(PATIENTS)
    load("p.csv")
    assert pseudonyms(db) == {
        ("ONE", of_key("patient", "ONE", "Jane Doe")),
        ("TWO", of_key("patient", "TWO", "Jane Doe")),
        ("ONE", of_key("patient", "ONE", "4711")),
    }
    # so that a change of the recipe cannot pass for a change of the key
    assert of_key("patient", "ONE", "Jane Doe") == "Pb7001a16d6954f7c1a9b"


def test_a_sample_and_its_patient_are_named_within_their_trial_else_their_study(
    db: duckdb.DuckDBPyConnection, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    Path("calls.csv").write_text("sample_id,patient_id,MDM2\nS1,Jane Doe,2\nS2,,0\n")
    load("calls.csv")
    told = "select sample_id, patient_id from raw.samples order by sample_number"
    assert rows(db, told) == [
        (of_key("sample", "calls", "S1"), of_key("patient", "calls", "Jane Doe")),
        (of_key("sample", "calls", "S2"), None),
    ]
    Path("hpd.toml").write_text('[[inputs]]\npath = "calls.csv"\ntrial_id = "ONE"\n')
    load()
    assert rows(db, told)[0] == (of_key("sample", "ONE", "S1"), of_key("patient", "ONE", "Jane Doe"))


def workbook(text: str, name: str) -> None:
    with xlsxwriter.Workbook(name) as book:
        sheet = book.add_worksheet()
        for number, line in enumerate(text.splitlines()):
            for place, cell in enumerate(line.split(",")):
                # as a spreadsheet does: a number where it looks like one
                (sheet.write_number if cell.lstrip("-").isdigit() else sheet.write_string)(number, place, cell and (int(cell) if cell.lstrip("-").isdigit() else cell))  # fmt: skip


def parquet(text: str, name: str) -> None:
    header, *lines = [line.split(",") for line in text.splitlines()]
    pl.DataFrame([[cell or None for cell in line] for line in lines], schema=header, orient="row").write_parquet(name)


def test_a_patient_has_one_pseudonym_in_every_input_and_format_of_a_trial(
    db: duckdb.DuckDBPyConnection, load: Load
) -> None:
    Path("p.csv").write_text(PATIENTS)
    workbook(SCANS, "s.xlsx")
    load("p.csv", "s.xlsx")
    assert pseudonyms(db) == pseudonyms(db, "tumor_measurements")
    assert len(pseudonyms(db)) == 3
    parquet(SCANS, "s.parquet")
    Path("map.csv").write_text("who,when,mm\nJane Doe,-3,50\n4711,-3,50\n")
    Path("hpd.toml").write_text(
        '[[inputs]]\npath = "p.csv"\n[[inputs]]\npath = "s.parquet"\n[[inputs]]\npath = "map.csv"\ntrial_id = "ONE"\n'
        '[inputs.map.tumor_measurements]\npatient_id = "who"\nday = "when"\nsum_diameters_mm = "mm"\n'
    )
    load()
    assert pseudonyms(db) == pseudonyms(db, "tumor_measurements")


def test_one_identifier_in_two_trials_is_two_patients(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("p.csv").write_text(PATIENTS)
    load("p.csv")
    of_one, of_two = ({p for t, p in pseudonyms(db) if t == trial} for trial in ("ONE", "TWO"))
    assert len(of_one) == 2
    assert of_one.isdisjoint(of_two)


def test_pseudonyms_look_alike(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("p.csv").write_text(PATIENTS)
    load("p.csv")
    assert all(re.fullmatch("P[0-9a-f]{20}", patient) for _, patient in pseudonyms(db))


@pytest.mark.parametrize("origin", ["institutional", "simulated"])
def test_only_published_patients_keep_the_name_they_were_printed_with(
    origin: str, db: duckdb.DuckDBPyConnection, load: Load
) -> None:
    Path("p.csv").write_text(PATIENTS)
    Path("hpd.toml").write_text(f'[[inputs]]\npath = "p.csv"\norigin = "{origin}"\n')
    load()
    assert "Jane Doe" not in str(pseudonyms(db))
    Path("hpd.toml").write_text('[[inputs]]\npath = "p.csv"\norigin = "published"\n')
    load()
    assert pseudonyms(db) == {("ONE", "Jane Doe"), ("TWO", "Jane Doe"), ("ONE", "4711")}


def test_another_key_has_everything_with_patients_loaded_again(
    db: duckdb.DuckDBPyConnection, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("p.csv").write_text(PATIENTS)
    Path("s.csv").write_text(SCANS)
    load("bundled", "p.csv", "s.csv")
    before = pseudonyms(db) | pseudonyms(db, "tumor_measurements")
    assert load("bundled", "p.csv", "s.csv").loaded == []
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    report = load("bundled", "p.csv", "s.csv")
    assert [line.partition(":")[0] for line in report.loaded] == ["p.csv", "s.csv"]
    assert len(report.unchanged) == 4
    after = pseudonyms(db, "tumor_measurements")
    assert after.isdisjoint(before)
    assert after <= pseudonyms(db)
    assert load("bundled", "p.csv", "s.csv").loaded == []


def test_copies_of_a_key_are_told_by_their_pseudonym(
    db: duckdb.DuckDBPyConnection, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    Path("p.csv").write_text(PATIENTS + "ONE,Jane Doe,SCLC,91\n")
    (problem,) = load("p.csv").problems
    name = of_key("patient", "ONE", "Jane Doe")
    assert str(problem) == (
        "ERROR p.csv: lines 2, 5: trial_id + patient_id: the same key stands on several lines; "
        f"found 'ONE / {name}'; 2 rows rejected; keep one of them"
    )
    assert "Jane" not in str(db.sql("from audit.rejected_rows").fetchall())


# --- shapes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cell",
    ["50", "6.25", "-3", "+0.5", "1234", "0,5", "12 %", "62mm", "6.2 cm", "< 5", ">=10", "7 days", "", "NaN", "-inf", "#DIV/0!", "#N/A", "#NAME?"],
)  # fmt: skip
def test_a_short_number_and_an_error_are_shown(cell: str) -> None:
    assert pl.select(shape(pl.lit(cell))).item() == cell


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("Jane Doe", "xxxx xxx"),
        ("MRN-4711-0815", "xxx-9999-9999"),
        ("03/04/2024", "99/99/9999"),
        ("2024-03-04T12:00", "9999-99-99x99:99"),
        ("45292", "99999"),
        ("12345678", "99999999"),
        ("12.03.1954", "99.99.9999"),
        ("#JaneDoe", "#xxxxxxx"),
        ("#4711", "#9999"),
        ("王小明", "xxx"),
        ("Ærøskøbing", "xxxxxxxxxx"),
        ("٤٧١١٠", "99999"),
        ("=HYPERLINK(a)", "=xxxxxxxxx(x)"),
        ("50 Doe", "99 xxx"),
        ("m4711x", "x9999x"),
        ("a" * 90, "x" * 40),
    ],
)
def test_of_anything_else_only_the_shape_is_shown(cell: str, shown: str) -> None:
    assert pl.select(shape(pl.lit(cell))).item() == shown


@given(st.text(max_size=60))
def test_no_letter_and_no_digit_of_a_longer_cell_is_left(cell: str) -> None:
    shown = pl.select(outline(pl.lit(cell))).item()
    assert set(re.findall(r"[^\W_]", shown)) <= {"x", "9"} | {c for c in shown if not c.isalpha() and not c.isdecimal()}
    assert len(shown) <= 40


def test_a_row_that_is_kept_shows_no_identifier_and_no_date() -> None:
    table = TABLES["tumor_measurements"]
    row = {"trial_id": "ONE", "patient_id": "P1", "scan_date": "2024", "treatment_start_date": None, "sum_diameters_mm": "50",
           "treatment_start_day": "100", "reader": "Dr Doe", "_line": 2}  # fmt: skip
    schema = dict.fromkeys(row, pl.String) | {"_line": pl.Int64}
    shown = hide(pl.DataFrame([row], schema), table).row(0, named=True)
    assert shown == {
        "trial_id": "xxx", "patient_id": "(patient)", "scan_date": "9999", "treatment_start_date": None, "sum_diameters_mm": "50",
        "treatment_start_day": "100", "reader": "xx xxx", "_line": 2,
    }  # fmt: skip


@pytest.mark.parametrize("encoding", ["cp1251", "latin-1", "cp1252"])
def test_a_file_in_another_encoding_shows_one_letter_of_a_name_at_most(encoding: str) -> None:
    name = {"cp1251": "Иванова Мария", "latin-1": "Müller-Lüdenscheidt", "cp1252": "Žižková"}[encoding]
    Path("p.csv").write_bytes((PATIENTS + f"ONE,{name},NSCLC,1\n").encode(encoding))
    result = CliRunner().invoke(main, ["validate", "p.csv"])
    assert result.exit_code == 1
    shown = re.search("found '(.*?)'", result.stderr)
    assert shown is not None
    assert len(re.sub(r"[\W\dx]", "", shown[1])) <= 1

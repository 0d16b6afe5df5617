"""Tables in other people's columns: a map says which is which, and two wide forms need none."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest
import xlsxwriter
from conftest import SHARED

from ingest.pipeline import Report, discover, run, specs_from
from ingest.settings import Settings
from schemas import TABLES

REAL = SHARED / "data" / "real"
needs_real_data = pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not part of the project")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of every test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        yield connection


Load = Callable[..., Report]


@pytest.fixture
def load(db: duckdb.DuckDBPyConnection) -> Load:
    """Loads what an hpd.toml names; as published evidence, whose patients keep their names."""

    def load(toml: str, origin: str = "published") -> Report:
        told = toml.replace("[[inputs]]\n", f'[[inputs]]\norigin = "{origin}"\n')
        Path("hpd.toml").write_text(told)
        items, failed, _ = discover(specs_from([], Path("hpd.toml")), Settings(home=Path("home")))
        assert failed == []
        return run(items, db)

    return load


def rows(db: duckdb.DuckDBPyConnection, sql: str) -> list:
    return [row[0] if len(row) == 1 else row for row in db.sql(sql).fetchall()]


SCANS = "select patient_id, day, sum_diameters_mm from raw.tumor_measurements order by all"


def rejected(db: duckdb.DuckDBPyConnection) -> list[tuple]:
    return rows(db, "select table_name, source_line, column_name, rule from audit.rejected_rows order by all")


# --- an export of REDCap: a row per patient and instrument -----------------------------------------------

EXPORT = """\
record_id,redcap_repeat_instrument,redcap_repeat_instance,surname,dob,io_start,io_stop,regimen,ct_date,sld_cm,recist
1,,,Mustermann,1954-03-12,2024-01-01,,pembrolizumab mono,,,
1,end,1,,,,2024-02-10,,,,
1,scan,1,,,,,,2023-12-20,6.2,
1,scan,2,,,,,,2024-01-30,9.3,PD
2,,,Doe,1960-01-01,2024-02-01,,nivolumab,,,
2,scan,1,,,,,,2024-01-30,TOO SMALL TO MEASURE,
2,scan,2,,,,,,2024-03,0.51,SD
3,,,Roe,1961-01-01,,,docetaxel,,,
"""
MAP = """\
[[inputs]]
path = "export.csv"
trial_id = "OUR"
[inputs.map.patients]
patient_id = "record_id"
treatment_start_date = "io_start"
off_treatment_date = "io_stop"
agents = "regimen"
cancer_type_reported = { value = "NSCLC" }
[inputs.map.tumor_measurements]
patient_id = "record_id"
scan_date = "ct_date"
sum_diameters_mm = "sld_cm"
response = "recist"
reader = { value = "INVESTIGATOR" }
[inputs.units]
sld_cm = "cm"
"""


def test_a_patient_is_gathered_from_all_rows_of_an_export(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("export.csv").write_text(EXPORT)
    report = load(MAP)
    told = "select trial_id, patient_id, agents, cancer_type_reported, off_treatment_day, _source_line from raw.patients order by 2"
    assert rows(db, told) == [
        ("OUR", "1", "pembrolizumab mono", "NSCLC", 40, 2),
        ("OUR", "2", "nivolumab", "NSCLC", None, 6),
        ("OUR", "3", "docetaxel", "NSCLC", None, 9),
    ]
    assert [str(problem) for problem in report.problems] == [
        "NOTE export.csv: columns that the map does not name; found 'redcap_repeat_instrument', 'redcap_repeat_instance', "
        "'surname' (1 more); not read"
    ]


def test_the_start_of_treatment_of_another_row_puts_the_scans_on_the_clock(
    db: duckdb.DuckDBPyConnection, load: Load
) -> None:
    Path("export.csv").write_text(EXPORT)
    report = load(MAP)
    told = (
        "select patient_id, day, sum_diameters_mm, measurement_status, response, reader, is_day_partial, _source_line"
        " from raw.tumor_measurements order by _source_line"
    )
    assert rows(db, told) == [
        ("1", -12, 62, None, None, "INVESTIGATOR", None, 4),
        ("1", 29, 93, None, "PD", "INVESTIGATOR", None, 5),
        ("2", -2, None, "too_small_to_measure", None, "INVESTIGATOR", None, 7),
        ("2", None, 5.1, None, "SD", "INVESTIGATOR", True, 8),
    ]
    # a row in which no scan is filled in is no scan
    assert (report.rows_read, report.rows_loaded, report.rows_rejected) == (3 + 4, 7, 0)


def test_nothing_of_a_column_that_is_not_mapped_is_kept(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("export.csv").write_text(EXPORT.replace("2024-01-30,9.3", "30.1.24,9.3"))
    load(MAP, origin="institutional")
    loads = "(select * exclude (seconds, loaded_at) from audit.loads)"
    told = str([db.sql(f"from {table}").fetchall() for table in ("raw.patients", "audit.rejected_rows", loads)])
    told = re.sub("[0-9a-f]{16,}", "", told)  # checksums may spell any number
    assert rejected(db) == [("tumor_measurements", 5, "scan_date", "not_a_date")]
    assert [word for word in ("Mustermann", "Doe", "1954", "30.1.24", "2024") if word in told] == []


def test_the_order_of_the_rows_does_not_matter(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("export.csv").write_text(EXPORT)
    load(MAP)
    told = "select patient_id, agents, off_treatment_day from raw.patients order by 1", SCANS
    before = [rows(db, sql) for sql in told]
    header, *lines = EXPORT.splitlines()
    Path("export.csv").write_text("\n".join([header, *reversed(lines)]) + "\n")
    load(MAP)
    assert [rows(db, sql) for sql in told] == before


def test_the_size_of_a_block_does_not_matter(
    db: duckdb.DuckDBPyConnection, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest import table

    Path("export.csv").write_text(EXPORT)
    load(MAP)
    told = "select * exclude (_load_id) from raw.patients order by all", "select * exclude (_load_id) from raw.tumor_measurements order by all"  # fmt: skip
    before = [rows(db, sql) for sql in told]
    monkeypatch.setattr(table, "BLOCK_BYTES", 60)
    db.execute("update audit.loads set item_id = 'again'")
    assert load(MAP).unchanged == []
    assert [rows(db, sql) for sql in told] == before


def workbook(text: str, name: str) -> None:
    with xlsxwriter.Workbook(name) as book:
        for number, row in enumerate(csv.reader(io.StringIO(text))):
            book.worksheets() or book.add_worksheet()
            book.worksheets()[0].write_row(number, 0, row)


def parquet(text: str, name: str) -> None:
    header, *lines = csv.reader(io.StringIO(text))
    pl.DataFrame([[cell or None for cell in line] for line in lines], schema=header, orient="row").write_parquet(name)


FORMATS = {
    "export.xlsx": workbook,
    "export.parquet": parquet,
    "export.csv.gz": lambda text, name: Path(name).write_bytes(gzip.compress(text.encode())),
    "export.tsv": lambda text, name: Path(name).write_text(text.replace(",", "\t")),
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_format_of_an_export_does_not_matter(name: str, db: duckdb.DuckDBPyConnection, load: Load) -> None:
    told = "select patient_id, agents, off_treatment_day from raw.patients order by 1", SCANS
    Path("export.csv").write_text(EXPORT)
    load(MAP)
    before = [rows(db, sql) for sql in told]
    FORMATS[name](EXPORT, name)
    assert load(MAP.replace("export.csv", name)).failed == []
    assert [rows(db, sql) for sql in told] == before


TWICE = EXPORT + "1,end,2,,,,2024-03-01,,,,\n"


def test_values_that_disagree_reject_the_patient_and_leave_the_scans(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("export.csv").write_text(TWICE)
    report = load(MAP)
    assert str(report.problems[1]) == (
        "ERROR export.csv: line 2: off_treatment_date: has several values for one patient; 1 row rejected; choose rows with "
        '[inputs.only], or let the first count: repeats = "first"'
    )
    assert rejected(db)[0] == ("patients", 2, "off_treatment_date", "conflicting_values")
    assert rows(db, "select patient_id from raw.patients order by 1") == ["2", "3"]
    # without its patient, a scan has no start to be counted from
    assert rejected(db)[1:] == [("tumor_measurements", line, "scan_date", "no_treatment_start") for line in (4, 5)]


def test_two_values_that_disagree_are_one_patient_rejected(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("export.csv").write_text(TWICE + "1,,,,,,,docetaxel,,,\n")
    load(MAP)
    assert rejected(db)[:2] == [
        ("patients", 2, "agents", "conflicting_values"),
        ("patients", 2, "off_treatment_date", "conflicting_values"),
    ]
    told = "select table_name, rows_read, rows_loaded, rows_rejected from audit.loads order by 1"
    assert rows(db, told) == [("patients", 3, 2, 1), ("tumor_measurements", 4, 2, 2)]


def test_the_first_value_counts_when_that_is_said(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("export.csv").write_text(TWICE)
    load(MAP.replace('trial_id = "OUR"\n', 'trial_id = "OUR"\nrepeats = "first"\n'))
    assert rows(db, "select patient_id, off_treatment_day from raw.patients order by 1") == [("1", 40), ("2", None), ("3", None)]  # fmt: skip
    assert rejected(db) == []


def test_the_same_value_again_is_no_conflict(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("export.csv").write_text(EXPORT + "1,end,2,,,,2024-02-10,,,,\n")
    assert load(MAP).rows_rejected == 0


def test_rows_of_nobody_are_rejected_each(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("export.csv").write_text(
        EXPORT + ",,,Doe,,2024-01-01,,x,,,\n,,,Doe,,2024-01-01,,x,,,\n,scan,,,,,,,2024-01-01,5,\n"
    )
    load(MAP)
    assert rejected(db) == [
        ("patients", 10, "patient_id", "missing_value"),
        ("patients", 12, "patient_id", "missing_value"),
        ("tumor_measurements", 12, "patient_id", "missing_value"),
        ("tumor_measurements", 12, "scan_date", "no_treatment_start"),
    ]


def test_rows_of_no_trial_are_rejected_and_not_forgotten(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("export.csv").write_text("study,who,death\nA,1,5\n,2,5\n,,5\n")
    report = load('[[inputs]]\npath = "export.csv"\n[inputs.map.patients]\ntrial_id = "study"\npatient_id = "who"\ndeath_day = "death"\n')  # fmt: skip
    assert rejected(db) == [
        ("patients", 3, "trial_id", "missing_value"),
        ("patients", 4, "patient_id", "missing_value"),
        ("patients", 4, "trial_id", "missing_value"),
    ]
    assert (report.rows_read, report.rows_loaded, report.rows_rejected) == (3, 1, 2)


@pytest.mark.parametrize("tables", ["both", "patients"])
def test_lines_that_are_too_short_are_told_once_and_not_kept(
    tables: str, db: duckdb.DuckDBPyConnection, load: Load
) -> None:
    Path("export.csv").write_text(EXPORT + "9,Mustermann\n")
    report = load(MAP if tables == "both" else MAP.partition("[inputs.map.tumor")[0])
    assert [p.rule for p in report.problems if p.level == "ERROR"] == ["ragged_line"]
    assert rows(db, "select source_line, row_json from audit.rejected_rows") == [(10, '{"line": "(hidden)"}')]


# --- other shapes --------------------------------------------------------------------------------------


def test_several_scans_on_a_line_have_a_map_each(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("wide.csv").write_text("id,d0,s0,d1,s1\na,-3,50,40,80\nb,-5,20,,\nc,-7,,30,\n")
    report = load(
        '[[inputs]]\npath = "wide.csv"\ntrial_id = "T"\n'
        + "".join(
            f'[[inputs.map.tumor_measurements]]\npatient_id = "id"\nday = "d{i}"\nsum_diameters_mm = "s{i}"\n'
            for i in (0, 1)
        )
    )
    assert rows(db, SCANS) == [("a", -3, 50), ("a", 40, 80), ("b", -5, 20), ("c", -7, None), ("c", 30, None)]
    assert (report.rows_read, report.rows_loaded) == (5, 5)


def test_of_two_scans_on_a_line_one_may_be_rejected(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("wide.csv").write_text("id,d0,s0,d1,s1\na,-3,5o,40,80\nb,-3,x,40,y\nc,1,5,1,6\n")
    report = load(
        '[[inputs]]\npath = "wide.csv"\ntrial_id = "T"\n'
        + "".join(
            f'[[inputs.map.tumor_measurements]]\npatient_id = "id"\nday = "d{i}"\nsum_diameters_mm = "s{i}"\n'
            for i in (0, 1)
        )
    )
    assert rows(db, SCANS) == [("a", 40, 80)]
    assert (report.rows_read, report.rows_loaded, report.rows_rejected) == (6, 1, 5)


SERIES = "id,cohort,weeks,change\nI1,A,3,5.7\nI1,A,6,NA\nI1,A,9,55\nI2,B,3,-100\n"


def test_a_series_of_changes_in_percent(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("sizes.csv").write_text("id,cohort,sld\nI1,A,140\nI2,B,60\n")
    Path("changes.csv").write_text(SERIES)
    load("""
[[inputs]]
path = "sizes.csv"
trial_id = "INS"
[inputs.map.patients]
patient_id = "id"
cancer_type_reported = "cohort"
[inputs.map.tumor_measurements]
patient_id = "id"
day = { value = 0 }
sum_diameters_mm = "sld"
[inputs.values.cohort]
A = "HNSCC"
B = "TNBC"
[[inputs]]
path = "changes.csv"
trial_id = "INS"
[inputs.map.tumor_measurements]
patient_id = "id"
day = "weeks"
change_from_baseline_percent = "change"
[inputs.units]
weeks = "weeks"
""")
    assert rows(db, "select patient_id, cancer_type_reported from raw.patients order by 1") == [("I1", "HNSCC"), ("I2", "TNBC")]  # fmt: skip
    told = "select patient_id, day, sum_diameters_mm, change_from_baseline_percent from raw.tumor_measurements order by 1, 2"
    assert rows(db, told) == [
        ("I1", 0, 140, None), ("I1", 21, None, 5.7), ("I1", 42, None, None), ("I1", 63, None, 55), ("I2", 0, 60, None),
        ("I2", 21, None, -100),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ours", "unit", "cell", "value"),
    [
        ("day", "days", "7.5", 7.5),
        ("day", "weeks", "8.119", 56.833),
        ("day", "months", "2", 60.875),
        ("day", "years", "-1", -365.25),
        ("sum_diameters_mm", "mm", "62", 62),
        ("sum_diameters_mm", "cm", "6.2", 62),
        ("sum_diameters_mm", "cm", "0.07", 0.7),
        ("change_from_baseline_percent", "percent", "5.7", 5.7),
        ("change_from_baseline_percent", "fraction", "0.057", 5.7),
        ("change_from_baseline_percent", "fraction", "-1", -100),
    ],
)
def test_numbers_are_brought_to_our_units_exactly(
    ours: str, unit: str, cell: str, value: float, db: duckdb.DuckDBPyConnection, load: Load
) -> None:
    Path("x.csv").write_text(f"id,x\na,{cell}\n")
    load(f'[[inputs]]\npath = "x.csv"\ntrial_id = "T"\n[inputs.map.tumor_measurements]\npatient_id = "id"\nmeasurement_status = {{ value = "measured" }}\n{ours} = "x"\n[inputs.units]\nx = "{unit}"\n')  # fmt: skip
    assert rows(db, f"select {ours} from raw.tumor_measurements") == [value]


@pytest.mark.parametrize(("cell", "rule"), [("6,2", "comma_in_number"), ("6.2 cm", "unit_in_cell"), ("NaN", "not_finite"), ("six", "not_number")])  # fmt: skip
def test_what_is_no_number_is_not_brought_to_any_unit(
    cell: str, rule: str, db: duckdb.DuckDBPyConnection, load: Load
) -> None:
    Path("x.tsv").write_text(f"id\tx\na\t{cell}\nb\t6.2\n")
    load('[[inputs]]\npath = "x.tsv"\ntrial_id = "T"\n[inputs.map.tumor_measurements]\npatient_id = "id"\nsum_diameters_mm = "x"\n[inputs.units]\nx = "cm"\n')  # fmt: skip
    assert rejected(db) == [("tumor_measurements", 2, "sum_diameters_mm", rule)]
    assert rows(db, "select sum_diameters_mm from raw.tumor_measurements") == [62]


@pytest.mark.parametrize(
    ("only", "kept"),
    [
        ('regimen = "*pembrolizumab*"', ["1"]),
        ('regimen = "*PEMBRO*"', ["1"]),
        ('regimen = ["*pembrolizumab*", "nivolumab"]', ["1", "2"]),
        ('regimen = "pembrolizumab"', []),
        ('regimen = "*mab*"', ["1", "2"]),
        ('regimen = "*"', ["1", "2", "3"]),
        ('regimen = "n.volumab"', []),
        ("record_id = 2", ["2"]),
        ("record_id = [2, 3]", ["2", "3"]),
        ('surname = "D*"\nregimen = "*"', ["2"]),
    ],
)
def test_only_the_rows_that_are_asked_for_are_read(
    only: str, kept: list[str], db: duckdb.DuckDBPyConnection, load: Load
) -> None:
    Path("export.csv").write_text(EXPORT)
    text = MAP.partition("[inputs.map.tumor")[0] + f"[inputs.only]\n{only}\n"
    report = load(text)
    assert rows(db, "select patient_id from raw.patients order by 1") == kept
    if not kept:
        assert [str(error) for error in report.failed] == [
            "ERROR export.csv: no row of it speaks of a patient or a scan; nothing of it was loaded; check [inputs.map] and [inputs.only]"
        ]


def test_values_are_recoded_before_they_are_checked(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("x.csv").write_text("id,r,new\na,1,ja\nb,2,nein\nc,PD,\n")
    report = load("""
[[inputs]]
path = "x.csv"
trial_id = "T"
[inputs.map.tumor_measurements]
patient_id = "id"
response = "r"
has_new_organ = "new"
[inputs.values.r]
1 = "PD"
2 = "SD"
[inputs.values.new]
ja = true
nein = false
""")
    assert report.rows_rejected == 0
    told = "select patient_id, response, has_new_organ from raw.tumor_measurements order by 1"
    assert rows(db, told) == [("a", "PD", True), ("b", "SD", False), ("c", "PD", None)]


# --- when treatment started ----------------------------------------------------------------------------

STARTS = '[[inputs]]\npath = "scans.csv"\ntreatment_starts = "starts.csv"\n'
FLAT_SCANS = "trial_id,patient_id,scan_date,sum_diameters_mm\nT,a,2024-01-10,50\nT,b,2024-01-10,60\nU,a,2024-01-10,70\n"


@pytest.mark.parametrize(
    ("starts", "days"),
    [
        ("patient_id,treatment_start_date\na,2024-01-01\nb,2024-01-11\n", [("a", 9, 50), ("a", 9, 70), ("b", -1, 60)]),
        ("trial_id,patient_id,treatment_start_date\nT,a,2024-01-01\nU,a,2024-01-02\nT,b,2024-01-03\n",
         [("a", 8, 70), ("a", 9, 50), ("b", 7, 60)]),
        ("report_id,patient_label,surname,treatment_start_date\nT,a,Doe,2024-01-01\nU,a,Doe,2024-01-01\nT,b,Doe,2024-01-01\n",
         [("a", 9, 50), ("a", 9, 70), ("b", 9, 60)]),
        ("patient_id,treatment_start_date\na,2024-01-01\na,2024-01-01\nb,2024-01\n,2024-05-05\n,2024-05-06\nz,2024-01-01\n",
         [("a", 9, 50), ("a", 9, 70), ("b", None, 60)]),
    ],
)  # fmt: skip
def test_the_starts_of_treatment_may_stand_in_a_file_of_their_own(
    starts: str, days: list[tuple], db: duckdb.DuckDBPyConnection, load: Load
) -> None:
    Path("scans.csv").write_text(FLAT_SCANS)
    Path("starts.csv").write_text(starts)
    assert load(STARTS).problems == []
    assert rows(db, SCANS) == days


def test_the_start_that_a_row_gives_goes_before_that_of_the_file(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("scans.csv").write_text("trial_id,patient_id,scan_date,treatment_start_date,response\nT,a,2024-01-10,2024-01-09,\nT,b,2024-01-10,,\n")  # fmt: skip
    Path("starts.csv").write_text("patient_id,treatment_start_date\na,2024-01-01\nb,2024-01-01\n")
    load(STARTS)
    assert rows(db, "select patient_id, day from raw.tumor_measurements order by 1") == [("a", 1), ("b", 9)]


def test_starts_of_treatment_serve_a_map_as_well(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("x.csv").write_text("who,ct,mm\na,2024-01-10,50\n")
    workbook("patient_id,treatment_start_date\na,2024-01-01\n", "starts.xlsx")
    load('[[inputs]]\npath = "x.csv"\ntrial_id = "T"\ntreatment_starts = "starts.xlsx"\n[inputs.map.tumor_measurements]\npatient_id = "who"\nscan_date = "ct"\nsum_diameters_mm = "mm"\n')  # fmt: skip
    assert rows(db, SCANS) == [("a", 9, 50)]


@pytest.mark.parametrize(
    ("starts", "message"),
    [
        ("patient_id,treatment_start_date\na,2024-01-01\na,2024-01-02\nb,2024-01-01\n",
         "lines 2, 3: treatment_start_date: gives a patient several starts; nothing of it was loaded; keep one"),
        ("patient_id,start\na,2024-01-01\n", "line 1: treatment_start_date: needs this column; nothing of it was loaded; add it"),
        ("# ours\nwho,start\na,2024-01-01\n",
         "line 2: patient_id, treatment_start_date: needs this column; nothing of it was loaded; add it"),
        ("patient_id,treatment_start_date\n", "has a header and no rows; nothing of it was loaded; add rows, or leave it out"),
        ("patient_id,treatment_start_date\na\n",
         "line 2: the line has not as many fields as the header; found '1 field'; allowed: 2 fields; nothing of it was loaded; "
         "put cells that hold the separator in quotes"),
        ("", "is empty; nothing of it was loaded; export it again"),
    ],
)  # fmt: skip
def test_starts_that_cannot_be_used_are_refused(
    starts: str, message: str, db: duckdb.DuckDBPyConnection, load: Load
) -> None:
    Path("scans.csv").write_text(FLAT_SCANS)
    Path("starts.csv").write_text(starts)
    assert [str(error) for error in load(STARTS).failed] == [f"ERROR starts.csv: {message}"]
    assert rows(db, SCANS) == []


# --- wide forms without a map --------------------------------------------------------------------------

FERTE = """\
Patient,RECIST_BEFORE,RECIST_BASELINE,RECIST_EVAL1,SCANDATE_BEFORE,SCANDATE_BASELINE,SCANDATE_EVAL1,surname
A1,50,55,80,2013-01-01,2013-02-01,2013-03-15,Doe
A2,,30,40,,2013-02-01,2013-03-01,Roe
A3,10,12,11,2013-01,2013-02-01,2013-03-01,Poe
"""


def test_ferte_s_table_is_read_as_it_is(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("ferte.csv").write_text(FERTE)
    report = load('[[inputs]]\npath = "ferte.csv"\n')
    assert rows(db, SCANS) == [
        ("A1", -31, 50), ("A1", 0, 55), ("A1", 42, 80), ("A2", 0, 30), ("A2", 28, 40), ("A3", 0, 12), ("A3", 28, 11),
        ("A3", None, 10),
    ]  # fmt: skip
    assert rows(db, "select patient_id, trial_id from raw.patients order by 1") == [(f"A{i}", "ferte") for i in (1, 2, 3)]  # fmt: skip
    assert rows(db, "select count(*) from raw.tumor_measurements where is_day_partial") == [1]
    assert [str(problem) for problem in report.problems] == [
        "NOTE ferte.csv: columns that the map does not name; found 'surname'; not read"
    ]


def test_ferte_s_table_takes_the_options_of_patients(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("ferte.csv").write_text(FERTE.replace("2013-", "13").replace("SCANDATE_B", "SCANDATE_B"))
    Path("ferte.csv").write_text(re.sub(r"(\d{4})-(\d\d)-(\d\d)", r"\3/\2/\1", FERTE))
    load('[[inputs]]\npath = "ferte.csv"\ntrial_id = "PHASE1"\ncancer_type = "RCC"\ndate_format = "%d/%m/%Y"\n')
    assert rows(db, "select distinct trial_id, cancer_type_reported from raw.patients") == [("PHASE1", "RCC")]
    assert ("A1", 42, 80) in rows(db, SCANS)


WIDE = """\
trial_id,patient_id,cancer_type,reader,pre_baseline_mm,pre_baseline_day,baseline_mm,baseline_day,first_evaluation_mm,first_evaluation_day,off_treatment_day,death_day
T,a,RCC,SITE,50,-60,55,-5,80,42,44,90
T,b,RCC,CENTRAL,,,55,-5,TSTM,40,,
T,c,RCC,,,,12,0,,,,
"""


def test_a_line_per_patient_with_three_scans(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("wide.csv").write_text(WIDE)
    report = load('[[inputs]]\npath = "wide.csv"\n')
    assert report.problems == []
    told = "select patient_id, cancer_type_reported, off_treatment_day, death_day from raw.patients order by 1"
    assert rows(db, told) == [("a", "RCC", 44, 90), ("b", "RCC", None, None), ("c", "RCC", None, None)]
    told = (
        "select patient_id, reader, day, sum_diameters_mm, measurement_status from raw.tumor_measurements order by 1, 3"
    )
    assert rows(db, told) == [
        ("a", "SITE", -60, 50, None), ("a", "SITE", -5, 55, None), ("a", "SITE", 42, 80, None),
        ("b", "CENTRAL", -5, 55, None), ("b", "CENTRAL", 40, None, "too_small_to_measure"), ("c", "NOT STATED", 0, 12, None),
    ]  # fmt: skip


def test_the_dates_of_a_wide_table_are_counted_from_its_start(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("wide.csv").write_text(
        "subject,pre_mm,pre_date,base_mm,base_date,eval1_mm,eval1_date,treatment_start_date,death_date\n"
        "a,50,2023-12-01,55,2024-01-01,80,2024-02-20,2024-01-05,2024-03-05\n"
    )
    load('[[inputs]]\npath = "wide.csv"\n')
    assert rows(db, SCANS) == [("a", -35, 50), ("a", -4, 55), ("a", 46, 80)]
    assert rows(db, "select trial_id, death_day from raw.patients") == [("wide", 60)]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (FERTE.replace("Patient,", "Kennung,").partition("\n")[0],
         "ERROR wide.csv: line 1: patient_id: needs this column; nothing of it was loaded; add it"),
        ("patient_id,baseline_mm,base_mm,eval1_mm",
         "ERROR wide.csv: line 1: two columns mean the same; found 'baseline_mm', 'base_mm'; nothing of it was loaded; keep one"),
    ],
)  # fmt: skip
def test_a_wide_table_that_cannot_be_understood_is_refused(header: str, message: str, load: Load) -> None:
    Path("wide.csv").write_text(header + "\n" + ",".join("1" for _ in header.split(",")) + "\n")
    assert [str(error) for error in load('[[inputs]]\npath = "wide.csv"\n').failed] == [message]


# --- wrong maps ----------------------------------------------------------------------------------------

WHO = 'patient_id = "record_id"\n'
PATIENT_COLUMNS = ", ".join([*TABLES["patients"].columns, *TABLES["patients"].input_only])
THEIRS = EXPORT.partition("\n")[0].replace(",", ", ")
WRONG = {
    "a column that the file does not have": (
        f'[inputs.map.patients]\n{WHO}death_date = "died"\n',
        f"[inputs.map.patients] death_date: names a column that the file does not have; found 'died'; allowed: {THEIRS}",
    ),
    "a column that we do not have": (
        f'[inputs.map.patients]\n{WHO}surname = "surname"\n',
        f"[inputs.map.patients]: names a column that we do not have; found 'surname'; allowed: {PATIENT_COLUMNS}",
    ),
    "a table that we do not have": (
        f"[inputs.map.patient]\n{WHO}",
        "[inputs.map.patient]: is no table that can be mapped; allowed: patients, tumor_measurements",
    ),
    "a table that is none": (
        '[inputs.map]\npatients = "record_id"\n',
        "[inputs.map.patients]: is no table that can be mapped; allowed: patients, tumor_measurements",
    ),
    "a list of tables that are none": (
        '[inputs.map]\ntumor_measurements = ["record_id"]\n',
        "[inputs.map.tumor_measurements]: is no table that can be mapped; allowed: patients, tumor_measurements",
    ),
    "a number as a column": (
        "[inputs.map.patients]\npatient_id = 1\n",
        "[inputs.map.patients] patient_id: is neither a column nor { value = ... }",
    ),
    "a misspelt value": (
        f'[inputs.map.patients]\n{WHO}agents = {{ valeu = "x" }}\n',
        "[inputs.map.patients] agents: is neither a column nor { value = ... }",
    ),
    "a value that is a list": (
        f'[inputs.map.patients]\n{WHO}agents = {{ value = ["x"] }}\n',
        "[inputs.map.patients] agents: is neither a column nor { value = ... }",
    ),
    "a unit nobody knows": (
        f'[inputs.map.tumor_measurements]\n{WHO}sum_diameters_mm = "sld_cm"\n[inputs.units]\nsld_cm = "inch"\n',
        "[inputs.units] sld_cm: is not a unit; found 'inch'; allowed: days, weeks, months, years, mm, cm, percent, fraction",
    ),
    "a unit that is none": (
        f'[inputs.map.tumor_measurements]\n{WHO}sum_diameters_mm = "sld_cm"\n[inputs.units]\nsld_cm = ["cm"]\n',
        "[inputs.units] sld_cm: is not a unit; found '['cm']'; allowed: days, weeks, months, years, mm, cm, percent, fraction",
    ),
    "a unit of no column": (
        f'[inputs.map.patients]\n{WHO}[inputs.units]\nsld = "cm"\n',
        f"[inputs.units]: names a column that the file does not have; found 'sld'; allowed: {THEIRS}",
    ),
    "values of no column": (
        f'[inputs.map.patients]\n{WHO}[inputs.values.sex]\n1 = "m"\n',
        f"[inputs.values]: names a column that the file does not have; found 'sex'; allowed: {THEIRS}",
    ),
    "values that are none": (
        f'[inputs.map.patients]\n{WHO}[inputs.values]\nregimen = "m"\n',
        "[inputs.values.regimen]: is no list of their values = ours",
    ),
    "rows of no column": (
        f'[inputs.map.patients]\n{WHO}[inputs.only]\narm = "m"\n',
        f"[inputs.only]: names a column that the file does not have; found 'arm'; allowed: {THEIRS}",
    ),
    "rows with a value that is none": (
        f'[inputs.map.patients]\n{WHO}[inputs.only]\nregimen = {{ a = "m" }}\n',
        "[inputs.only] regimen: is neither a value nor a list of values",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_map_is_refused_with_what_is_allowed(name: str, db: duckdb.DuckDBPyConnection, load: Load) -> None:
    text, message = WRONG[name]
    Path("export.csv").write_text(EXPORT)
    (error,) = load(f'[[inputs]]\npath = "export.csv"\ntrial_id = "T"\n{text}').failed
    assert str(error) == f"ERROR export.csv: {message}; nothing of it was loaded; correct hpd.toml"
    assert rows(db, "from raw.patients") == []


NO_TRIAL = 'add it; a trial that is the same in every row: trial_id = "..." below path'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"[inputs.map.patients]\n{WHO}", f"[inputs.map.patients]: does not name trial_id; nothing of it was loaded; {NO_TRIAL}"),
        ('[inputs.map.tumor_measurements]\nday = "sld_cm"\n',
         f"[inputs.map.tumor_measurements]: does not name trial_id and patient_id; nothing of it was loaded; {NO_TRIAL}"),
        (f"[[inputs.map.patients]]\n{WHO}[[inputs.map.patients]]\n{WHO}",
         "[inputs.map.patients]: stands twice; nothing of it was loaded; a patient is one row: keep one"),
        (f'[inputs.map.tumor_measurements]\ntrial_id = {{ value = "T" }}\n{WHO}scan_date = "ct_date"\n',
         "[inputs.map.tumor_measurements]: says of no scan what was measured; allowed: one of sum_diameters_mm, "
         "change_from_baseline_percent, measurement_status, response; nothing of it was loaded; correct hpd.toml"),
        ("[inputs.map]\n", "no row of it speaks of a patient or a scan; nothing of it was loaded; check [inputs.map] and [inputs.only]"),
    ],
)  # fmt: skip
def test_a_map_that_is_not_whole_is_refused(text: str, message: str, load: Load) -> None:
    Path("export.csv").write_text(EXPORT)
    assert [str(error) for error in load(f'[[inputs]]\npath = "export.csv"\n{text}').failed] == [
        f"ERROR export.csv: {message}"
    ]


def test_a_reader_nobody_is_is_refused(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("export.csv").write_text(EXPORT)
    (error,) = load(MAP.replace('trial_id = "OUR"\n', 'trial_id = "OUR"\nreader = "CENTRAL"\n')).failed
    assert str(error) == (
        "ERROR export.csv: the option `reader` names somebody who read no scan; found 'CENTRAL'; allowed: INVESTIGATOR; nothing "
        "of it was loaded; correct it in hpd.toml"
    )
    assert rows(db, "from raw.patients") == rows(db, SCANS) == []


def test_reading_a_file_leaves_its_map_as_it_was_configured(load: Load) -> None:
    Path("export.csv").write_text(EXPORT)
    load(MAP)
    Path("hpd.toml").write_text(MAP)
    (spec,) = specs_from([], Path("hpd.toml"))
    items = [discover([spec], Settings(home=Path("home")))[0][0] for _ in range(2)]
    with duckdb.connect(":memory:") as connection:
        run(items[:1], connection)
    assert discover([spec], Settings(home=Path("home")))[0][0].item_id == items[1].item_id


# --- an export of GENIE BPC ----------------------------------------------------------------------------

BPC = REAL / "geniebpc_test"
BPC_MAP = """
[[inputs]]
path = "{path}/ca_drugs.csv.gz"
trial_id = "BPC"
cancer_type = "NSCLC"
repeats = "first"
[inputs.map.patients]
patient_id = "record_id"
agents = "regimen_drugs"
treatment_start_day = "dx_reg_start_int"
off_treatment_day = "dx_reg_end_all_int"
[inputs.only]
regimen_drugs = ["*pembrolizumab*", "*nivolumab*"]
"""


def first_regimens() -> dict[str, tuple[str, float | None]]:
    """Patient → drugs and days on treatment of the first regimen with a PD-1 inhibitor, from the file itself."""
    first: dict[str, dict[str, str]] = {}
    with gzip.open(BPC / "ca_drugs.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            if re.search("pembrolizumab|nivolumab", row["regimen_drugs"], re.IGNORECASE):
                kept = first.setdefault(row["record_id"], dict(row))
                for name in ("dx_reg_start_int", "dx_reg_end_all_int"):
                    kept[name] = kept[name] or row[name]
    return {
        who: (row["regimen_drugs"], float(row["dx_reg_end_all_int"]) - float(row["dx_reg_start_int"]) if row["dx_reg_end_all_int"] else None)
        for who, row in first.items()
    }  # fmt: skip


@needs_real_data
def test_regimens_of_genie_bpc(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    report = load(BPC_MAP.format(path=BPC))
    wanted = {who: told for who, told in first_regimens().items() if told[1] is None or told[1] >= 0}
    found = rows(db, "select patient_id, agents, off_treatment_day from raw.patients")
    assert {who: (drugs, days) for who, drugs, days in found} == wanted
    assert len(wanted) > 20
    assert report.rows_read == len(first_regimens())


@needs_real_data
def test_the_words_of_genie_bpc_become_responses(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load(f"""
[[inputs]]
path = "{BPC}/prissmm_imaging.csv.gz"
trial_id = "BPC"
[inputs.map.tumor_measurements]
patient_id = "record_id"
day = "dx_scan_days"
response = "image_overall"
[inputs.values.image_overall]
"Progressing/Worsening/Enlarging" = "PD"
"Improving/Responding" = "PR"
"Stable/No change" = "SD"
"Mixed" = "NE"
"Not stated/Indeterminate" = "NE"
""")
    with gzip.open(BPC / "prissmm_imaging.csv.gz", "rt") as file:
        told = [row for row in csv.DictReader(file) if row["dx_scan_days"] or row["image_overall"]]
    n_keys = len({(row["record_id"], row["dx_scan_days"]) for row in told})
    ((n_loaded, n_progressing),) = db.sql("select count(*), count(*) filter (response = 'PD') from raw.tumor_measurements").fetchall()  # fmt: skip
    assert 0 < n_progressing < n_loaded <= n_keys
    assert {rule for _, _, _, rule in rejected(db)} <= {"duplicate_key"}


@needs_real_data
def test_own_patients_of_genie_bpc_are_pseudonyms(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load(BPC_MAP.format(path=BPC), origin="institutional")
    assert all(re.fullmatch("P[0-9a-f]{20}", who) for who in rows(db, "select patient_id from raw.patients"))
    assert "GENIE-TEST" not in str(rows(db, "from audit.rejected_rows"))

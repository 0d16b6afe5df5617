"""Rows about patients: dates become days since the first dose, words become statuses, and nothing is guessed."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.pipeline import Report, discover, run, specs_from
from ingest.settings import Settings
from schemas import TABLES

PATIENTS, SCANS = TABLES["patients"], TABLES["tumor_measurements"]


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
    """Loads a file with options into the database of the test; as published evidence, whose patients keep their names."""
    return lambda text, **options: load_into(db, text, **options)


def load_into(db: duckdb.DuckDBPyConnection, text: str, **options: str) -> Report:
    Path("own.csv").write_text(text)
    told = {"path": "own.csv", "origin": "published"} | options
    Path("hpd.toml").write_text("[[inputs]]\n" + "".join(f"{key} = '{value}'\n" for key, value in told.items()))
    items, failed, _ = discover(specs_from([], Path("hpd.toml")), Settings(home=Path("home")))
    assert failed == []
    return run(items, db)


def rows(db: duckdb.DuckDBPyConnection, sql: str) -> list:
    return [row[0] if len(row) == 1 else row for row in db.sql(sql).fetchall()]


def rejected(db: duckdb.DuckDBPyConnection) -> list[tuple]:
    return rows(db, "select source_line, column_name, value, rule from audit.rejected_rows order by all")


def scans(*dates: str, start: str = "2024-03-01") -> str:
    """A file of scans of one patient each, `n1`, `n2`, ..., with the same start of treatment."""
    lines = [f"T,n{i},{day},{start},50" for i, day in enumerate(dates, 1)]
    return "trial_id,patient_id,scan_date,treatment_start_date,sum_diameters_mm\n" + "\n".join(lines) + "\n"


DAYS = "select patient_id, day, is_day_partial from raw.tumor_measurements order by 1"

# --- dates → days --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("2024-03-01", 0),
        ("2024-03-02", 1),
        ("2024-02-29", -1),
        ("2024-02-01", -29),
        ("2025-03-01", 365),
        ("1999-12-31", -8827),
        ("2024-04-10T00:00:00", 40),
        ("2024-04-10T23:59:59.999", 40),
        ("2024-04-10T23:30:00-08:00", 40),
        ("2024-04-10T00:30:00+14:00", 40),
        ("2024-04-10 07:15", 40),
        (" 2024-04-10 ", 40),
    ],
)
def test_a_date_becomes_the_day_since_the_first_dose(
    cell: str, day: int, db: duckdb.DuckDBPyConnection, load: Load
) -> None:
    assert load(scans(cell)).problems == []
    assert rows(db, DAYS) == [("n1", day, None)]


@pytest.mark.parametrize("offset", [-400, -31, -1, 0, 1, 29, 92, 400])
def test_summer_time_and_leap_days_do_not_bend_a_day(offset: int, db: duckdb.DuckDBPyConnection, load: Load) -> None:
    starts = [date(2023, 3, 25) + timedelta(days=i) for i in range(0, 420, 7)]
    lines = [f"T,n{i},{s + timedelta(days=offset)},{s},5" for i, s in enumerate(starts)]
    load("trial_id,patient_id,scan_date,treatment_start_date,sum_diameters_mm\n" + "\n".join(lines) + "\n")
    assert rows(db, "select distinct day from raw.tumor_measurements") == [offset]


@pytest.mark.parametrize(
    "cell", ["2024", "2024-03", "2024-", "2024-03-", "2024-03-UN", "2024-UN-UNK", "2024-UNK", "2024---15", "2024-03-XX", "2024-03-??"]
)  # fmt: skip
def test_a_date_without_its_day_gives_no_day_and_is_marked(
    cell: str, db: duckdb.DuckDBPyConnection, load: Load
) -> None:
    assert load(scans(cell)).problems == []
    assert rows(db, DAYS) == [("n1", None, True)]


def test_a_partial_start_of_treatment_makes_every_scan_partial(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load(scans("2024-04-10", "2024-04", start="2024-03"))
    assert rows(db, DAYS) == [("n1", None, True), ("n2", None, True)]


def test_two_scans_of_which_only_the_month_is_known_are_no_copies(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load(
        "trial_id,patient_id,scan_date,treatment_start_date,sum_diameters_mm\n"
        "T,P,2024-04,2024-03-01,5\nT,P,2024-04,2024-03-01,6\n"
    )
    assert rows(db, "select sum_diameters_mm from raw.tumor_measurements order by 1") == [5, 6]


@pytest.mark.parametrize(
    "cell",
    ["02/03/2024", "3.2.2024", "45292", "2024-02-30", "2024-13-01", "20240301", "1 Mar 2024", "soon", "24-03-01", "2024-3-1", "0"],
)  # fmt: skip
def test_what_is_no_date_is_rejected_and_not_guessed(cell: str, db: duckdb.DuckDBPyConnection, load: Load) -> None:
    report = load(scans("2024-04-10", cell))
    assert rows(db, DAYS) == [("n1", 40, None)]
    outline = re.sub("[A-Za-z]", "x", re.sub("[0-9]", "9", cell))
    assert rejected(db) == [(3, "scan_date", outline, "not_a_date")]
    assert str(report.problems[0]) == (
        f"ERROR own.csv: line 3: scan_date: is not a date; found '{outline}'; allowed: YYYY-MM-DD, or only its year or month; "
        "1 row rejected; write it so, or give `date_format` in hpd.toml"
    )


@pytest.mark.parametrize(
    ("date_format", "cell"),
    [("%d/%m/%Y", "10/04/2024"), ("%m/%d/%y", "04/10/24"), ("%d.%m.%Y", "10.4.2024"), ("%Y%m%d", "20240410"), ("%d %b %Y", "10 Apr 2024")],
)  # fmt: skip
def test_dates_are_read_as_hpd_toml_says(
    date_format: str, cell: str, db: duckdb.DuckDBPyConnection, load: Load
) -> None:
    start = date(2024, 3, 1).strftime(date_format)
    load(scans(cell, "2024-04", start=start), date_format=date_format)
    assert rows(db, DAYS) == [("n1", 40, None), ("n2", None, True)]


def test_a_date_in_another_than_the_configured_form_is_rejected(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    (problem,) = load(scans("10/04/2024", "04/30/2024", start="01/03/2024"), date_format="%d/%m/%Y").problems
    assert rows(db, DAYS) == [("n1", 40, None)]
    assert str(problem) == (
        "ERROR own.csv: line 3: scan_date: is not a date; found '99/99/9999'; allowed: %d/%m/%Y; 1 row rejected; "
        "write it so, or correct `date_format` in hpd.toml"
    )


def test_a_date_in_the_future_is_one_finding(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    today = date.today()
    problems = load(scans(f"{today}", f"{today + timedelta(days=2)}", "3024-01-01")).problems
    assert rows(db, "select patient_id from raw.tumor_measurements") == ["n1"]
    assert [str(problem) for problem in problems] == [
        "ERROR own.csv: lines 3, 4: scan_date: lies in the future; found '9999-99-99'; 2 rows rejected; correct it"
    ]


def test_a_start_of_treatment_in_the_future_is_rejected(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load(scans("2024-04-10", start="3024-01-01"))
    assert rejected(db) == [(2, "treatment_start_date", "9999-99-99", "date_in_future")]


def test_a_date_without_a_start_of_treatment_cannot_be_counted(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    (problem,) = load(scans("2024-04-10", start="")).problems
    assert rejected(db) == [(2, "scan_date", "9999-99-99", "no_treatment_start")]
    assert str(problem) == (
        "ERROR own.csv: line 2: scan_date: cannot be counted from the first dose; found '9999-99-99'; allowed: a "
        "treatment_start_date (of days on another clock: treatment_start_day) in the row, or of the patient; 1 row rejected; "
        "give it, or give days since the first dose"
    )


def test_a_day_that_is_given_goes_before_the_date(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load(
        "trial_id,patient_id,day,scan_date,treatment_start_date,response\nT,n1,7,2024-04-10,2024-03-01,\n"
        "T,n2,,2024-04-10,2024-03-01,\nT,n3,8,2024-04-10,,\n"
    )
    assert rows(db, DAYS) == [("n1", 7, None), ("n2", 40, None), ("n3", 8, None)]


PATIENT = "trial_id,patient_id,cancer_type,treatment_start_date,last_dose_date,off_treatment_date,progression_date,death_date,last_known_date\n"


def test_every_date_of_a_patient_becomes_its_day(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load(PATIENT + "T,P,NSCLC,2024-01-01,2024-01-01,2024-01-11,2024-02-01,2024-03-01,2024-03-01T12:00\n")
    assert rows(
        db,
        "select last_dose_day, off_treatment_day, progression_day, death_day, last_known_day, partial_dates from raw.patients",
    ) == [(0, 10, 31, 60, 60, None)]


def test_partial_dates_of_a_patient_are_named_each(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load(
        PATIENT + "T,a,NSCLC,2024-01-01,2024-01,2024-01-11,2024,,\n"
        "T,b,NSCLC,2024-01,,2024-01-11,,,\nT,c,NSCLC,2024-01-01,,,,,\n"
    )
    told = "select patient_id, last_dose_day, off_treatment_day, progression_day, partial_dates from raw.patients"
    assert rows(db, told) == [
        ("a", None, 10, None, "last_dose_date|progression_date"),
        ("b", None, None, None, "treatment_start_date"),
        ("c", None, None, None, None),
    ]


@pytest.mark.parametrize("column", list(PATIENTS.dates))
def test_an_end_before_the_start_is_rejected(column: str, db: duckdb.DuckDBPyConnection, load: Load) -> None:
    (problem,) = load(
        f"trial_id,patient_id,cancer_type,treatment_start_date,{column}\n"
        "T,a,NSCLC,2024-01-02,2024-01-01\nT,b,NSCLC,2024-01-02,2024-01-02\n"
    ).problems
    assert str(problem) == (
        f"ERROR own.csv: line 2: {column}: is before the start of treatment; found '9999-99-99'; 1 row rejected; "
        "correct one of the two dates"
    )
    assert rows(db, f"select patient_id, {PATIENTS.dates[column]} from raw.patients") == [("b", 0)]


@pytest.mark.parametrize("column", ["scan_date", "treatment_start_date"])
def test_no_date_is_stored(column: str, db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load(scans("2024-04-10", "2024-05", "2024-04-31"))
    for table in ("raw.tumor_measurements", "audit.rejected_rows"):
        assert "2024" not in str(rows(db, f"from {table}"))
    assert column not in SCANS.columns


# --- days on another clock -----------------------------------------------------------------------------


def test_days_on_another_clock_are_counted_from_the_first_dose(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load("trial_id,patient_id,day,treatment_start_day,response\nT,a,100.5,100,\nT,b,80,100,\nT,c,-3,-10,\n")
    assert rows(db, DAYS) == [("a", 0.5, None), ("b", -20, None), ("c", 7, None)]


def test_every_day_of_a_patient_is_counted_from_the_first_dose(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load("trial_id,patient_id,cancer_type,treatment_start_day,death_day,last_dose_day,ttf_days\nT,a,X,100,150,100,44\n")
    assert rows(db, "select death_day, last_dose_day, ttf_days from raw.patients") == [(50, 0, 44)]


def test_the_clock_is_exact_to_the_microday(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load("trial_id,patient_id,day,treatment_start_day,response\nT,a,0.3,0.1,PD\n")
    assert rows(db, "select day = 0.2 from raw.tumor_measurements") == [True]


def test_what_cannot_be_counted_on_another_clock_is_told(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load(
        "trial_id,patient_id,cancer_type,treatment_start_day,death_day\n"
        "T,a,X,100,90\nT,b,X,,150\nT,c,X,ten,150\nT,d,X,100,late\nT,e,X,100,\nT,f,X,100,inf\n"
    )
    assert rows(db, "select patient_id from raw.patients") == ["e"]
    assert rejected(db) == [
        (2, "death_day", "90", "end_before_start"),
        (3, "death_day", "150", "no_treatment_start"),
        (4, "treatment_start_day", "xxx", "not_days"),
        (5, "death_day", "xxxx", "not_days"),
        (7, "death_day", "inf", "not_finite"),
    ]


# --- words, defaults and options -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "sum_mm", "status"),
    [
        ("62.5", 62.5, None),
        ("0", 0, None),
        ("", None, None),
        ("TOO SMALL TO MEASURE", None, "too_small_to_measure"),
        ("Too small  to_measure", None, "too_small_to_measure"),
        ("tstm", None, "too_small_to_measure"),
        ("NOT EVALUABLE", None, "not_evaluable"),
        ("NE", None, "not_evaluable"),
        ("not done", None, "not_evaluable"),
    ],
)
def test_a_word_in_place_of_a_sum_is_a_status(
    cell: str, sum_mm: float | None, status: str | None, db: duckdb.DuckDBPyConnection, load: Load
) -> None:
    assert load(f"trial_id,patient_id,day,sum_diameters_mm\nT,P,3,{cell}\n").problems == []
    assert rows(db, "select sum_diameters_mm, measurement_status from raw.tumor_measurements") == [(sum_mm, status)]


def test_a_status_that_is_given_goes_before_the_word(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load("trial_id,patient_id,day,sum_diameters_mm,measurement_status\nT,P,3,TSTM,not_evaluable\n")
    assert rows(db, "select measurement_status from raw.tumor_measurements") == ["not_evaluable"]


def test_who_measured_is_not_stated_unless_the_file_says(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load("trial_id,patient_id,day,response,reader\nT,a,3,,\nT,b,3,,SITE\n")
    assert rows(db, "select patient_id, reader, is_reader_chosen from raw.tumor_measurements order by 1") == [
        ("a", "NOT STATED", None),
        ("b", "SITE", None),
    ]


def test_the_reader_of_the_input_is_marked(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load("trial_id,patient_id,day,response,reader\nT,a,3,,CENTRAL\nT,a,3,,SITE\nT,b,3,,\n", reader="CENTRAL")
    assert rows(db, "select reader, is_reader_chosen from raw.tumor_measurements order by 1") == [
        ("CENTRAL", True),
        ("NOT STATED", False),
        ("SITE", False),
    ]


def test_what_hpd_toml_gives_counts_where_the_file_says_nothing(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load("patient_id,ttf_days\na,3\n", trial_id="T", cancer_type="NSCLC", ttf_event="death", table="patients")
    assert rows(db, "select trial_id, cancer_type_reported, ttf_event from raw.patients") == [("T", "NSCLC", "death")]


def test_what_the_file_says_goes_before_hpd_toml(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load("trial_id,patient_id,cancer_type\nF,a,SCLC\n", trial_id="T", cancer_type="NSCLC")
    assert rows(db, "select trial_id, cancer_type_reported from raw.patients") == [("F", "SCLC")]


def test_columns_of_an_export_that_are_not_documented_are_not_read(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    report = load(
        "trial_id,patient_id,cancer_type,surname,phone,comment,zip\nT,a,NSCLC,Doe,0123456789,tired,12345\n",
        origin="institutional",
    )
    assert [str(problem) for problem in report.problems] == [
        "NOTE own.csv: columns that the table patients does not have; found 'surname', 'phone', 'comment' (1 more); not read"
    ]
    assert "Doe" not in str(rows(db, "from raw.patients"))


def test_a_column_that_resembles_a_documented_one_is_a_question(load: Load) -> None:
    (error,) = load("trial_id,patient_id,cancer_type,off_treatment_dat,surname\nT,a,NSCLC,2024-01-01,Doe\n").failed
    assert str(error) == (
        "ERROR own.csv: line 1: the table patients has no such column; found 'off_treatment_dat', 'surname'; nothing of it was "
        "loaded; 'off_treatment_date' may be meant; rename or remove it (`hpd template patients`)"
    )


def test_the_sum_of_an_own_scan_is_as_it_was_given(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load("trial_id,patient_id,day,sum_diameters_mm\nT,P,-3,0.1\nT,P,40,1e2\n", origin="institutional")
    assert rows(db, "select day, sum_diameters_mm from raw.tumor_measurements order by 1") == [(-3, 0.1), (40, 100)]


def test_free_text_is_kept_of_published_patients_only(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    text = "trial_id,patient_id,cancer_type,assay,other_alteration,source_url\nT,P,X,FISH,KRAS G12C,http://x\n"
    told = "select assay, other_alteration, source_url from raw.patients"
    load(text)
    assert rows(db, told) == [("FISH", "KRAS G12C", "http://x")]
    load(text, origin="institutional")
    assert rows(db, told) == [(None, None, None)]


# --- what is read is loaded or rejected, and nothing that was typed shows --------------------------------

WORDS = ["Mustermann", "GEHEIM", "jane doe", "MRN-4711-0815", "=cmd|x", "Ærøskøbing", "王小明王", "Иванова", "x" * 80]
CELLS = {
    "trial_id": ["ONE", "TWO", ""],
    "patient_id": ["Erika Mustermann", "MRN-4711-0815", "P1", "P2", "P3", ""],
    "scan_date": ["2024-03-01", "2024-03", "1954-03-12", "12.03.1954", "2199-01-01", "45292", ""],
    "treatment_start_date": ["2024-02-01", "2024-02", "1 Feb 2024", ""],
    "day": ["3", "-7.5", "45292", "1e9", "nan", ""],
    "reader": ["SITE", "Dr Mustermann", "reader 1", ""],
    "sum_diameters_mm": ["50", "6,2", "6.2 cm", "-5", "TSTM", "87654321", "19540312", ""],
    "response": ["PD", "progression", ""],
    "n_new_lesions": ["1", "lots", "-1", "2.5", ""],
    "surname": ["Mustermann"],
}
ROW = st.fixed_dictionaries(
    {name: st.one_of(st.sampled_from(cells), st.sampled_from(cells), st.sampled_from(WORDS)) for name, cells in CELLS.items()}
)  # fmt: skip
# of these, what is stored is what was given: how a trial is called is documented as kept
KEPT = ("trial_id",)


def everything(db: duckdb.DuckDBPyConnection) -> list[str]:
    """Every text of every raw and audit table, apart from what hpd says itself: checksums may spell any number."""
    own = ("_source_file", "source_file", "item_file", "input_name", "message", "rule", "column_name", "versions",
           "seconds")  # fmt: skip
    texts = []
    for table in ("raw.patients", "raw.tumor_measurements", "audit.rejected_rows", "audit.loads"):
        columns = [c for c, *_ in db.sql(f"describe {table}").fetchall() if c not in (*own, *KEPT)]
        texts += [str(cell) for row in db.sql(f"select {', '.join(columns)} from {table}").fetchall() for cell in row]
    return [re.sub("[0-9a-f]{16,}", "", text) for text in texts]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROW, min_size=1, max_size=8), st.booleans())
def test_every_row_is_loaded_or_rejected_and_no_cell_shows(rows_: list[dict[str, str]], is_short: bool) -> None:
    for row in rows_:
        row["trial_id"] = row["trial_id"] if row["trial_id"] in CELLS["trial_id"] else "ONE"
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([list(CELLS), *(list(row.values()) for row in rows_)])
    if is_short:
        writer.writerow(["ONE", "Erika Mustermann", "1954-03-12"])
    with duckdb.connect(":memory:") as db:
        report = load_into(db, out.getvalue(), origin="institutional", name="own")
        n_read = len(rows_) + is_short
        assert report.rows_read == n_read == report.rows_loaded + report.rows_rejected
        lines = {line for line, *_ in rejected(db)}
        kept = rows(db, "select _source_line from raw.tumor_measurements")
        assert sorted([*lines, *kept]) == list(range(2, n_read + 2))
        told = "\n".join([*everything(db), *map(str, report.problems)])
    secrets = {cell for row in rows_ for c, cell in row.items() if len(cell) >= 4 and c not in KEPT}
    known = {"TSTM", "SITE", "progression", "reader 1", "-7.5", "6.2 cm", "2024"}  # words of ours, and bare numbers
    assert [cell for cell in secrets | {"1954-03-12"} if cell not in known and cell in told] == []
    assert "Mustermann" not in told


def test_a_rejected_scan_is_remembered_with_its_patient_day_and_reader(load: Load, db) -> None:
    header = "trial_id,patient_id,day,reader,sum_diameters_mm,n_new_lesions\n"
    report = load(
        header
        + 'T,a,-3,INVESTIGATOR,50,0\nT,a,42,INVESTIGATOR,"70,5",0\nT,b,0,Dr. Who,50,0\nT,c,six,SITE,50,0\n'
        + "T,d,7,SITE,50,0\nT,d,7,SITE,51,0\n,e,7,SITE,x,0\n"
    )
    assert (report.rows_read, report.rows_loaded, report.rows_rejected) == (7, 1, 6)
    assert rows(db, "select patient_id, day, reader from audit.rejected_scans order by all") == [
        ("a", 42, "INVESTIGATOR"),
        ("b", 0, None),
        ("c", None, "SITE"),
        ("d", 7, "SITE"),
    ]
    load(header + "T,a,-3,INVESTIGATOR,50,0\n")
    assert rows(db, "select count(*) from audit.rejected_scans") == [0]

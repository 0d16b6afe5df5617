"""CDISC folders: domains are known by their columns, sums and dates come out as decided, bad deliveries are told."""

from __future__ import annotations

import csv
import gzip
import io
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import polars as pl
import pyreadstat
import pytest
from conftest import SHARED, run_hpd

from ingest.errors import InputError
from ingest.pipeline import Report, discover, run, specs_from
from ingest.settings import Settings
from ingest.sources import cdisc

REAL = SHARED / "data" / "real"
needs_real_data = pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not part of the project")
SUBJECT = "SITE-701-1015"  # must never be seen outside its file

Rows = list[dict[str, object]]
Load = Callable[..., Report]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HPD_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        yield connection


@pytest.fixture
def load(db: duckdb.DuckDBPyConnection) -> Load:
    """Loads the folder `study`; nothing else stays in the database."""

    def load(path: str = "study", **options: str) -> Report:
        lines = [f'{key} = "{value}"\n' for key, value in ({"path": path} | options).items()]
        Path("hpd.toml").write_text("[[inputs]]\n" + "".join(lines))
        items, failed, _ = discover(specs_from([], Path("hpd.toml")), Settings(home=Path("home")))
        return run(items, db) if not failed else Report(failed=failed)

    return load


def write(path: str, rows: Rows, **same: object) -> None:
    """A domain as CSV; `same` stands in every row."""
    rows = [{"STUDYID": "ST1", "USUBJID": SUBJECT} | same | row for row in rows]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(text.getvalue())


def dm(**changed: object) -> None:
    """One subject, whose treatment began on 2024-03-10."""
    write(
        "study/dm.csv", [{"RFSTDTC": "2024-03-10", "RFXSTDTC": "2024-03-10", "ACTARM": "A", "SITEID": "701"} | changed]
    )


def tr(rows: Rows, **same: object) -> None:
    write(
        "study/tr.csv",
        rows,
        **({"TRTESTCD": "SUMDIAM", "TRGRPID": "TARGET", "TRSTRESU": "mm", "TREVAL": "INVESTIGATOR"} | same),
    )


BASELINE = {"TRDTC": "2024-03-08", "TRSTRESN": 50, "VISITNUM": 1}
WEEK_6 = {"TRDTC": "2024-04-21", "TRSTRESN": 80, "VISITNUM": 2}


def lesions(date: str, visit: int, *diameters: object, test: str = "LDIAM", **same: object) -> Rows:
    """Target lesions T1, T2, ...; a word is no number."""
    return [
        {"TRTESTCD": test, "TRLNKID": f"T{i}", "TRDTC": date, "VISITNUM": visit}
        | ({"TRSTRESN": mm} if not isinstance(mm, str) else {"TRSTRESC": mm, "TRSTRESU": ""})
        | same
        for i, mm in enumerate(diameters, 1)
    ]  # fmt: skip


def rows(db: duckdb.DuckDBPyConnection, sql: str) -> list:
    return [row[0] if len(row) == 1 else row for row in db.sql(sql).fetchall()]


def scans(db: duckdb.DuckDBPyConnection, columns: str = "day, sum_diameters_mm") -> list:
    return rows(db, f"select {columns} from raw.tumor_measurements order by day nulls last, reader")


def patient(db: duckdb.DuckDBPyConnection, columns: str) -> object:
    (found,) = rows(db, f"select {columns} from raw.patients")
    return found


def said(report: Report) -> str:
    return "\n".join(map(str, [*report.problems, *report.failed]))


# --- which file is which domain ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "role"),
    [
        ("STUDYID USUBJID TRTESTCD TRSTRESN", "TR"),
        ("studyid usubjid trtestcd", "TR"),
        ("STUDYID USUBJID TUTESTCD", "TU"),
        ("STUDYID USUBJID RSTESTCD", "RS"),
        ("STUDYID USUBJID EXTRT EXSEQ", "EX"),
        ("STUDYID USUBJID DSDECOD DSSEQ", "DS"),
        ("STUDYID USUBJID RFSTDTC AGE", "DM"),
        ("STUDYID USUBJID RFSTDTC TRTSDT", "ADSL"),
        ("STUDYID USUBJID PARAMCD AVAL CNSR ADT", "ADTTE"),
        ("STUDYID USUBJID PARAMCD AVAL ADY ABLFL", cdisc.PARAMETERS),
        ("STUDYID USUBJID PARAMCD AVAL ADT LBTESTCD", None),
        ("STUDYID USUBJID TRTSDT AETERM AESEQ", None),
        ("STUDYID USUBJID RFSTDTC LBTESTCD", None),
        ("STUDYID RDOMAIN USUBJID QNAM QVAL", None),
        ("USUBJID TRTESTCD", None),
        ("trial_id patient_id day", None),
    ],
)
def test_a_domain_is_known_by_its_columns(columns: str, role: str | None) -> None:
    assert cdisc.role_of(columns.split()) == role


def test_the_names_of_the_files_mean_nothing(load: Load, db: duckdb.DuckDBPyConnection) -> None:
    dm()
    tr([BASELINE, WEEK_6])
    Path("study/dm.csv").rename("study/tr.txt")
    Path("study/vitals.csv.gz").write_bytes(gzip.compress(Path("study/tr.csv").read_bytes()))
    Path("study/tr.csv").unlink()
    write("study/lb.csv", [{"LBTESTCD": "ALT"}])
    report = load()
    assert scans(db) == [(-2, 50), (42, 80)]
    assert "files that are not needed were passed over; found 'lb.csv'" in said(report)


def test_a_folder_without_domains_is_no_cdisc_folder() -> None:
    Path("study").mkdir()
    Path("study/patients.csv").write_text("trial_id,patient_id\nA,1\n")
    Path("study/binary.csv").write_bytes(b"\x1f\x8b\x00broken")
    assert not cdisc.recognise(Path("study"))


def test_parameters_are_told_apart_by_their_codes(load: Load, db: duckdb.DuckDBPyConnection) -> None:
    adsl()
    write("study/a.csv", [{"PARAMCD": "ALT", "AVAL": 40, "ADY": 1}])
    write("study/b.csv", [{"PARAMCD": "SDIAM", "AVAL": 40, "ADY": 1}])
    load()
    assert scans(db) == [(0, 40)]


# --- treatment -----------------------------------------------------------------------------------------


def test_treatment_starts_with_dm_else_with_the_first_dose_above_0_or_placebo(load: Load, db) -> None:
    write(
        "study/dm.csv",
        [{"USUBJID": s, "RFXSTDTC": start} for s, start in (("A", "2024-03-10"), ("B", ""), ("C", ""), ("D", ""))],
    )
    write(
        "study/ex.csv",
        [
            {"USUBJID": "B", "EXTRT": "DRUG", "EXDOSE": 0, "EXSTDTC": "2024-03-01"},
            {"USUBJID": "B", "EXTRT": "DRUG", "EXDOSE": 10, "EXSTDTC": "2024-03-12"},
            {"USUBJID": "B", "EXTRT": "DRUG", "EXDOSE": 10, "EXSTDTC": "2024-03-11"},
            {"USUBJID": "C", "EXTRT": "PLACEBO", "EXDOSE": 0, "EXSTDTC": "2024-03-14"},
            {"USUBJID": "D", "EXTRT": "DRUG", "EXDOSE": 0, "EXSTDTC": "2024-03-14"},
        ],
    )
    tr([WEEK_6 | {"USUBJID": s} for s in "ABCD"])
    report = load()
    assert scans(db) == [(38, 80), (41, 80), (42, 80)]
    assert rows(db, "select count(*) from raw.patients") == [3]
    assert "NOTE study/dm.csv: line 5: subjects without a dose; no patients" in said(report)
    assert "NOTE study/tr.csv: line 5: scans of subjects without a dose; not read" in said(report)
    assert report.rows_rejected == 0


def test_drugs_are_those_of_ex_and_else_the_arm(load: Load, db) -> None:
    dm(ACTARM="Chemotherapy")
    tr([BASELINE])
    load()
    assert patient(db, "agents") == "Chemotherapy"
    write(
        "study/ex.csv",
        [{"EXTRT": t, "EXDOSE": 1, "EXSTDTC": "2024-03-10"} for t in ("NIVOLUMAB", "IPILIMUMAB", "NIVOLUMAB")],
    )
    load()
    assert patient(db, "agents") == "IPILIMUMAB+NIVOLUMAB"


@pytest.mark.parametrize(
    ("doses", "of_dm", "last"),
    [
        ([("2024-03-10", "2024-03-10"), ("2024-04-01", "2024-04-02")], "", 23),
        ([("2024-03-10", "2024-03-10"), ("2024-04-01", "")], "", None),  # nobody knows when the last one ended
        ([("2024-03-10", "2024-03-10"), ("2024-04-01", "")], "2024-03-31", None),  # that is the end of the one before
        ([("2024-03-10", "2024-03-10"), ("2024-04-01", "")], "2024-04-09", 30),
        ([("2024-03-10", "2024-03-20"), ("2024-03-11", "2024-03")], "", None),  # may be the later one
        ([("2024-03-10", "2024-02"), ("2024-03-11", "2024-03-20")], "", 10),
    ],
)
def test_the_last_dose_is_where_exposure_ends(load: Load, db, doses: list, of_dm: str, last: float | None) -> None:
    dm(RFXENDTC=of_dm)
    write("study/ex.csv", [{"EXTRT": "D", "EXDOSE": 1, "EXSTDTC": s, "EXENDTC": e} for s, e in doses])
    tr([BASELINE])
    load()
    assert patient(db, "last_dose_day") == last


@pytest.mark.parametrize(
    ("events", "off"),
    [
        ([("PROTOCOL MILESTONE", "RANDOMIZED", "", "2024-03-11")], None),
        ([("DISPOSITION EVENT", "ADVERSE EVENT", "", "2024-04-10")], 31),
        ([("DISPOSITION EVENT", "SCREEN FAILURE", "", "2024-04-10")], None),
        ([("DISPOSITION EVENT", "COMPLETED", "SCREENING", "2024-03-01"), ("DISPOSITION EVENT", "PROGRESSIVE DISEASE", "TREATMENT", "2024-04-10")], 31),
        # the end of the study is not the end of treatment
        ([("DISPOSITION EVENT", "PROGRESSIVE DISEASE", "TREATMENT", "2024-04-10"), ("DISPOSITION EVENT", "DEATH", "FOLLOW-UP", "2024-06-10")], 31),
        ([("DISPOSITION EVENT", "WITHDRAWAL", "STUDY PARTICIPATION", "2024-04-10")], None),
        # of a drug each: treatment is over when the last one is given up
        ([("DISPOSITION EVENT", "TOXICITY", "TREATMENT A", "2024-03-20"), ("DISPOSITION EVENT", "PROGRESSION", "TREATMENT B", "2024-04-10")], 31),
        # the subcategory says more than the epoch
        ([("DISPOSITION EVENT", "ADVERSE EVENT", "SCREENING", "2024-04-10", "END OF TREATMENT")], 31),
        ([("DISPOSITION EVENT", "ADVERSE EVENT", "TREATMENT", "2024-04-10", "END OF STUDY")], None),
        ([("DISPOSITION EVENT", "ADVERSE EVENT", "", "2024-04")], None),
    ],
)  # fmt: skip
def test_off_treatment_is_the_disposition_of_treatment(load: Load, db, events: list, off: float | None) -> None:
    dm()
    names = ("DSCAT", "DSDECOD", "EPOCH", "DSSTDTC", "DSSCAT")
    write("study/ds.csv", [dict(zip(names, event, strict=False)) for event in events])
    tr([BASELINE])
    load()
    is_partial = events[-1][3] == "2024-04"
    assert patient(db, "off_treatment_day, partial_dates") == (off, "off_treatment_date" if is_partial else None)


def rs(responses: list[tuple[str, str, str]], **same: object) -> None:
    write(
        "study/rs.csv",
        [{"RSTESTCD": "OVRLRESP", "RSEVAL": r, "RSDTC": d, "RSSTRESC": x} | same for r, d, x in responses],
    )


def test_progression_is_the_first_one_of_the_reader_that_counts(load: Load, db) -> None:
    dm()
    tr([BASELINE | {"TREVAL": r} for r in ("INVESTIGATOR", "INDEPENDENT ASSESSOR")])
    rs([
        ("INDEPENDENT ASSESSOR", "2024-04-01", "PD"), ("INVESTIGATOR", "2024-03-01", "PD"), ("INVESTIGATOR", "2024-04-20", "SD"),
        ("INVESTIGATOR", "2024-06-10", "PD"), ("INVESTIGATOR", "2024-05-10", "iUPD"),
    ])  # fmt: skip
    load()
    assert patient(db, "progression_day") == 61  # that before treatment is none
    load(reader="INDEPENDENT ASSESSOR")
    assert patient(db, "progression_day") == 22


@pytest.mark.parametrize(
    ("off", "end", "response", "known"),
    [
        (
            "2024-05-01",
            "2024-04-20",
            "2024-04-21",
            42,
        ),  # off treatment has a date: the last response tells of progression
        ("", "2024-04-01", "2024-04-21", 22),  # dosed until then, so not off treatment
        ("", "2024-05-20", "2024-04-21", 42),
        ("", "2024-05-20", "", None),  # nobody looked for progression
    ],
)
def test_without_an_event_patients_are_known_no_longer_than_everything_is(
    load: Load, db, off: str, end: str, response: str, known: float | None
) -> None:
    dm()
    write("study/ex.csv", [{"EXTRT": "D", "EXDOSE": 1, "EXSTDTC": "2024-03-10", "EXENDTC": end}])
    if off:
        write("study/ds.csv", [{"DSCAT": "DISPOSITION EVENT", "DSDECOD": "ADVERSE EVENT", "DSSTDTC": off}])
    if response:
        rs([("INVESTIGATOR", response, "SD")])
    tr([BASELINE])
    load()
    assert patient(db, "last_known_day") == known


def test_death_is_that_of_dm_else_of_ds(load: Load, db) -> None:
    dm(DTHDTC="")
    write("study/ds.csv", [{"DSCAT": "OTHER EVENT", "DSDECOD": "DEATH", "DSSTDTC": "2024-05-09"}])
    tr([BASELINE])
    load()
    assert patient(db, "death_day") == 60
    dm(DTHDTC="2024-05-10")
    load()
    assert patient(db, "death_day") == 61


def test_options_name_trial_cancer_and_event(load: Load, db) -> None:
    dm()
    tr([BASELINE])
    load(trial_id="OWN", cancer_type="NSCLC", ttf_event="last_dose")
    assert patient(db, "trial_id, cancer_type_reported, ttf_event") == ("OWN", "NSCLC", "last_dose")
    assert scans(db, "trial_id") == ["OWN"]


# --- when ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("date", "study_day", "day", "is_partial"),
    [
        ("2024-04-21", "", 42, None),
        ("2024-04-21T09:30", "", 42, None),
        ("2024-04-21", 99, 42, None),  # dates go first
        ("2024-04", 43, 42, None),  # 43 days counted from 1
        ("2024-03", -2, -2, None),  # there is no day 0
        ("2024-04", 2, None, True),  # that is in March
        ("2024-04", "", None, True),
        ("2024", "", None, True),
        ("2024-04", 0, None, True),
        ("", 43, 42, None),
    ],
)
def test_a_study_day_stands_in_for_a_date_that_is_not_full(
    load: Load, db, date: str, study_day: object, day: float | None, is_partial: bool | None
) -> None:
    dm()
    tr([WEEK_6 | {"TRDTC": date, "TRDY": study_day}])
    load()
    assert scans(db, "day, is_day_partial") == [(day, is_partial)]


def test_a_scan_without_date_and_study_day_is_rejected(load: Load, db) -> None:
    dm()
    tr([WEEK_6 | {"TRDTC": "", "TRDY": ""}])
    report = load()
    assert scans(db, "day") == []
    assert report.rows_rejected == 1
    assert "ERROR study/tr.csv: line 2: day: is blank; 1 row rejected; fill it in" in said(report)


def test_study_days_are_counted_from_the_reference_not_from_the_first_dose(load: Load, db) -> None:
    dm(RFSTDTC="2024-03-05")  # randomised five days earlier
    tr([WEEK_6 | {"TRDTC": "2024-04", "TRDY": 43}])
    report = load()
    assert scans(db, "day") == [37]
    assert "NOTE study/tr.csv: line 2: TRDY: lack a full date, so that the study day counts; found '43'" in said(report)


def test_study_days_that_differ_from_the_dates_are_told(load: Load) -> None:
    dm()
    tr([WEEK_6 | {"TRDY": 43}, WEEK_6 | {"TRDTC": "2024-05-01", "TRDY": 43}])
    assert "NOTE study/tr.csv: line 3: TRDY: study days differ from the dates; found '43'; the dates count" in said(
        load()
    )


def test_a_partial_start_leaves_no_day(load: Load, db) -> None:
    dm(RFSTDTC="2024-03", RFXSTDTC="2024-03")
    tr([WEEK_6])
    load()
    assert scans(db, "day, is_day_partial") == [(None, True)]
    assert patient(db, "partial_dates") == "treatment_start_date"


# --- sums ----------------------------------------------------------------------------------------------


def test_the_sum_of_the_reader_goes_before_the_lesions(load: Load, db) -> None:
    dm()
    tr([BASELINE, *lesions("2024-03-08", 1, 20, 20), *lesions("2024-04-21", 2, 30, 40.5)])
    load()
    assert scans(db, "day, sum_diameters_mm, _source_line") == [(-2, 50, 2), (42, 70.5, 5)]


def test_diameters_are_added_exactly(load: Load, db) -> None:
    dm()
    tr(lesions("2024-03-08", 1, 0.1, 0.2, 12.7))
    load()
    assert scans(db, "sum_diameters_mm") == [13.0]


def test_only_target_lesions_are_added(load: Load, db) -> None:
    dm()
    tr([*lesions("2024-03-08", 1, 20, 21), *lesions("2024-03-08", 1, 99, TRGRPID="NON-TARGET", TRLNKID="NT1")])
    load()
    assert scans(db, "sum_diameters_mm") == [41]


@pytest.mark.parametrize(
    ("place", "given", "mm"),
    [
        ("LYMPH NODE", {"LDIAM": 22, "LPERP": 15}, 15),
        ("LUNG", {"LDIAM": 22, "LPERP": 15}, 22),
        ("LYMPH NODE", {"LDIAM": 22, "LPERP": 15, "DIAMETER": 22}, 22),
        ("", {"LPERP": 15}, 15),
        ("", {"LDIAM": 22, "LPERP": 22}, 22),
        ("", {"LDIAM": 22, "LPERP": 15}, None),
    ],
)
def test_a_node_counts_by_its_short_axis(load: Load, db, place: str, given: dict, mm: float | None) -> None:
    dm()
    write(
        "study/tu.csv",
        [{"TUTESTCD": "TUMIDENT", "TUSTRESC": "TARGET", "TULNKID": "T1", "TULOC": place, "TUEVAL": "INVESTIGATOR"}],
    )
    tr([row for test, diameter in given.items() for row in lesions("2024-03-08", 1, diameter, test=test)])
    report = load()
    assert scans(db, "sum_diameters_mm") == [mm]
    assert ("nobody can say which one counts" in said(report)) == (mm is None)


def test_a_lesion_too_small_to_measure_is_2_mm(load: Load, db) -> None:
    dm()
    tr([*lesions("2024-03-08", 1, 20, 30), *lesions("2024-04-21", 2, "TOO SMALL TO MEASURE", 30), *lesions("2024-05-21", 3, "TOO SMALL TO MEASURE", "TOO SMALL TO MEASURE")])  # fmt: skip
    load()
    assert scans(db, "sum_diameters_mm") == [50, 32, 4]


def test_a_sum_without_a_lesion_is_not_evaluable(load: Load, db) -> None:
    dm()
    tr([
        *lesions("2024-02-08", 0, 18), *lesions("2024-03-08", 1, 20, 30), *lesions("2024-04-21", 2, 25, "NOT EVALUABLE"),
        *lesions("2024-05-21", 3, 25), *lesions("2024-06-21", 4, 25, "", TRSTAT="NOT DONE"), *lesions("2024-07-21", 5, 0, 0),
    ])  # fmt: skip
    report = load()
    assert scans(db, "sum_diameters_mm, measurement_status") == [
        (None, "not_evaluable"), (50, None), (None, "not_evaluable"), (None, "not_evaluable"), (None, "not_evaluable"), (0, None),
    ]  # fmt: skip
    assert (
        "lines 2, 5, 7 (1 more): fewer target lesions are measured than at baseline, or one is not evaluable"
        in said(report)
    )


def test_the_flagged_scan_is_the_baseline_the_lesions_are_counted_against(load: Load, db) -> None:
    dm()
    tr([*lesions("2024-03-01", 0, 20, 30, TRLOBXFL="Y"), *lesions("2024-03-09", 1, 20), *lesions("2024-04-21", 2, 25)])
    load()
    assert scans(db, "sum_diameters_mm, is_baseline") == [(50, True), (None, False), (None, False)]


def test_a_sum_that_leaves_out_a_lesion_counts_and_is_told(load: Load, db) -> None:
    dm()
    tr([BASELINE, WEEK_6, *lesions("2024-04-21", 2, 80, "", TRSTAT="NOT DONE")])
    report = load()
    assert scans(db, "sum_diameters_mm") == [50, 80]
    assert (
        "WARNING study/tr.csv: line 3: the sum leaves out target lesions that were not measured; counted as given"
        in said(report)
    )


@pytest.mark.parametrize(
    ("word", "status"),
    [("TOO SMALL TO MEASURE", "too_small_to_measure"), ("NOT EVALUABLE", "not_evaluable"), ("", "not_evaluable")],
)
def test_a_word_in_place_of_the_sum_is_a_status(load: Load, db, word: str, status: str) -> None:
    dm()
    tr([BASELINE | {"TRSTRESN": "", "TRSTRESC": word, "TRSTRESU": ""}])
    load()
    assert scans(db, "sum_diameters_mm, measurement_status") == [(None, status)]


def test_a_visit_of_several_days_is_one_scan_and_a_visit_number_used_twice_is_two(load: Load, db) -> None:
    dm()
    tr([
        *lesions("2024-03-06", 1, 20), *[row | {"TRLNKID": "T2"} for row in lesions("2024-03-08", 1, 30)],
        *lesions("2024-04-21", 9, 21, 31), *lesions("2024-05-21", 9, 22, 32),
    ])  # fmt: skip
    load()
    assert scans(db) == [(-2, 50), (42, 52), (72, 54)]


def test_a_lesion_with_two_values_at_one_scan_is_rejected(load: Load, db) -> None:
    dm()
    tr([*lesions("2024-03-08", 1, 20, 30), *lesions("2024-03-08", 1, 20, 35)])
    report = load()
    assert scans(db) == []
    assert "ERROR study/tr.csv: line 2: TRSTRESN: has several values for one lesion at one scan" in said(report)


@pytest.mark.parametrize("lesion", [False, True])
def test_units_other_than_mm_are_rejected_with_that_reason(load: Load, db, lesion: bool) -> None:
    dm()
    tr(
        [*lesions("2024-03-08", 1, 20), *lesions("2024-04-21", 2, 3, TRSTRESU="cm")]
        if lesion
        else [BASELINE, WEEK_6 | {"TRSTRESU": "cm"}]
    )
    report = load()
    assert scans(db, "day") == [-2]
    assert "ERROR study/tr.csv: line 3: TRSTRESU: is not in mm; found 'cm'; allowed: mm; 1 row rejected" in said(report)
    assert rows(db, "select column_name, value, rule from audit.rejected_rows") == [("TRSTRESU", "cm", "not_mm")]


def test_a_number_without_a_unit_is_rejected(load: Load, db) -> None:
    dm()
    tr([BASELINE, WEEK_6 | {"TRSTRESU": ""}])
    report = load()
    assert scans(db, "day") == [-2]
    assert "line 3: TRSTRESU: is not in mm" in said(report)


@pytest.mark.parametrize(
    ("diameter", "rule"), [("12,5", "comma_in_number"), (-4, "out_of_range"), ("abc", "not_number")]
)
def test_a_diameter_that_is_none_is_rejected_with_its_line(load: Load, db, diameter: object, rule: str) -> None:
    dm()
    tr(
        [
            *lesions("2024-03-08", 1, 20),
            {"TRTESTCD": "LDIAM", "TRLNKID": "T2", "TRDTC": "2024-03-08", "VISITNUM": 1, "TRSTRESN": diameter},
        ]
    )
    load()
    assert scans(db) == []
    assert rows(db, "select rule from audit.rejected_rows") == [rule]


# --- readers and responses -----------------------------------------------------------------------------


def test_a_reader_is_evaluator_and_identifier(load: Load, db) -> None:
    dm()
    tr(
        [
            BASELINE,
            BASELINE | {"TREVAL": "INDEPENDENT ASSESSOR", "TREVALID": "RADIOLOGIST 1"},
            BASELINE | {"TREVAL": ""},
        ]
    )
    load()
    assert scans(db, "reader") == ["INDEPENDENT ASSESSOR RADIOLOGIST 1", "INVESTIGATOR", "NOT STATED"]


def test_the_chosen_reader_is_marked(load: Load, db) -> None:
    dm()
    tr([BASELINE, BASELINE | {"TREVAL": "INDEPENDENT ASSESSOR"}])
    load(reader="INVESTIGATOR")
    assert scans(db, "reader, is_reader_chosen") == [("INDEPENDENT ASSESSOR", False), ("INVESTIGATOR", True)]


def test_an_unknown_reader_is_an_error_that_names_the_readers(load: Load) -> None:
    dm()
    tr([BASELINE])
    report = load(reader="RADIOLOGIST 9")
    assert "the option `reader` names somebody who read no scan; found 'RADIOLOGIST 9'; allowed: INVESTIGATOR" in said(
        report
    )


def test_a_response_belongs_to_the_scan_of_its_date_else_of_its_visit(load: Load, db) -> None:
    dm()
    tr([BASELINE, WEEK_6, WEEK_6 | {"TRDTC": "2024-06-01", "VISITNUM": 3}])
    rs([("INVESTIGATOR", "2024-04-21", "SD")])
    write("study/rs.csv", [
        {"RSDTC": "2024-04-21", "RSSTRESC": "SD", "VISITNUM": 7}, {"RSDTC": "2024-06-03", "RSSTRESC": "pd", "VISITNUM": 3},
        {"RSDTC": "2024-06-03", "RSSTRESC": "CR", "RSTESTCD": "TRGRESP", "VISITNUM": 3},
    ], RSTESTCD="OVRLRESP", RSEVAL="INVESTIGATOR")  # fmt: skip
    load()
    assert scans(db, "response") == [None, "SD", "PD"]


def test_recist_goes_before_irecist_and_a_word_that_is_no_response_is_left_blank(load: Load, db) -> None:
    dm()
    tr([BASELINE, WEEK_6, WEEK_6 | {"TRDTC": "2024-06-01", "VISITNUM": 3}])
    write("study/rs.csv", [
        {"RSDTC": "2024-04-21", "RSSTRESC": "iUPD", "RSCAT": "iRECIST"}, {"RSDTC": "2024-04-21", "RSSTRESC": "PD", "RSCAT": "RECIST 1.1"},
        {"RSDTC": "2024-06-01", "RSSTRESC": "CHECK", "RSCAT": "RECIST 1.1"},
    ], RSTESTCD="OVRLRESP", RSEVAL="INVESTIGATOR")  # fmt: skip
    report = load()
    assert scans(db, "response") == [None, "PD", None]
    assert "WARNING study/rs.csv: line 4: RSSTRESC: is no overall response" in said(report)


# --- new lesions ---------------------------------------------------------------------------------------


def tu(lesions_seen: list[tuple[str, str, str, str]]) -> None:
    write("study/tu.csv", [
        {"TUTESTCD": "TUMIDENT", "TUSTRESC": kind, "TULNKID": name, "TULOC": place, "TUDTC": date, "TUEVAL": "INVESTIGATOR"}
        for kind, name, place, date in lesions_seen
    ])  # fmt: skip


NEW = "n_new_lesions, n_new_lesions_involved_organ, has_new_organ"


def test_new_lesions_are_counted_by_organ(load: Load, db) -> None:
    dm()
    tr([BASELINE, WEEK_6])
    known = [("TARGET", "T1", "LUNG", "2024-03-08"), ("NON-TARGET", "N1", "LIVER", "2024-03-08")]
    tu(
        [
            *known,
            ("NEW", "W1", "LUNG", "2024-04-21"),
            ("NEW", "W2", "BONE", "2024-04-21"),
            ("NEW", "W2", "BONE", "2024-06-21"),
        ]
    )
    load()
    assert scans(db, NEW) == [(0, 0, False), (2, 1, True)]
    tu([*known, ("NEW", "W1", "LUNG", "2024-04-10")])  # between the scans: of the next one
    load()
    assert scans(db, NEW) == [(0, 0, False), (1, 1, False)]


def test_a_place_that_is_not_given_leaves_the_organ_open(load: Load, db) -> None:
    dm()
    tr([BASELINE, WEEK_6])
    tu([("TARGET", "T1", "LUNG", "2024-03-08"), ("NEW", "W1", "", "2024-04-21")])
    load()
    assert scans(db, NEW)[1] == (1, None, None)
    tu(
        [
            ("TARGET", "T1", "LUNG", "2024-03-08"),
            ("NON-TARGET", "N1", "", "2024-03-08"),
            ("NEW", "W1", "BONE", "2024-04-21"),
        ]
    )
    load()
    assert scans(db, NEW)[1] == (1, None, None)  # the lesion without a place may be in the bone


def test_an_equivocal_lesion_is_new_once_it_is_unequivocal(load: Load, db) -> None:
    dm()
    state = {"TRTESTCD": "TUMSTATE", "TRGRPID": "NEW", "TRLNKID": "W1", "TRSTRESU": ""}
    tr([
        BASELINE, WEEK_6, WEEK_6 | {"TRDTC": "2024-06-01"}, state | {"TRDTC": "2024-04-21", "TRSTRESC": "EQUIVOCAL"},
        state | {"TRDTC": "2024-06-01", "TRSTRESC": "UNEQUIVOCAL"},
    ])  # fmt: skip
    tu([("TARGET", "T1", "LUNG", "2024-03-08"), ("NEW", "W1", "BONE", "2024-04-21")])
    load()
    assert scans(db, NEW) == [(0, 0, False), (0, 0, False), (1, 0, True)]


def test_without_tu_new_lesions_are_not_recorded(load: Load, db) -> None:
    dm()
    tr([BASELINE])
    load()
    assert scans(db, NEW) == [(None, None, None)]


def test_a_new_lesion_that_no_date_places_makes_the_count_unknown(load: Load, db) -> None:
    dm()
    tr([BASELINE, WEEK_6])
    tu([("TARGET", "T1", "LUNG", "2024-03-08"), ("NEW", "W1", "BONE", "")])
    load()
    assert scans(db, NEW) == [(None, None, None)] * 2


# --- ADaM ----------------------------------------------------------------------------------------------


def adsl(**changed: object) -> None:
    write("study/adsl.csv", [{"TRTSDT": "2024-03-10", "TRTEDT": "2024-04-20", "TRT01A": "Drug"} | changed])


def adtr(sums: Rows, **same: object) -> None:
    write("study/adtr.csv", sums, **({"PARAMCD": "SDIAM", "PARCAT2": "Investigator"} | same))


def test_adam_sums_become_scans(load: Load, db) -> None:
    adsl(DTHDT="2024-05-01", EOSDT="2024-05-02", EOTDT="2024-04-25")
    adtr([
        {"AVAL": 50, "ADT": "2024-03-08", "ADY": -2, "ABLFL": "Y"}, {"AVAL": 80, "ADT": "", "ADY": 43},
        {"AVAL": 70, "ADT": "2024-06-01", "ADTF": "D", "ADY": 84}, {"AVAL": 80, "ADT": "2024-07-01", "DTYPE": "LOCF"},
        {"PARAMCD": "LDIAM1", "AVAL": 9, "ADT": "2024-03-08"},
    ])  # fmt: skip
    load()
    assert scans(db, "day, sum_diameters_mm, reader, is_baseline, is_day_partial") == [
        (-2, 50, "INVESTIGATOR", True, None), (42, 80, "INVESTIGATOR", None, None), (None, 70, "INVESTIGATOR", None, True),
    ]  # fmt: skip
    # the end of the study is not the end of treatment
    assert patient(db, "agents, last_dose_day, off_treatment_day, death_day") == ("Drug", 41, 46, 52)


def test_an_imputed_death_is_partial(load: Load, db) -> None:
    adsl(DTHDT="2024-05-01", DTHDTF="D")
    adtr([{"AVAL": 50, "ADY": 1}])
    load()
    assert patient(db, "death_day, partial_dates") == (None, "death_date")


@pytest.mark.parametrize("start", ["23445", "23445.0", "10MAR2024"])
def test_dates_may_be_written_as_sas_has_them(load: Load, db, start: str) -> None:
    adsl(TRTSDT=start, TRTEDT="")
    adtr([{"AVAL": 50, "ADT": "23447"}])
    load()
    assert scans(db, "day") == [2]


@pytest.mark.parametrize("more", [{"AVALU": "cm"}, {"PARAM": "Sum of diameters (cm)"}])
def test_adam_sums_in_cm_are_rejected(load: Load, db, more: dict) -> None:
    adsl()
    adtr([{"AVAL": 5, "ADY": 1} | more])
    assert "AVALU: is not in mm; found 'cm'" in said(load())
    assert scans(db) == []


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (None, (45, False, None)),  # AVAL 50 counts from randomisation
        ("off_treatment", (45, False, "off_treatment")),
        ("progression", (30, True, "progression")),
        ("last_dose", (None, None, "last_dose")),  # neither TTF nor PFS is that
    ],
)
def test_pfs_is_read_only_when_progression_is_the_event(load: Load, db, event: str | None, expected: tuple) -> None:
    adsl()
    adtr([{"AVAL": 50, "ADY": 1}])
    write("study/adtte.csv", [
        {"PARAMCD": "TTF", "AVAL": 50, "ADT": "2024-04-24", "CNSR": 0}, {"PARAMCD": "PFS", "AVAL": 31, "ADT": "2024-04-09", "CNSR": 1},
    ])  # fmt: skip
    load(**({"ttf_event": event} if event else {}))
    assert patient(db, "ttf_days, is_ttf_censored, ttf_event") == expected


def test_ttf_without_a_date_counts_as_it_is_and_in_months_not_at_all(load: Load, db) -> None:
    adsl()
    adtr([{"AVAL": 50, "ADY": 1}])
    write("study/adtte.csv", [{"PARAMCD": "TTF", "AVAL": 50, "CNSR": 0}])
    assert "has no full date, so that AVAL counts as it is" in said(load())
    assert patient(db, "ttf_days") == 50
    write("study/adtte.csv", [{"PARAMCD": "TTF", "AVAL": 2, "AVALU": "MONTHS", "CNSR": 0}])
    assert "AVALU: is not in days and has no full date" in said(load())
    assert patient(db, "ttf_days") is None


def test_adrs_tells_the_overall_response(load: Load, db) -> None:
    adsl()
    adtr([{"AVAL": 50, "ADT": "2024-03-08"}, {"AVAL": 80, "ADT": "2024-04-21"}])
    write("study/adrs.csv", [
        {"PARAMCD": "OVR", "AVALC": "PD", "ADT": "2024-04-21", "PARCAT2": "Investigator"},
        {"PARAMCD": "BOR", "AVALC": "CR", "ADT": "2024-03-08", "PARCAT2": "Investigator"},
    ])  # fmt: skip
    load()
    assert scans(db, "response") == [None, "PD"]
    assert patient(db, "progression_day") == 42


def test_sdtm_scans_go_before_those_of_adam(load: Load, db) -> None:
    adsl()
    tr([BASELINE])
    adtr([{"AVAL": 99, "ADY": 1}])
    assert "passed over; found 'adtr.csv'" in said(load())
    assert scans(db) == [(-2, 50)]


# --- SAS transport files -------------------------------------------------------------------------------


def as_xport(name: str, version: int = 5) -> None:
    """Replaces a CSV by a transport file with the same rows, dates of ADaM as SAS counts them."""
    frame = pl.read_csv(f"study/{name}.csv")
    dates = [c for c in frame.columns if c.endswith("DT") and frame.schema[c] == pl.String]
    numbers = [(pl.col(c).str.to_date() - pl.date(1960, 1, 1)).dt.total_days().cast(pl.Float64).alias(c) for c in dates]
    pyreadstat.write_xport(
        frame.with_columns(numbers), f"study/{name}.xpt", table_name=name.upper(), file_format_version=version
    )
    Path(f"study/{name}.csv").unlink()


@pytest.mark.parametrize("version", [5, 8])
def test_transport_files_say_what_csv_says(load: Load, db, version: int) -> None:
    dm()
    tr([BASELINE | {"TRSTRESN": 50.3}, WEEK_6 | {"TRSTRESN": 80.1}])
    as_xport("dm", version)
    as_xport("tr", version)
    report = load()
    assert report.failed == []
    assert scans(db, "day, sum_diameters_mm, reader, _source_file, _source_line") == [
        (-2, 50.3, "INVESTIGATOR", "study/tr.xpt", 1), (42, 80.1, "INVESTIGATOR", "study/tr.xpt", 2),
    ]  # fmt: skip


def test_dates_in_transport_files_are_numbers(load: Load, db) -> None:
    adsl()
    adtr([{"AVAL": 50, "ADT": "2024-03-08"}])
    as_xport("adsl")
    as_xport("adtr")
    load()
    assert scans(db) == [(-2, 50)]
    assert patient(db, "last_dose_day") == 41


def test_a_transport_file_that_is_cut_short_or_holds_two_data_sets_is_refused(load: Load) -> None:
    dm()
    tr([BASELINE, WEEK_6])
    as_xport("tr")
    path = Path("study/tr.xpt")
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    assert "study/tr.xpt: is not a readable SAS transport file, or is cut short" in said(load())
    second = whole[whole.index(b"HEADER RECORD*******MEMBER") :]
    path.write_bytes(whole + second)
    assert "study/tr.xpt: holds 2 data sets; allowed: one data set per file" in said(load())


# --- bad deliveries ------------------------------------------------------------------------------------


def failure(load: Load) -> str:
    report = load()
    assert report.loaded == []
    (error,) = report.failed
    assert isinstance(error, InputError)
    return str(error)


def test_two_files_of_one_domain_are_an_error(load: Load) -> None:
    dm()
    tr([BASELINE])
    shutil.copy("study/tr.csv", "study/tr_old.csv")
    assert "ERROR study: two files hold TR; found 'tr.csv', 'tr_old.csv'; nothing of it was loaded" in failure(load)


def test_scans_without_a_start_of_treatment_are_an_error(load: Load) -> None:
    tr([BASELINE])
    assert (
        "holds nothing that says when treatment began; found 'TR'; allowed: a file with the columns of DM or EX or ADSL"
        in failure(load)
    )


def test_patients_without_scans_are_an_error(load: Load) -> None:
    dm()
    assert "holds no tumour measurements; found 'DM'; allowed: a file with the columns of TR or ADTR" in failure(load)


def test_tr_without_a_sum_or_a_diameter_is_an_error(load: Load) -> None:
    dm()
    tr([BASELINE | {"TRTESTCD": "TUMSTATE"}])
    assert "study/tr.csv: holds no sum of diameters and no diameters of target lesions" in failure(load)


def test_a_missing_column_is_named(load: Load) -> None:
    dm()
    write("study/tr.csv", [{"TRTESTCD": "SUMDIAM", "TRSTRESN": 5}])
    assert "study/tr.csv: line 1: TRSTRESU, TRDTC or TRDY: TR needs these columns" in failure(load)


def test_nobody_treated_is_an_error(load: Load) -> None:
    dm(RFXSTDTC="")
    tr([BASELINE])
    assert "study/dm.csv: names no subject whose treatment has a start" in failure(load)


def test_a_link_that_leaves_the_folder_is_an_error(load: Load) -> None:
    dm()
    tr([BASELINE])
    Path("study/tr.csv").rename("tr.csv")
    Path("study/tr.csv").symlink_to("../tr.csv")
    assert "study/tr.csv: is a link that leaves the folder" in failure(load)


def test_scans_of_subjects_that_dm_does_not_know_are_rejected(load: Load, db) -> None:
    dm()
    tr([BASELINE, BASELINE | {"USUBJID": "SOMEBODY-ELSE"}])
    load()
    assert scans(db, "_source_line") == [2]
    assert rows(db, "select source_line, rule from audit.rejected_rows") == [(3, "no_treatment_start")]


def test_the_same_scan_twice_is_rejected_both_lines_named(load: Load, db) -> None:
    dm()
    tr([BASELINE, BASELINE | {"TRSTRESN": 60}])
    assert "lines 2, 3" in said(load())
    assert scans(db) == []


def test_ragged_lines_are_rejected(load: Load, db) -> None:
    dm()
    tr([BASELINE])
    with Path("study/tr.csv").open("a") as file:
        file.write(f"ST1,{SUBJECT},oops\n")
    report = load()
    assert (scans(db, "day"), report.rows_rejected) == ([-2], 1)


def test_identifiers_never_leave_the_files(load: Load, db) -> None:
    dm(RFXENDTC="2023-01-01")  # ends before it starts: rejected
    bad = [
        BASELINE | {"TRSTRESN": "12,5"},
        WEEK_6 | {"TRSTRESU": "cm"},
        *lesions("2024-06-01", 5, 1),
        *lesions("2024-06-01", 5, 2),
    ]
    tr(bad)
    with Path("study/tr.csv").open("a") as file:
        file.write(f"ST1,{SUBJECT},oops\n")
    report = load()
    assert report.rows_rejected == 5
    tables = ("audit.rejected_rows", "audit.loads", "raw.patients", "raw.tumor_measurements")
    seen = said(report) + "".join(str(rows(db, f"select t::varchar from {table} t")) for table in tables)
    assert not re.search(f"{SUBJECT}|2024-0|2023-01", seen)


# --- real files ----------------------------------------------------------------------------------------


@needs_real_data
def test_pharmaverse_sdtm_has_254_baselines_205_first_evaluations_and_45_above_50_percent(folder: Path) -> None:
    Path("sdtm").mkdir()
    for name in ("dm.csv", "ds.csv", "ex.csv", "tr_onco.csv.gz", "rs_onco.csv.gz", "tu_onco.csv.gz"):
        shutil.copy(REAL / "pharmaversesdtm" / name, "sdtm")
    done = run_hpd("refresh", "sdtm", home=folder / "home", cwd=folder)
    assert not re.search(r"01-7\d\d-\d{4}", done.stdout + done.stderr)
    with duckdb.connect(str(folder / "home" / "build.duckdb"), read_only=True) as build:
        counted = rows(build, """
            select reader, is_chosen_reader, count(baseline_day), count(evaluation_day), count(*) filter (burden_change_percent > 50)
            from cleaned.cleaned_growth_metrics group by all order by reader""")  # fmt: skip
        assert counted == [
            ("INDEPENDENT ASSESSOR RADIOLOGIST 1", False, 254, 205, 53),
            ("INDEPENDENT ASSESSOR RADIOLOGIST 2", False, 254, 205, 50),
            ("INVESTIGATOR", True, 254, 205, 45),
        ]
    with duckdb.connect(str(folder / "home" / "hpd.duckdb"), read_only=True) as published:
        told = rows(published, """
            select reader, sum(n_hpd) from hpd_by_definition
            where hpd_definition = 'JU_2019' and other_definition = 'JU_2019' and trial_id = 'CDISCPILOT01'
            group by all order by reader""")  # fmt: skip
        assert [n for _, n in told] == [7, 9, 11]
        chosen = "select distinct reader from hpd_by_definition where is_chosen_reader and trial_id = 'CDISCPILOT01'"
        assert rows(published, chosen) == ["INVESTIGATOR"]


@needs_real_data
def test_lesions_of_pharmaverse_add_up_to_the_sums_its_adam_has(load: Load, db) -> None:
    Path("sdtm").mkdir()
    for name in ("dm.csv", "tr_onco_recist.csv", "tu_onco_recist.csv"):
        shutil.copy(REAL / "pharmaversesdtm" / name, "sdtm")
    load("sdtm")
    added = scans(db, "day, sum_diameters_mm")
    added = rows(
        db,
        "select day, sum_diameters_mm from raw.tumor_measurements where reader = 'INVESTIGATOR' and sum_diameters_mm is not null",
    )
    shutil.copytree(REAL / "pharmaverseadam", "adam")
    load("adam")
    derived = scans(db)
    assert (len(added), len(derived)) == (22, 25)
    # beyond those, ADaM adds two sums in which a lesion was not measured, and one whose date it imputed
    assert sorted(set(derived) - set(added), key=str) == [(42, 110), (63, 14), (None, 38)]

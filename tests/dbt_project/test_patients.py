"""From files of patients and scans to the marts: the whole way. Growth metrics are those of `tests/data/growth_metrics.csv`,
which were computed apart from this project; outcomes and counts are worked out by hand from the rules."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from conftest import run_hpd

DATA = Path(__file__).parent.parent / "data"
with (DATA / "growth_metrics.csv").open(encoding="utf-8") as file:
    WORKED = {row["case"][0]: row for row in csv.DictReader(file)}
# column of the reference → ours
METRICS = {name: name for name in list(WORKED["A"])[8:]} | {"pct_change": "burden_change_percent"}

# time to treatment failure, so that each cut of ttf_sensitivity lets one more of A, D, E, F, G be early
TTF = {"A": 44, "B": 44, "C": 44, "D": 57, "E": 60.875, "F": 61.5, "G": 64, "H": 44}
AMPLIFIED = {"A", "C"}
NO_RATIO = "pre-treatment growth <= 0: ratio undefined"
NOT_MET = ("not_hpd", "the rule is not met")
MET = ("hpd", "the rule is met")
TOO_LATE = ("not_hpd", "met but for the TTF, which is not below the cut")


def not_evaluable(reason: str) -> tuple[str, str]:
    return ("not_evaluable", reason)


HPD = {
    "JU_2019": {"A": MET, "B": NOT_MET, "C": NOT_MET, "D": MET, "E": TOO_LATE, "F": TOO_LATE, "G": TOO_LATE, "H": NOT_MET},
    "KATO_2017": {"A": MET, "B": NOT_MET, "C": not_evaluable(NO_RATIO), "D": not_evaluable(NO_RATIO),
                  "E": TOO_LATE, "F": TOO_LATE, "G": TOO_LATE, "H": NOT_MET},
    "CHAMPIAT_2017": {"A": MET, "B": NOT_MET, "C": not_evaluable(NO_RATIO), "D": not_evaluable(NO_RATIO),
                      "E": MET, "F": MET, "G": MET, "H": NOT_MET},
    "SAADA_BOUZID_2017": {"A": MET, "B": NOT_MET, "C": not_evaluable(NO_RATIO), "D": not_evaluable(NO_RATIO),
                          "E": MET, "F": MET, "G": MET, "H": NOT_MET},
    "FERRARA_2018": {"A": MET, "B": NOT_MET, "C": MET, "D": MET, "E": MET, "F": MET, "G": MET, "H": NOT_MET},
    "KAS_2020": {"A": NOT_MET, "B": NOT_MET, "C": NOT_MET, "D": MET, "E": NOT_MET, "F": NOT_MET, "G": MET, "H": NOT_MET},
    "MATOS_2020": dict.fromkeys("ABCDEFGH", not_evaluable("new lesions not recorded")),
    "LO_RUSSO_2019": dict.fromkeys("ABCDEFGH", not_evaluable("new lesions in involved organs not recorded")),
}  # fmt: skip

# patient: columns of the patients table, scans (day, sum or columns), and (definition, outcome, reason)
RULES: dict[str, tuple[dict, list[tuple[object, object]], tuple[str, tuple[str, str]]]] = {
    "EXACTLY_50": ({"ttf_days": 44}, [(0, 20.2), (42, 30.3)], ("JU_2019", NOT_MET)),
    "ABOVE_50": ({"ttf_days": 44}, [(0, 20.2), (42, 30.31)], ("JU_2019", MET)),
    "ON_THE_CUT": ({"ttf_days": 60.875}, [(0, 50), (42, 80)], ("JU_2019", TOO_LATE)),
    "ON_THE_CUT_INCLUDED": (
        {"ttf_days": 60.875},
        [(0, 50), (42, {"sum_diameters_mm": 80, "n_new_lesions": 0})],
        ("MATOS_2020", MET),
    ),
    "OWN_CUT": ({"ttf_days": 60.875, "ttf_cut_days": 61}, [(0, 50), (42, 80)], ("JU_2019", MET)),
    "CENSORED": (
        {"ttf_days": 44, "is_ttf_censored": "true"},
        [(0, 50), (42, 80)],
        ("JU_2019", not_evaluable("still without the event on day 44, before the cut")),
    ),
    "STILL_TREATED": ({"last_known_day": 90}, [(0, 50), (42, 80)], ("JU_2019", TOO_LATE)),
    "DIED": ({"death_day": 50}, [(0, 50), (42, 80)], ("JU_2019", MET)),
    "PFS_ONLY": ({"progression_day": 30}, [(0, 50), (42, 80)], ("JU_2019", not_evaluable("TTF not given"))),
    "PFS_ASKED_FOR": ({"progression_day": 30, "ttf_event": "progression"}, [(0, 50), (42, 80)], ("JU_2019", MET)),
    "SMALL_CHANGE_NO_TTF": ({}, [(0, 100), (42, 105)], ("JU_2019", not_evaluable("TTF not given"))),
    "NO_SCAN": ({"ttf_days": 44}, [], ("JU_2019", not_evaluable("no scan"))),
    "NO_BASELINE": ({"ttf_days": 44}, [(2, 50), (42, 80)], ("JU_2019", not_evaluable("no baseline scan"))),
    "ZERO": (
        {"ttf_days": 44},
        [(0, 0), (42, 80)],
        ("JU_2019", not_evaluable("baseline sum is 0 mm: change undefined")),
    ),
    "WEEK_14": ({"ttf_days": 44}, [(0, 50), (93, 80)], ("JU_2019", not_evaluable("no evaluation scan by day 92"))),
    "SCAN_AFTER_DEATH": (
        {"ttf_days": 40, "death_day": 40},
        [(0, 50), (41, 80)],
        ("JU_2019", not_evaluable("no evaluation scan")),
    ),
    "PARTIAL_DATE": (
        {"ttf_days": 44},
        [("", {"sum_diameters_mm": 50, "is_day_partial": "true"}), (42, 80)],
        ("JU_2019", not_evaluable("no baseline scan with a full date")),
    ),
    "OFF_PARTIAL": (
        {"last_known_day": 90, "partial_dates": "off_treatment_date"},
        [(0, 50), (42, 80)],
        ("JU_2019", not_evaluable("date of the TTF event is partial")),
    ),
    "TOO_SMALL": (
        {"ttf_days": 44},
        [(0, {"measurement_status": "too_small_to_measure"}), (42, 3.1)],
        ("JU_2019", MET),
    ),
    "PASSED_OVER": (
        {"ttf_days": 44},
        [(0, 50), (30, {"measurement_status": "not_evaluable"}), (42, 80)],
        ("JU_2019", MET),
    ),
    "PERCENTAGE_50": (
        {"ttf_days": 44},
        [(0, 62.4), (42, {"change_from_baseline_percent": 50})],
        ("JU_2019", NOT_MET),
    ),
    "EXACTLY_20": (
        {"ttf_days": 44},
        [(-40, 50), (0, 55.5), (20, 66.6)],  # RECIST progression, and delta TGR above 50
        ("FERRARA_2018", MET),
    ),
    "NO_PRE": ({"ttf_days": 44}, [(0, 50), (42, 80)], ("FERRARA_2018", not_evaluable("no pre-baseline scan"))),
    "CLINICAL": (
        {"ttf_days": 44, "ecog_worst_2_months": 2},
        [(0, 50), (42, {"sum_diameters_mm": 50, "n_new_lesions": 2, "n_new_lesions_involved_organ": 2,
                        "has_new_organ": "false"})],
        ("LO_RUSSO_2019", MET),
    ),
}  # fmt: skip

# the genes of A and B, sequenced by a study of the trial's name
STUDY = {
    "meta_study.txt": "type_of_cancer: nsclc\ncancer_study_identifier: WORKED\nname: Worked\ndescription: Worked\n",
    "meta_cna.txt": "cancer_study_identifier: WORKED\ngenetic_alteration_type: COPY_NUMBER_ALTERATION\n"
    "datatype: DISCRETE\nstable_id: cna\nprofile_name: calls\ndata_filename: calls.txt\n",
    "calls.txt": "Hugo_Symbol\tEntrez_Gene_Id\tS1\tS2\tS3\nMDM2\t4193\t0\t2\t1\n",
    "data_clinical_sample.txt": "#\n#\n#\n#\nSAMPLE_ID\tPATIENT_ID\nS1\tA\nS2\tA\nS3\tB\n",
}

Build = duckdb.DuckDBPyConnection


def write(path: Path, rows: list[dict]) -> Path:
    columns = dict.fromkeys(column for row in rows for column in row)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def scan(trial: str, patient: str, day: object, size: object, reader: str = "INVESTIGATOR") -> dict:
    row = {"trial_id": trial, "patient_id": patient, "day": day, "reader": reader}
    return row | (size if isinstance(size, dict) else {"sum_diameters_mm": size})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published warehouse of four trials: the worked cases, the rules, two readers, and a control arm."""
    folder = tmp_path_factory.mktemp("patients")
    treated = {"cancer_type_reported": "NSCLC", "agents": "nivolumab"}
    patients = [
        {"trial_id": "WORKED", "patient_id": case, **treated, "ttf_days": TTF[case], "genes": "MDM4|MDM2",
         "amplification_status": "amplified" if case in AMPLIFIED else "not_amplified"}
        for case in WORKED
    ]  # fmt: skip
    scans = [
        scan("WORKED", case, row[f"{when}_day"], row[f"{when}_mm"])
        for case, row in WORKED.items()
        for when in ("pre", "base", "eval1")
    ]
    for patient, (columns, own_scans, _) in RULES.items():
        patients.append(
            {"trial_id": "RULES", "patient_id": patient, **treated, "cancer_type_reported": "Sarcoma"} | columns
        )
        scans += [scan("RULES", patient, day, size) for day, size in own_scans]
    patients.append({"trial_id": "READERS", "patient_id": "1", "cancer_type_reported": "Grumpy cell", "ttf_days": 44})
    scans += [scan("READERS", "1", day, size) for day, size in ((0, 50), (42, 60))]
    scans += [scan("READERS", "1", day, size, "INDEPENDENT ASSESSOR") for day, size in ((0, 50), (42, 80))]
    patients.append({"trial_id": "CONTROL", "patient_id": "1", "cancer_type_reported": "NSCLC",
                     "agents": "Docetaxel", "ttf_days": 10})  # fmt: skip
    scans += [scan("CONTROL", "1", day, size) for day, size in ((0, 50), (42, 150))]
    scans.append(scan("CONTROL", "STRANGER", 0, 10))
    files = [write(folder / "patients.csv", patients), write(folder / "scans.csv", scans), folder / "study"]
    files[-1].mkdir()
    for name, text in STUDY.items():
        (files[-1] / name).write_text(text)
    run_hpd("refresh", *files, home=folder / "home")
    return folder / "home"


@pytest.fixture(scope="module")
def build(home: Path):
    """The private build database."""
    with duckdb.connect(str(home / "build.duckdb"), read_only=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def marts(home: Path):
    """The published database."""
    with duckdb.connect(str(home / "hpd.duckdb"), read_only=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def pseudonym(build: Build) -> Callable[[str, str], str]:
    """The pseudonym of a patient: the file's lines are in our order."""
    lines = build.sql("select trial_id, patient_id from raw.patients order by _source_line").fetchall()
    names = [("WORKED", case) for case in WORKED] + [("RULES", patient) for patient in RULES]
    found = dict(zip(names, lines, strict=False))
    assert all(trial == line[0] for (trial, _), line in found.items())
    return lambda trial, patient: found[trial, patient][1]


@pytest.mark.parametrize("case", WORKED)
def test_growth_metrics_are_the_worked_values(case: str, build: Build, pseudonym: Callable) -> None:
    (found,) = build.execute(
        f"select {', '.join(METRICS.values())} from cleaned.cleaned_growth_metrics where patient_id = ?",
        [pseudonym("WORKED", case)],
    ).fetchall()
    expected = [float(WORKED[case][name]) if WORKED[case][name] else None for name in METRICS]
    assert [value is None for value in found] == [value is None for value in expected]
    assert [v for v in found if v is not None] == pytest.approx(
        [v for v in expected if v is not None], rel=1e-9, abs=1e-9
    )


@pytest.mark.parametrize("definition", HPD)
def test_worked_cases_under_every_definition(definition: str, build: Build, pseudonym: Callable) -> None:
    rows = build.execute(
        "select patient_id, outcome, reason from cleaned.cleaned_patient_hpd where trial_id = 'WORKED' and hpd_definition = ?",
        [definition],
    ).fetchall()
    found = {patient: (outcome, reason) for patient, outcome, reason in rows}
    assert {case: found[pseudonym("WORKED", case)] for case in WORKED} == HPD[definition]


@pytest.mark.parametrize("patient", RULES)
def test_a_rule(patient: str, build: Build, pseudonym: Callable) -> None:
    definition, expected = RULES[patient][2]
    found = build.execute(
        "select outcome, reason from cleaned.cleaned_patient_hpd where patient_id = ? and hpd_definition = ?",
        [pseudonym("RULES", patient), definition],
    ).fetchall()
    assert found == [expected]


def test_definitions_side_by_side(marts: Build) -> None:
    columns = "n_patients, n_both_evaluable, n_hpd, n_hpd_other, n_hpd_both, n_hpd_either, agreement_kappa"
    sql = f"select {columns} from hpd_by_definition where trial_id = 'WORKED' and hpd_definition = ? and other_definition = ?"
    # A and D against A, C, D, E, F, G: 4 of 8 agree, 3 by chance; C and D cannot be judged by Champiat
    assert marts.execute(sql, ["JU_2019", "FERRARA_2018"]).fetchall() == [(8, 8, 2, 6, 2, 6, pytest.approx(0.2))]
    assert marts.execute(sql, ["JU_2019", "CHAMPIAT_2017"]).fetchall() == [(8, 6, 1, 4, 1, 4, pytest.approx(2 / 11))]
    assert marts.execute(sql, ["KAS_2020", "KAS_2020"]).fetchall() == [(8, 8, 2, 2, 2, 2, 1.0)]
    assert marts.execute(sql, ["JU_2019", "MATOS_2020"]).fetchall() == [(8, 0, 0, 0, 0, 0, None)]


def test_two_readers_give_two_answers_and_the_chosen_one_is_stated(marts: Build) -> None:
    rows = marts.sql(
        "select reader, is_chosen_reader, n_hpd from hpd_by_definition where trial_id = 'READERS'"
        " and hpd_definition = 'JU_2019' and other_definition = 'JU_2019' order by 1"
    ).fetchall()
    assert rows == [("INDEPENDENT ASSESSOR", False, 1), ("INVESTIGATOR", True, 0)]


def test_the_cut_decides_how_many(marts: Build) -> None:
    rows = marts.sql(
        "select ttf_cut_days, n_patients, n_evaluable, n_hpd from ttf_sensitivity where trial_id = 'WORKED'"
        " and hpd_definition = 'JU_2019' and ttf_event = 'off_treatment' order by 1"
    ).fetchall()
    assert rows == [(cut, 8, 8, n) for cut, n in ((56, 1), (60, 2), (60.875, 2), (61, 3), (62, 4), (65, 5))]
    assert marts.sql(
        "select distinct n_evaluable from ttf_sensitivity where trial_id = 'WORKED' and ttf_event = 'progression'"
    ).fetchall() == [(0,)]


def test_computed_incidence_leaves_the_control_arm_out(marts: Build) -> None:
    rows = marts.sql(
        "select hpd_definition, n_reports, n_evaluable, n_hpd from hpd_incidence"
        " where basis = 'computed' and cancer_type_code = 'NSCLC' order by 1"
    ).fetchall()
    counts = {
        name: (1, sum(o != "not_evaluable" for o, _ in cases.values()), sum(o == "hpd" for o, _ in cases.values()))
        for name, cases in HPD.items()
    }
    # with nobody evaluable there are no counts, as with reports that print none
    counts = {name: row if row[1] else (1, None, None) for name, row in counts.items()}
    assert {name: tuple(rest) for name, *rest in rows} == counts
    control = marts.sql(
        "select treatment_class, outcome, n_patients from hpd_evaluability where trial_id = 'CONTROL'"
        " and hpd_definition = 'JU_2019'"
    ).fetchall()
    assert control == [("other", "hpd", 1)]


def test_words_for_a_cancer_type_are_not_published(marts: Build) -> None:
    rows = marts.sql(
        "select cancer_type_code, cancer_type, n_evaluable from hpd_incidence where basis = 'computed'"
        " and cancer_type_code like 'UNMAPPED%' and hpd_definition = 'JU_2019'"
    ).fetchall()
    assert rows == [("UNMAPPED", "Not in the vocabulary", 1)]


def test_every_treated_patient_is_accounted_for(marts: Build) -> None:
    rows = marts.sql(
        "select trial_id, hpd_definition, sum(n_patients) from hpd_evaluability group by all having sum(n_patients) <>"
        " case trial_id when 'WORKED' then 8 when 'RULES' then 24 else 1 end"
    ).fetchall()
    assert len(RULES) == 24
    assert rows == []
    attrition = marts.sql("select step, reason, n_rows from attrition where evidence = 'tumor_measurements'").fetchall()
    n_scans = 3 * 8 + sum(len(scans) for _, scans, _ in RULES.values()) + 7
    assert sorted(attrition) == [
        ("counted", "nothing against it", n_scans - 4),
        ("not counted", "after the death of the patient", 1),
        ("not counted", "its date is partial", 1),
        ("not counted", "its patient is not among the patients", 1),
        ("not counted", "not measurable", 1),
        ("read", "rows of the inputs", n_scans),
    ]


def test_hpd_beside_amplification(marts: Build) -> None:
    sql = (
        "select n_altered_with_outcome, n_altered_without_outcome, n_unaltered_with_outcome, n_unaltered_without_outcome"
        " from hpd_by_amplification_status where basis = 'computed' and report_id = 'WORKED' and gene_set = 'MDM2|MDM4'"
        " and hpd_definition = ?"
    )
    assert marts.execute(sql, ["FERRARA_2018"]).fetchall() == [(2, 0, 4, 2)]
    assert marts.execute(sql, ["CHAMPIAT_2017"]).fetchall() == [(1, 0, 3, 2)]
    assert marts.execute(sql, ["MATOS_2020"]).fetchall() == []


def test_samples_of_the_trial_say_what_the_patients_table_does_not(marts: Build) -> None:
    rows = marts.sql(
        "select n_altered_with_outcome, n_altered_without_outcome, n_unaltered_with_outcome, n_unaltered_without_outcome"
        " from hpd_by_amplification_status where basis = 'computed' and gene_set = 'MDM2' and hpd_definition = 'FERRARA_2018'"
    ).fetchall()
    assert rows == [(1, 0, 0, 1)]

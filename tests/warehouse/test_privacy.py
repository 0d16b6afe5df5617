"""Inputs full of identifiers go through a whole refresh, and none of them is found anywhere afterwards.

DuckDB compresses its strings, so that the bytes of a database prove nothing alone: its tables are read as well.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

import duckdb
import polars as pl
import pytest
import xlsxwriter
from conftest import run_hpd

# by what it is; each stands in the inputs below, most of them in several places
IDENTIFIERS = {
    "names": ["Mustermann", "Erika", "Jekaterina", "Ærøskøbing", "王小明", "Quackenbush", "O'Shaughnessy"],
    "record numbers": ["MRN-4711-0815", "47110815", "DE89370400440532013000", "+49 30 901820", "erika@example.org"],
    "patients": ["PAT-ALPHA", "PAT-BETA", "PAT-GAMMA", "PAT-DELTA", "PAT-EPSILON", "PAT-NOBODY", "SUBJ-0001", "SUBJ-0002"],
    "dates of birth": ["1954-03-12", "12.03.1954", "03/12/1954", "19540312"],
    "dates": ["2019-03-17", "2019-04-28", "2019-05-30", "28.04.2019", "2019-02-30", "43583", "17MAR2019", "2019-03-17T08:15"],
    "samples": ["SMP-RED-1", "SMP-BLUE-2", "SMP-GREEN-3", "SMP-WHITE-4", "SMP-BLACK-5"],
    "free text": ["lives alone", "daughter phoned", "wheelchair", "HYPERLINK"],
}  # fmt: skip
# in columns that are documented as kept (which cancer, which drug, which trial): private, and never published
LABELS = ["Krebs von Frau Vorwerk", "Vorwerk-mab"]

PATIENTS = """\
trial_id,patient_id,cancer_type,agents,treatment_start_date,off_treatment_date,death_date,ttf_days,other_alteration,assay,source_url,surname,date_of_birth,mrn,remarks
OWN,PAT-ALPHA,NSCLC,nivolumab,2019-03-17,2019-04-28,2019-05-30,,lives alone,FISH by Mustermann,mailto:erika@example.org,Mustermann,1954-03-12,MRN-4711-0815,daughter phoned
OWN,PAT-BETA,Krebs von Frau Vorwerk,Vorwerk-mab,2019-03-17,2019-04,,,,,,Jekaterina,12.03.1954,47110815,
OWN,PAT-GAMMA,NSCLC,nivolumab,2019-03-17,28.04.2019,,,,,,O'Shaughnessy,,,
OWN,PAT-DELTA,NSCLC,nivolumab,2019-04-28,2019-03-17,,,,,,,,,
OWN,PAT-EPSILON,NSCLC,nivolumab,2019-02-30,,,Erika Mustermann,,,,,,,
OWN,PAT-ALPHA,SCLC,pembrolizumab,2019-03-17,,,,,,,Mustermann,,,
OWN,,NSCLC,nivolumab,2019-03-17,,,47110815,,,,Quackenbush,,,
OWN,PAT-NOBODY,Mustermann Erika,1954-03-12,MRN-4711-0815
OWN,PAT-NOBODY
"""
SCANS = """\
trial_id,patient_id,scan_date,treatment_start_date,sum_diameters_mm,reader,response,n_new_lesions,surname
OWN,PAT-BETA,2019-03-17,2019-03-17,50,INVESTIGATOR,,,Mustermann
OWN,PAT-BETA,2019-04-28,2019-03-17,80,INVESTIGATOR,PD,,Mustermann
OWN,PAT-BETA,2019-04-28,2019-03-17,81,INVESTIGATOR,PD,,Mustermann
OWN,PAT-GAMMA,2019-03-17T08:15,2019-03-17,50,Dr Quackenbush,,,
OWN,PAT-GAMMA,43583,2019-03-17,50,,,,
OWN,PAT-GAMMA,2019-04-28,17MAR2019,50,,,,
OWN,PAT-GAMMA,2019-04-28,2019-03-17,"=HYPERLINK(""x"";""Erika"")",,,,
OWN,PAT-GAMMA,2019-04-28,2019-03-17,Jekaterina,READER Quackenbush,daughter phoned,wheelchair,
OWN,PAT-GAMMA,2019-04-28,,50,,,,
OWN,PAT-DELTA,2019-05,2019-03-17,50,INVESTIGATOR,,,
PAT-DELTA,Ærøskøbing,19540312
"""
EXPORT = """\
record_id,surname,dob,phone,io_start,io_stop,ct,sld,comment
PAT-ALPHA,Mustermann,03/12/1954,+49 30 901820,2019-03-17,2019-04-28,,,lives alone
PAT-ALPHA,,,,,,2019-03-17,5.0,
PAT-ALPHA,,,,,,2019-04-28,daughter phoned,wheelchair
PAT-BETA,Jekaterina,,,2019-03-17,2019-04-28,,,
PAT-BETA,,,,,2019-05-30,,,
PAT-GAMMA,王小明,,,2019-02-30,,28.04.2019,,DE89370400440532013000
,Quackenbush,,,2019-03-17,,,,
PAT-DELTA,O'Shaughnessy
"""
CALLS = """\
sample_id,patient_id,MDM2,MDM4
SMP-RED-1,PAT-ALPHA,2,0
SMP-BLUE-2,PAT-BETA,Mustermann,0
SMP-GREEN-3,PAT-GAMMA,0,0
SMP-GREEN-3,PAT-GAMMA,0,1
SMP-WHITE-4,PAT-NOBODY
,PAT-DELTA,2,2
"""
STUDY = {
    "meta_study.txt": "type_of_cancer: sarc\ncancer_study_identifier: own\nname: Own\ndescription: ours\n",
    "meta_cna.txt": "cancer_study_identifier: own\ngenetic_alteration_type: COPY_NUMBER_ALTERATION\ndatatype: DISCRETE\n"
    "stable_id: gistic\ndata_filename: data_cna.txt\n",
    "data_cna.txt": "Hugo_Symbol\tSMP-RED-1\tSMP-BLUE-2\tSMP-BLACK-5\tSMP-WHITE-4\tSMP-WHITE-4\nMDM2\t2\tErika\t0\t0\t0\nMDM4\t0\t0\t7\t0\t0\n",
    "data_clinical_sample.txt": "#\n" * 4 + "PATIENT_ID\tSAMPLE_ID\tCANCER_TYPE\tNOTES\nPAT-ALPHA\tSMP-RED-1\tSarcoma\tMRN-4711-0815\n"
    "PAT-BETA\tSMP-BLUE-2\tSarcoma\tlives alone\nPAT-GAMMA\t\tSarcoma\tMustermann\nPAT-DELTA\tSMP-GREEN-3\n",
    "case_lists/cases_cna.txt": "cancer_study_identifier: own\nstable_id: own_cna\ncase_list_ids: SMP-RED-1\tSMP-BLUE-2\tSMP-GREEN-3\tSMP-RED-1\n",
}  # fmt: skip
SDTM = {
    "dm.csv": "STUDYID,DOMAIN,USUBJID,SUBJID,RFXSTDTC,BRTHDTC,INVNAM,DTHDTC\nCDISC1,DM,SUBJ-0001,47110815,2019-03-17,1954-03-12,Quackenbush,2019-05-30\n"
    "CDISC1,DM,SUBJ-0002,47110815,17MAR2019,1954-03-12,Quackenbush,\n",
    "tr.csv": "STUDYID,DOMAIN,USUBJID,TRTESTCD,TRSTRESN,TRSTRESU,TRDTC,TREVAL,TRLNKID\n"
    "CDISC1,TR,SUBJ-0001,SUMDIAM,50,mm,2019-03-17,INVESTIGATOR,Mustermann\nCDISC1,TR,SUBJ-0001,SUMDIAM,80,mm,2019-04-28,INVESTIGATOR,\n"
    "CDISC1,TR,SUBJ-0002,SUMDIAM,50,mm,28.04.2019,INVESTIGATOR,\nCDISC1,TR,SUBJ-0001,SUMDIAM,Erika,mm,2019-05-30,INVESTIGATOR,\n",
}  # fmt: skip
CONFIG = """\
[[inputs]]
path = "patients.csv"
[[inputs]]
path = "scans.csv"
[[inputs]]
path = "scans.xlsx"
[[inputs]]
path = "patients.parquet"
[[inputs]]
path = "calls.csv"
trial_id = "OWN"
cancer_type = "SARC"
[[inputs]]
path = "own"
trial_id = "OWN"
[[inputs]]
path = "sdtm"
cancer_type = "NSCLC"
[[inputs]]
path = "export.csv"
trial_id = "EXPORT"
cancer_type = "NSCLC"
[inputs.map.patients]
patient_id = "record_id"
treatment_start_date = "io_start"
off_treatment_date = "io_stop"
[inputs.map.tumor_measurements]
patient_id = "record_id"
scan_date = "ct"
sum_diameters_mm = "sld"
[inputs.units]
sld = "cm"
"""


class Refreshed(NamedTuple):
    """A warehouse, and what the commands said."""

    home: Path
    said: str


def lay_out(folder: Path) -> None:
    texts = {"patients.csv": PATIENTS, "scans.csv": SCANS, "export.csv": EXPORT, "calls.csv": CALLS, "hpd.toml": CONFIG}
    texts |= {f"own/{name}": text for name, text in STUDY.items()} | {
        f"sdtm/{name}": text for name, text in SDTM.items()
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    with xlsxwriter.Workbook(folder / "scans.xlsx") as book:
        sheet = book.add_worksheet("Mustermann")
        header = ["trial_id", "patient_id", "day", "sum_diameters_mm", "remarks"]
        for number, row in enumerate([header, ["XLSX", "PAT-ALPHA", 3, "wheelchair", "lives alone"], ["XLSX", "PAT-ALPHA", 43583, 5, ""]]):  # fmt: skip
            sheet.write_row(number, 0, row)
    pl.DataFrame({
        "trial_id": ["PARQUET"] * 3, "patient_id": ["PAT-ALPHA", "PAT-BETA", "PAT-BETA"], "cancer_type": ["NSCLC"] * 3,
        "death_day": ["1954-03-12", "3", "4"], "surname": ["Mustermann", "Erika", "Erika"],
    }).write_parquet(folder / "patients.parquet")  # fmt: skip


@pytest.fixture(scope="module")
def refreshed(tmp_path_factory: pytest.TempPathFactory) -> Refreshed:
    folder = tmp_path_factory.mktemp("identifiers")
    lay_out(folder)
    home, said = folder / "home", ""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.delenv("HPD_PATIENT_KEY", raising=False)
        for command, status in (("validate", 3), ("refresh", 3), ("refresh", 3), ("status", 0)):
            done = run_hpd(command, home=home, cwd=folder, status=status)
            said += done.stdout + done.stderr
        (folder / "broken.csv").write_bytes("trial_id,patient_id,cancer_type\nOWN,Иванова,X\n".encode("cp1251"))
        done = run_hpd("validate", "broken.csv", home=home, cwd=folder, status=1)
        assert "is not valid UTF-8" in done.stderr
    return Refreshed(home, said + done.stderr)


def found_in(text: str | bytes, *more: str) -> list[str]:
    """The identifiers in a text; one of digits alone stands alone, or every checksum and every time would hold some."""
    told = text.encode() if isinstance(text, str) else text
    names = [*(name for some in IDENTIFIERS.values() for name in some), *more]
    found = [name for name in names if name.encode() in told]
    alone = {name for name in found if name.isdigit() and not re.search(rb"(?<![\w.])%b(?!\w)" % name.encode(), told)}
    return [name for name in found if name not in alone]


def rows_of(database: Path) -> dict[str, list[str]]:
    """Table or view → its rows as text, everything in them included."""
    with duckdb.connect(str(database), read_only=True) as connection:
        names = connection.sql(
            "select table_schema, table_name from information_schema.tables where table_schema not in ('information_schema', 'pg_catalog')"
        ).fetchall()
        return {
            f"{schema}.{name}": [str(row) for row in connection.sql(f'from "{schema}"."{name}"').fetchall()]
            for schema, name in names
        }


@pytest.fixture(scope="module")
def build(refreshed: Refreshed) -> dict[str, list[str]]:
    return rows_of(refreshed.home / "build.duckdb")


@pytest.fixture(scope="module")
def release(refreshed: Refreshed) -> dict[str, list[str]]:
    return rows_of(refreshed.home / "hpd.duckdb")


def test_every_identifier_stands_in_the_inputs(tmp_path: Path) -> None:
    """What is not put in cannot be found, whatever is wrong."""
    lay_out(tmp_path)
    texts = "".join(path.read_text() for path in tmp_path.rglob("*") if path.suffix in (".csv", ".txt"))
    assert [name for names in IDENTIFIERS.values() for name in [*names, *LABELS] if name not in texts] == []


def test_there_is_something_to_look_through(build: dict[str, list[str]], release: dict[str, list[str]]) -> None:
    for table in ("raw.patients", "raw.tumor_measurements", "raw.samples", "raw.copy_number_profiles", "audit.loads"):
        assert len(build[table]) > 2, table
    rules = {rule for row in build["audit.rejected_rows"] for rule in re.findall(r"'([a-z]+_[a-z_]+)'", row)}
    assert rules >= {
        "ragged_line", "duplicate_key", "not_a_date", "end_before_start", "not_number", "missing_value", "not_a_call", "wrong_form",
        "conflicting_values", "no_treatment_start", "above_maximum", "not_allowed",
    }  # fmt: skip
    assert all(label in "".join(build["raw.patients"]) for label in LABELS)
    assert all(trial in "".join(build["raw.tumor_measurements"]) for trial in ("OWN", "EXPORT", "CDISC1"))
    assert len(release["main.hpd_incidence"]) > 0
    assert len(release["main.data_quality"]) > 5
    # the cell as it stood, where that tells nobody's name
    assert any("'(patient)'" in row or '"(patient)"' in row for row in build["audit.rejected_rows"])


def test_no_table_of_the_private_database_holds_an_identifier(build: dict[str, list[str]]) -> None:
    assert {table: found for table, rows in build.items() if (found := found_in("\n".join(rows)))} == {}


def test_no_table_of_the_published_database_holds_an_identifier_or_a_label(release: dict[str, list[str]]) -> None:
    assert {t: found for t, rows in release.items() if (found := found_in("\n".join(rows), *LABELS))} == {}


def test_no_published_table_holds_a_pseudonym(release: dict[str, list[str]]) -> None:
    assert {t: f for t, rows in release.items() if (f := re.findall(r"\b[PS][0-9a-f]{20}\b", "\n".join(rows)))} == {}


def test_no_file_of_the_warehouse_holds_an_identifier(refreshed: Refreshed) -> None:
    paths = [path for path in refreshed.home.rglob("*") if path.is_file() and path.name != "patient.key"]
    assert {"build.duckdb", "hpd.duckdb", "dbt.log", "manifest.json"} <= {path.name for path in paths}
    assert {path: found for path in paths if (found := found_in(path.read_bytes()))} == {}
    readable = [path for path in paths if path.name != "build.duckdb"]
    assert {path: n for path in readable for n in LABELS if n.encode() in path.read_bytes()} == {}


def test_no_command_said_an_identifier(refreshed: Refreshed) -> None:
    assert "ERROR" in refreshed.said
    assert found_in(refreshed.said, *LABELS) == []
    assert not re.search("[А-я]{2}|[À-ÿ]{2}", refreshed.said)  # Иванова, in her alphabet or misread


def test_the_private_database_and_the_key_are_their_owner_s(refreshed: Refreshed) -> None:
    for name in ("build.duckdb", "patient.key"):
        assert stat.S_IMODE((refreshed.home / name).stat().st_mode) == 0o600
    for path in refreshed.home.glob("build.duckdb*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_no_published_table_is_about_patients_or_samples(refreshed: Refreshed) -> None:
    with duckdb.connect(str(refreshed.home / "hpd.duckdb"), read_only=True) as connection:
        columns = connection.sql("select table_name, column_name from information_schema.columns").fetchall()
        schemas = connection.sql("select distinct table_schema from information_schema.tables").fetchall()
    assert len(columns) > 50
    told = re.compile("patient_id|sample_id|patient_label|(scan|birth|death|start|stop)_date|_source_line|row_json")
    assert [(table, column) for table, column in columns if told.search(column)] == []
    assert {schema for (schema,) in schemas}.isdisjoint({"raw", "audit", "staging", "cleaned"})


def test_the_key_stands_in_its_file_only(refreshed: Refreshed, build: dict[str, list[str]]) -> None:
    key = (refreshed.home / "patient.key").read_bytes().strip()
    assert len(key) == 64
    paths = [path for path in refreshed.home.rglob("*") if path.is_file() and path.name != "patient.key"]
    assert [
        path for path in paths if key in path.read_bytes() or bytes.fromhex(key.decode()) in path.read_bytes()
    ] == []
    assert key.decode() not in refreshed.said
    assert [table for table, rows in build.items() if key.decode() in "\n".join(rows)] == []
    assert key.decode() not in str(dict(os.environ))

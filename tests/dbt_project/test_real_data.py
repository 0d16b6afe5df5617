"""Real patients, beside the project only: INSPIRE (Bratman 2020, doi 10.1038/s43018-020-0096-5) by the configuration the
README shows, and the FIR and POPLAR lesions of Laleh 2022 (doi 10.1371/journal.pcbi.1009822). Expected numbers were
counted from the files by other means. Real studies are in the same warehouse, beside the published counts of them."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest
from conftest import PROJECT, SHARED, run_hpd

from warehouse.connection import connect

REAL = SHARED / "data" / "real"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="needs ../shared")

LALEH = """
[[inputs]]
path = "{path}"
[inputs.map.patients]
trial_id = "trial"
patient_id = "patient_id"
cancer_type_reported = "cancer"
agents = "treatment"
[inputs.map.tumor_measurements]
trial_id = "trial"
patient_id = "patient_id"
day = "Treatment_Day"
sum_diameters_mm = "TargetLesionLongDiam_mm"
"""
STUDY = """
[[inputs]]
path = "{path}"
"""
IMVIGOR210 = """
[[inputs]]
path = "{path}"
study_id = "imvigor210"
source = "FoundationOne"
cancer_type = "Urothelial carcinoma"
"""


def readme_example(name: str) -> str:
    """The TOML block that follows `<!-- example: NAME -->` in the README."""
    found = re.search(rf"<!-- example: {name} -->\n+```toml\n(.*?)```", (PROJECT / "README.md").read_text(), re.DOTALL)
    assert found, f"README.md shows no example {name}"
    return found[1]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    inspire = REAL / "inspire_reportRmd"
    for name in ("pembrolizumab.csv", "ctDNA.csv"):
        (folder / name).symlink_to(inspire / name)
    laleh = [LALEH.format(path=REAL / "laleh2022" / f"{name}.csv") for name in ("Study1_FIR", "Study2_POPLAR")]
    studies = [
        '\n[[inputs]]\npath = "bundled"\n',
        *(STUDY.format(path=REAL / "tcga" / name) for name in ("sarc_tcga", "kirc_tcga")),
    ]
    imvigor210 = IMVIGOR210.format(path=REAL / "imvigor210_fmone" / "imvigor210_fmone_genes.csv")
    (folder / "hpd.toml").write_text("".join([readme_example("inspire"), *laleh, *studies, imvigor210]))
    # the two copies of a scan of POPLAR on day 136 are rejected
    run_hpd("refresh", home=folder / "home", cwd=folder, status=3)
    return folder / "home"


@pytest.fixture(scope="module")
def build(home: Path):
    with duckdb.connect(str(home / "build.duckdb"), read_only=True) as connection:
        yield connection


def test_four_of_the_74_scanned_inspire_patients_are_above_50_percent_at_their_first_scan(
    build: duckdb.DuckDBPyConnection,
) -> None:
    assert build.sql(
        "select count(distinct patient_id) from cleaned.cleaned_tumor_measurements where trial_id = 'INSPIRE' and day > 1"
    ).fetchall() == [(74,)]
    assert build.sql(
        "select count(*) filter (where is_burden_above_50), count(*) filter (where is_burden_above_50 is not null)"
        " from cleaned.cleaned_growth_metrics where trial_id = 'INSPIRE'"
    ).fetchall() == [(4, 72)]


def test_without_ttf_nobody_of_inspire_is_judged_by_ju_2019(build: duckdb.DuckDBPyConnection) -> None:
    rows = build.sql(
        "select outcome, reason, count(*) from cleaned.cleaned_patient_hpd as hpd"
        " join cleaned.cleaned_growth_metrics as growth using (trial_id, patient_id, is_simulated, reader)"
        " where trial_id = 'INSPIRE' and hpd_definition = 'JU_2019' and growth.is_burden_above_50 group by all"
    ).fetchall()
    assert rows == [("not_evaluable", "TTF not given", 4)]
    assert build.sql(
        "select count(*) from cleaned.cleaned_patient_hpd where trial_id = 'INSPIRE' and hpd_definition = 'JU_2019'"
        " and outcome <> 'not_evaluable'"
    ).fetchall() == [(0,)]


def test_one_lesion_per_patient_grows_by_more_than_half_in_2_of_76_4_of_90_and_0_of_75(
    build: duckdb.DuckDBPyConnection,
) -> None:
    rows = build.sql(
        "select trial_id, cleaned_patients.treatment_class, count(*), count(*) filter (where is_burden_above_50)"
        " from cleaned.cleaned_growth_metrics join cleaned.cleaned_patients using (trial_id, patient_id, is_simulated)"
        " where trial_id in ('FIR', 'POPLAR') and evaluation_day <= 92 group by all order by all"
    ).fetchall()
    assert rows == [
        ("FIR", "anti_pd1_pdl1", 76, 2),
        ("POPLAR", "anti_pd1_pdl1", 90, 4),
        ("POPLAR", "other", 75, 0),
    ]


def test_a_docetaxel_arm_is_in_no_incidence(home: Path) -> None:
    done = run_hpd(
        "query", "--format", "csv",
        "select distinct treatment_class, n_patients from hpd_by_definition where trial_id = 'POPLAR' order by all", home=home,
    )  # fmt: skip
    assert done.stdout.split() == ["treatment_class,n_patients", "anti_pd1_pdl1,90", "other,75"]
    done = run_hpd(
        "query", "--format", "csv",
        "select n_patients from (select sum(n_patients) as n_patients from hpd_evaluability"
        " where trial_id = 'POPLAR' and treatment_class = 'anti_pd1_pdl1' group by hpd_definition) group by all", home=home,
    )  # fmt: skip
    assert done.stdout.split() == ["n_patients", "90"]


def counts(home: Path, cancer: str, gene_set: str, unit: str) -> tuple:
    with connect(home / "hpd.duckdb") as db:
        (row,) = db.execute(
            "select n_amplified, n_assayed, n_samples_all from amplification_by_cancer"
            " where source = 'TCGA' and cancer_type_code = ? and gene_set = ? and unit = ?",
            [cancer, gene_set, unit],
        ).fetchall()
    return row


def test_real_studies_agree_with_the_published_counts_and_are_not_added_to_them(home: Path) -> None:
    assert counts(home, "SARCOMA", "MDM2|MDM4", "sample") == (56, 257, 265)
    assert counts(home, "SARCOMA", "MDM2|MDM4", "patient") == (56, 257, 261)
    assert counts(home, "SARCOMA", "MDM2", "sample")[:2] == (54, 257)
    assert counts(home, "SARCOMA", "MDM4", "sample")[:2] == (4, 257)
    assert counts(home, "CCRCC", "MDM2|MDM4", "sample") == (3, 528, 538)
    assert counts(home, "ALL_CANCERS", "MDM2|MDM4", "sample")[:2] == (494, 10845)
    with connect(home / "hpd.duckdb") as db:
        rows = db.sql(
            "select basis, n_amplified, n_assayed, is_counted from amplification_by_study"
            " where study_id = 'sarc_tcga' and gene_set = 'MDM2|MDM4' and unit = 'sample' order by basis"
        ).fetchall()
    assert rows == [("computed", 56, 257, True), ("published", 56, 257, False)]


def test_imvigor210_from_its_calls(home: Path) -> None:
    with connect(home / "hpd.duckdb") as db:
        rows = db.sql(
            "select gene_set, n_amplified, n_assayed, is_counted from amplification_by_study where source = 'FoundationOne'"
            " and study_id = 'imvigor210' and basis = 'computed' and cancer_type_code = 'UROTHELIAL' and unit = 'patient'"
            " and gene_set in ('MDM2', 'MDM4', 'EGFR', 'CCND1') order by 1"
        ).fetchall()
    assert rows == [("CCND1", 32, 293, True), ("EGFR", 5, 293, True), ("MDM2", 25, 293, True), ("MDM4", 0, 293, True)]

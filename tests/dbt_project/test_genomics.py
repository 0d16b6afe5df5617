"""From genomic files to the marts: the whole way, on a small study written here and on real ones where they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import SHARED, run_hpd

from warehouse.connection import connect

# six tumours of five patients and a normal tissue; PANEL_A covers MDM2 alone, PANEL_B both genes
SAMPLES = """\
#Sample\tPatient\tCode\tType
#Sample\tPatient\tCode\tType
#STRING\tSTRING\tSTRING\tSTRING
#1\t1\t1\t1
SAMPLE_ID\tPATIENT_ID\tONCOTREE_CODE\tSAMPLE_TYPE
S1\tP1\tLUAD\tPrimary
S2\tP1\tLUAD\tMetastasis
S3\tP2\tLUAD\tPrimary
S4\tP3\tLUSC\tPrimary
S5\tP4\t\tPrimary
S6\tP5\tLUAD\tPrimary
N1\tP1\tLUAD\tNormal
"""
# S6 is off the list of samples with copy-number data; MDM4 of S1 and S3 is off their panel
CALLS = """\
Hugo_Symbol\tEntrez_Gene_Id\tS1\tS2\tS3\tS4\tS5\tS6\tN1
MDM2\t4193\t0\t2\t0\t1\tNA\t2\t2
MDM4\t4194\t0\t0\t0\t2\t0\t0\t0
"""
FILES = {
    "meta_study.txt": "type_of_cancer: nsclc\ncancer_study_identifier: own_panel\nname: Own\ndescription: Own panel\n",
    "meta_cna.txt": "cancer_study_identifier: own_panel\ngenetic_alteration_type: COPY_NUMBER_ALTERATION\n"
    "datatype: DISCRETE\nstable_id: cna\nprofile_name: panel calls\ndata_filename: calls.txt\n",
    "calls.txt": CALLS,
    "data_clinical_sample.txt": SAMPLES,
    "data_gene_panel_matrix.txt": "SAMPLE_ID\tcna\nS1\tPANEL_A\nS2\tPANEL_B\nS3\tPANEL_A\nS4\tPANEL_B\nS5\tPANEL_B\nS6\tPANEL_B\n",
    "gene_panel_A.txt": "stable_id: PANEL_A\ndescription: one gene\ngene_list: MDM2\tEGFR\n",
    "gene_panel_B.txt": "stable_id: PANEL_B\ndescription: both\ngene_list: MDM2\tMDM4\n",
    "case_lists/cases_all.txt": "cancer_study_identifier: own_panel\nstable_id: own_panel_all\ncase_list_category: all_cases_in_study\n"
    "case_list_ids: S1\tS2\tS3\tS4\tS5\tS6\tN1\n",
    "case_lists/cases_cna.txt": "cancer_study_identifier: own_panel\nstable_id: own_panel_cna\n"
    "case_list_category: all_cases_with_cna_data\ncase_list_ids: S1\tS2\tS3\tS4\tS5\n",
}


@pytest.fixture(scope="module")
def own_panel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published warehouse that holds only the study."""
    folder = tmp_path_factory.mktemp("genomics")
    for name, text in FILES.items():
        path = folder / "own_panel" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    run_hpd("refresh", folder / "own_panel", home=folder / "home")
    return folder / "home"


def counts(home: Path, cancer: str, gene_set: str, unit: str, source: str = "own_panel") -> list[tuple]:
    with connect(home / "hpd.duckdb") as db:
        return db.execute(
            "select n_amplified, n_assayed, n_samples_all, n_partially_assayed_amplified from amplification_by_cancer"
            " where source = ? and cancer_type_code = ? and gene_set = ? and unit = ?",
            [source, cancer, gene_set, unit],
        ).fetchall()


def test_a_gene_set_is_assayed_where_every_gene_is_on_the_panel(own_panel: Path) -> None:
    # MDM2: S1 to S3 of adenocarcinomas assayed, S2 amplified, S6 not on the list
    assert counts(own_panel, "LUAD", "MDM2", "sample") == [(1, 3, 4, 0)]
    # with MDM4 only S2 remains: panel A lacks it, and the zeros of S1 and S3 say nothing
    assert counts(own_panel, "LUAD", "MDM2|MDM4", "sample") == [(1, 1, 4, 0)]
    assert counts(own_panel, "LUAD", "MDM4", "sample") == [(0, 1, 4, 0)]


def test_patients_are_counted_once(own_panel: Path) -> None:
    assert counts(own_panel, "LUAD", "MDM2", "patient") == [(1, 2, 3, 0)]


def test_a_gain_is_no_amplification_and_a_missing_call_no_zero(own_panel: Path) -> None:
    assert counts(own_panel, "LUSC", "MDM2", "sample") == [(0, 1, 1, 0)]
    assert counts(own_panel, "LUSC", "MDM2|MDM4", "sample") == [(1, 1, 1, 0)]
    # S5 has no code of its own: the study's cancer type, in which its MDM2 was not called
    with connect(own_panel / "hpd.duckdb") as db:
        rows = db.sql(
            "select n_amplified, n_assayed from amplification_by_study"
            " where cancer_type_code = 'NSCLC' and gene_set = 'MDM2' and unit = 'sample'"
        ).fetchall()
    assert rows == [(0, 0)]


def test_genes_that_no_panel_covers_have_no_proportion(own_panel: Path) -> None:
    with connect(own_panel / "hpd.duckdb") as db:
        rows = db.sql(
            "select distinct n_assayed, amplified_fraction from amplification_by_cancer where gene_set = 'CDK4'"
        ).fetchall()
    assert rows == [(0, None)]


def test_every_sample_is_accounted_for(own_panel: Path) -> None:
    with connect(own_panel / "hpd.duckdb") as db:
        rows = db.sql(
            "select sum(n_rows) filter (where step_number = 1), sum(n_rows) filter (where step_number > 1)"
            " from attrition where evidence = 'samples'"
        ).fetchall()
    assert rows == [(7, 7)]


needs_real = pytest.mark.skipif(not (SHARED / "data" / "real").is_dir(), reason="the real studies are not here")


@needs_real
def test_real_studies_agree_with_the_published_counts_and_are_not_added_to_them(warehouse: Path) -> None:
    tcga = SHARED / "data" / "real" / "tcga"
    run_hpd("refresh", "bundled", tcga / "sarc_tcga", tcga / "kirc_tcga", home=warehouse)
    assert [row[:3] for row in counts(warehouse, "SARCOMA", "MDM2|MDM4", "sample", "TCGA")] == [(56, 257, 265)]
    assert [row[:3] for row in counts(warehouse, "SARCOMA", "MDM2|MDM4", "patient", "TCGA")] == [(56, 257, 261)]
    assert [row[:2] for row in counts(warehouse, "SARCOMA", "MDM2", "sample", "TCGA")] == [(54, 257)]
    assert [row[:2] for row in counts(warehouse, "SARCOMA", "MDM4", "sample", "TCGA")] == [(4, 257)]
    assert [row[:3] for row in counts(warehouse, "CCRCC", "MDM2|MDM4", "sample", "TCGA")] == [(3, 528, 538)]
    assert [row[:2] for row in counts(warehouse, "ALL_CANCERS", "MDM2|MDM4", "sample", "TCGA")] == [(494, 10845)]
    with connect(warehouse / "hpd.duckdb") as db:
        rows = db.sql(
            "select basis, n_amplified, n_assayed, is_counted from amplification_by_study"
            " where study_id = 'sarc_tcga' and gene_set = 'MDM2|MDM4' and unit = 'sample' order by basis"
        ).fetchall()
    assert rows == [("computed", 56, 257, True), ("published", 56, 257, False)]


@needs_real
def test_imvigor210_from_its_calls(tmp_path: Path) -> None:
    calls = SHARED / "data" / "real" / "imvigor210_fmone" / "imvigor210_fmone_genes.csv"
    (tmp_path / "hpd.toml").write_text(
        f'[[inputs]]\npath = "{calls}"\nstudy_id = "imvigor210"\nsource = "FoundationOne"\n'
        'cancer_type = "Urothelial carcinoma"\n'
    )
    run_hpd("refresh", home=tmp_path / "home", cwd=tmp_path)
    for gene_set, amplified in {"MDM2": 25, "MDM4": 0, "EGFR": 5, "CCND1": 32}.items():
        found = counts(tmp_path / "home", "UROTHELIAL", gene_set, "patient", "FoundationOne")
        assert [row[:2] for row in found] == [(amplified, 293)], gene_set

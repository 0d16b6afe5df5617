"""What the marts say on the bundled evidence. Expected values are those printed by the sources, counted by hand
from the reports, or computed by R (`tests/data`), never our own output."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import duckdb
import pytest
from conftest import PROJECT, Grown

from warehouse.connection import connect

DATA = Path(__file__).parent.parent / "data"

POOLED = {
    "NSCLC": (209, 1302, 7),
    "HNSCC": (66, 341, 4),
    "GASTRIC": (56, 356, 3),
    "HCC": (64, 560, 5),
    "MELANOMA": (99, 1079, 2),
    "SARCOMA": (15, 129, 1),
    "UROTHELIAL": (7, 43, 1),
    "PANCREATIC": (10, 104, 1),
    "NPC": (16, 41, 1),
    "ACRAL_MUCOSAL_MELANOMA": (22, 51, 1),
}
# amplified, assayed, all samples
TCGA = {
    "SARCOMA": (56, 257, 265),
    "CCRCC": (3, 528, 538),
    "GLIOBLASTOMA": (98, 577, 619),
    "UROTHELIAL": (35, 408, 413),
    "LUAD": (35, 516, 586),
    "MELANOMA": (23, 367, 480),
    "BREAST": (67, 1080, 1108),
    "GASTRIC": (26, 441, 478),
}

Marts = duckdb.DuckDBPyConnection


@pytest.mark.parametrize("cancer", POOLED)
def test_pooled_reports(cancer: str, marts: Marts) -> None:
    rows = marts.execute(
        "select n_hpd, n_evaluable, n_reports_pooled from hpd_incidence"
        " where cancer_type_code = ? and hpd_definition = 'ANY_PUBLISHED' and basis = 'reported'",
        [cancer],
    ).fetchall()
    assert rows == [POOLED[cancer]]


def test_no_other_cancer_is_pooled(marts: Marts) -> None:
    rows = marts.sql(
        "select cancer_type_code from hpd_incidence where hpd_definition = 'ANY_PUBLISHED' and n_reports_pooled > 0"
    ).fetchall()
    assert {cancer for (cancer,) in rows} == POOLED.keys()


def test_renal_clear_cell_is_shown_as_printed_and_not_pooled(marts: Marts) -> None:
    rows = marts.sql(
        "select n_reports, n_reports_pooled, n_evaluable, n_hpd, hpd_incidence, reported_incidence_low,"
        " reported_incidence_high from hpd_incidence"
        " where cancer_type_code = 'CCRCC' and hpd_definition = 'SEED_JU_2019'"
    ).fetchall()
    assert rows == [(1, 0, None, None, None, 0.0158, 0.0158)]


@pytest.mark.parametrize("cancer", TCGA)
def test_tcga_amplification_of_either_gene(cancer: str, marts: Marts) -> None:
    expected = TCGA[cancer]
    for sql in (
        "select n_amplified, n_assayed, n_samples_all from amplification_by_cancer"
        " where source = 'TCGA' and gene_set = 'MDM2|MDM4' and cancer_type_code = ?",
        "select distinct tcga_n_amplified, tcga_n_assayed, tcga_n_samples_all from hpd_amplification_by_cancer"
        " where gene_set = 'MDM2|MDM4' and cancer_type_code = ?",
    ):
        assert marts.execute(sql, [cancer]).fetchall() == [expected]


def test_all_32_tcga_cohorts_together(marts: Marts) -> None:
    rows = marts.sql(
        "select n_amplified, n_assayed, n_studies from amplification_by_cancer"
        " where source = 'TCGA' and gene_set = 'MDM2|MDM4' and cancer_type_code = 'ALL_CANCERS'"
    ).fetchall()
    assert rows == [(494, 10845, 32)]


def test_a_wider_cancer_type_is_the_sum_of_its_cohorts(marts: Marts) -> None:
    both = marts.sql(
        "select sum(n_amplified), sum(n_assayed) from amplification_by_cancer where source = 'TCGA'"
        " and gene_set = 'MDM2|MDM4' and cancer_type_code in ('LUAD', 'LUSC')"
    ).fetchall()
    nsclc = marts.sql(
        "select n_amplified, n_assayed from amplification_by_cancer where source = 'TCGA'"
        " and gene_set = 'MDM2|MDM4' and cancer_type_code = 'NSCLC'"
    ).fetchall()
    assert both == nsclc


def test_a_study_s_own_total_is_not_the_sum_of_its_parts(marts: Marts) -> None:
    rows = marts.sql(
        "select n_amplified, n_assayed, unit from amplification_by_cancer"
        " where source = 'MSK-IMPACT' and gene_set = 'MDM2' and cancer_type_code = 'ALL_CANCERS'"
    ).fetchall()
    assert rows == [(405, 10945, "sample")]


def test_imvigor210_is_beside_tcga_and_apart_from_it(marts: Marts) -> None:
    rows = marts.sql(
        "select n_amplified, n_assayed from amplification_by_cancer"
        " where source = 'FoundationOne' and gene_set = 'MDM2' and cancer_type_code = 'UROTHELIAL'"
    ).fetchall()
    assert rows == [(25, 293)]


def test_the_reference_study_stands_beside_ours(marts: Marts) -> None:
    rows = marts.sql(
        "select quantity, cancer_type_code, printed_value, our_numerator, our_denominator, our_n_samples_all from reference_study"
    ).fetchall()
    assert set(rows) == {
        ("hpd_incidence", "CCRCC", 0.0158, None, None, None),
        ("hpd_incidence", "SARCOMA", 0.243, 15, 129, None),
        ("amplified_fraction", "CCRCC", 0.0074, 3, 528, 538),
        ("amplified_fraction", "SARCOMA", 0.2038, 56, 257, 265),
        ("n_trials", "ALL_CANCERS", 19, None, None, None),
        ("n_patients", "ALL_CANCERS", 1318, None, None, None),
        ("n_cancer_types", "ALL_CANCERS", 12, None, None, None),
    }


def bundled(name: str) -> list[dict]:
    with (PROJECT / "ingest" / "bundled" / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_bundled_report_is_in_the_marts(marts: Marts) -> None:
    wanted = {(row["report_id"], row["cancer_type_reported"]) for row in bundled("trials.csv")}
    found = set(marts.sql("select report_id, cancer_type_reported from hpd_reports").fetchall())
    assert len(wanted) == 66
    assert found == wanted


def test_every_report_that_is_not_pooled_says_why(marts: Marts) -> None:
    rows = marts.sql("select report_id, pool_exclusion_reason from hpd_reports where not in_any_pool").fetchall()
    given = {
        row["report_id"]: row["pool_exclusion_reason"] for row in bundled("trials.csv") if row["in_pool"] == "false"
    }
    assert len(rows) == 40
    assert dict(rows) == given


def test_every_bundled_amplification_count_is_in_the_marts(marts: Marts) -> None:
    labels = marts.sql(
        "select vocabulary, lower(label), cancer_type_code from vocabulary.cancer_type_labels"
    ).fetchall()
    code = {(vocabulary, label): cancer for vocabulary, label, cancer in labels}
    sets = dict(marts.sql("select genes, gene_set from vocabulary.gene_sets").fetchall())
    expected: dict[tuple, list[int]] = {}
    for row in bundled("amplification_counts.csv"):
        cancer = code.get(("tcga", row["cancer_type_code_reported"].lower())) if row["source"] == "TCGA" else None
        cancer = cancer or code["name", row["cancer_type_reported"].lower()]
        counts = expected.setdefault((row["source"], cancer, sets[row["genes"]]), [0, 0])
        counts[0] += int(row["n_amplified"])
        counts[1] += int(row["n_assayed"])
    found = marts.sql(
        "select source, cancer_type_code, gene_set, n_amplified, n_assayed from amplification_by_cancer"
    ).fetchall()
    marted = {(source, cancer, genes): [amplified, assayed] for source, cancer, genes, amplified, assayed in found}
    own_rows = {key: counts for key, counts in expected.items() if key[1] not in parents(marts)}
    assert len(own_rows) > 250
    assert {key: marted.get(key) for key in own_rows} == own_rows
    main = marts.sql(
        "select distinct cancer_type_code, gene_set from hpd_amplification_by_cancer where has_amplification"
    ).fetchall()
    assert {(cancer, genes) for _, cancer, genes in marted} == set(main)


def parents(marts: Marts) -> set[str]:
    rows = marts.sql(
        "select distinct parent_cancer_type_code from vocabulary.cancer_types where parent_cancer_type_code is not null"
    ).fetchall()
    return {parent for (parent,) in rows}


def test_rows_read_are_rows_accounted_for(marts: Marts) -> None:
    rows = marts.sql(
        "select evidence, sum(n_rows) filter (where step_number = 1), sum(n_rows) filter (where step_number > 1)"
        " from attrition group by evidence order by evidence"
    ).fetchall()
    assert rows == [
        ("amplification_counts", 354, 354),
        ("hpd_by_amplification", 6, 6),
        ("patients", 21, 21),
        ("trials", 66, 66),
    ]


def test_every_two_by_two_table_is_shown_and_only_the_whole_one_is_complete(marts: Marts) -> None:
    rows = marts.sql(
        "select report_id, is_complete, n_altered_with_outcome, n_altered_without_outcome, n_unaltered_with_outcome, n_unaltered_without_outcome from hpd_by_amplification_status"
    ).fetchall()
    assert len(rows) == 6
    assert [row for row in rows if row[1]] == [("IMVIGOR210", True, 9, 11, 131, 100)]


def test_every_label_of_the_bundled_evidence_is_mapped(marts: Marts) -> None:
    assert marts.sql("select * from data_quality where rule = 'cancer_type_unmapped'").fetchall() == []
    assert marts.sql("select count(*) from hpd_reports where is_cancer_type_mapped").fetchall() == [(66,)]


def test_every_column_of_every_mart_is_described(marts: Marts) -> None:
    columns = set(marts.sql(
        "select table_name, column_name from duckdb_columns()"
        " where database_name = 'hpd' and schema_name = 'main' and table_name not like 'release%'").fetchall())  # fmt: skip
    documented = marts.sql("select mart, column_name, description from data_dictionary").fetchall()
    assert {(mart, column) for mart, column, _ in documented} == columns
    assert all(len(description) > 10 for _, _, description in documented)
    undescribed = marts.sql(
        "select table_name, column_name from duckdb_columns() where database_name = 'hpd' and schema_name = 'main' and table_name not like 'release%' and comment is null"
    ).fetchall()
    assert undescribed == []


def test_wilson_intervals_equal_those_of_r(grown: Grown) -> None:
    """R 4.2.2 (`tests/data/pool_reference_out.csv`, method crude-Wilson), from the reports of `pool_tiny.csv`."""
    with (DATA / "pool_reference_out.csv").open() as file:
        reference = {
            row["cancer"]: row
            for row in csv.DictReader(file)
            if row["method"] == "crude-Wilson" and row["cancer"] != "ALL"
        }
    with connect(grown.home / "hpd.duckdb") as db:
        ours = db.sql(
            "select distinct cancer_type_reported, n_hpd, n_evaluable, hpd_incidence, hpd_ci_low, hpd_ci_high"
            " from hpd_incidence join"
            " (select distinct cancer_type_code, cancer_type_reported from hpd_reports where is_simulated)"
            " using (cancer_type_code) where hpd_definition = 'ANY_PUBLISHED' and is_simulated"
        ).fetchall()
    assert {row[0] for row in ours} == reference.keys()
    for cancer, events, n, *values in ours:
        row = reference[cancer]
        assert (events, n) == (int(row["events"]), int(row["n"]))
        assert values == pytest.approx([float(row["est"]), float(row["lo"]), float(row["hi"])], rel=1e-9)


def test_the_simulated_reports_are_those_of_the_reference() -> None:
    with (DATA / "pool_tiny.csv").open() as reference, (DATA / "grown" / "tiny.csv").open() as ours:
        wanted = [(row["study"], row["cancer"], row["n"], row["events"]) for row in csv.DictReader(reference)]
        assert [(r["report_id"], r["cancer_type_reported"], r["n_evaluable"], r["n_hpd"]) for r in csv.DictReader(ours)] == wanted  # fmt: skip


def test_simulated_trials_stay_apart(grown: Grown) -> None:
    with (DATA / "pool_tiny.csv").open() as file:
        tiny = [row for row in csv.DictReader(file) if row["cancer"] == "NSCLC"]
    with connect(grown.home / "hpd.duckdb") as db:
        rows = db.sql(
            "select is_simulated, n_hpd, n_evaluable from hpd_incidence"
            " where cancer_type_code = 'NSCLC' and hpd_definition = 'ANY_PUBLISHED' order by 1"
        ).fetchall()
    assert rows == [
        (False, 209 + 50, 1302 + 100),
        (True, sum(int(row["events"]) for row in tiny), sum(int(row["n"]) for row in tiny)),
    ]


def test_an_unknown_cancer_label_is_kept_counted_and_flagged(grown: Grown) -> None:
    with connect(grown.home / "hpd.duckdb") as db:
        (row,) = db.sql(
            "select distinct cancer_type, n_hpd, n_evaluable, has_hpd, has_amplification from hpd_amplification_by_cancer where cancer_type_code like 'UNMAPPED%' and hpd_definition = 'ANY_PUBLISHED'"
        ).fetchall()
        assert row == ("Grumpy cell tumour", 1, 10, True, False)
        assert db.sql("select n_rows, first_line from data_quality where rule = 'cancer_type_unmapped'").fetchall() == [
            (1, 4)
        ]


def test_the_check_of_the_dictionary_waits_for_every_mart() -> None:
    project = PROJECT / "dbt_project"
    names = {path.stem for path in (project / "models" / "marts").glob("*.sql")} - {"data_dictionary"}
    check = (project / "tests" / "data_dictionary_lists_every_column.sql").read_text()
    assert set(re.findall(r"depends_on: \{\{ ref\('(\w+)'\) \}\}", check)) == names

"""From genomic files to the marts: the whole way, on a small study beside the published evidence."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Grown

from warehouse.connection import connect

# the study tests/data/grown/own_panel: six tumours of five patients and a normal tissue (N1); PANEL_A covers MDM2 alone,
# PANEL_B both genes, so that MDM4 of S1 and S3 is off their panel; S6 is off the list of samples with copy-number data


@pytest.fixture(scope="module")
def own_panel(grown: Grown) -> Path:
    """A published warehouse that holds the study, and no other samples."""
    return grown.home


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
            " where source = 'own_panel' and cancer_type_code = 'NSCLC' and gene_set = 'MDM2' and unit = 'sample'"
        ).fetchall()
    assert rows == [(0, 0)]


def test_genes_that_no_panel_covers_have_no_proportion(own_panel: Path) -> None:
    with connect(own_panel / "hpd.duckdb") as db:
        rows = db.sql(
            "select distinct n_assayed, amplified_fraction from amplification_by_cancer where source = 'own_panel' and gene_set = 'CDK4'"
        ).fetchall()
    assert rows == [(0, None)]


def test_every_sample_is_accounted_for(own_panel: Path) -> None:
    with connect(own_panel / "hpd.duckdb") as db:
        rows = db.sql(
            "select sum(n_rows) filter (where step_number = 1), sum(n_rows) filter (where step_number > 1)"
            " from attrition where evidence = 'samples'"
        ).fetchall()
    assert rows == [(7, 7)]
